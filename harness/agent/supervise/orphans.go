package supervise

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// orphanInterval is the pause between two looks for orphans. A zombie that was there at two of them is waited for by nobody.
const orphanInterval = time.Second

// ReapOrphans reaps processes whose parents died before them, which is the duty of process 1, until ctx ends. Daemons, and children that
// other parts of the process wait for, are left to those.
func (s *Supervisor) ReapOrphans(ctx context.Context) {
	ticker := time.NewTicker(orphanInterval)
	defer ticker.Stop()
	var before map[int]bool
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		zombies := zombiesOf(os.Getpid())
		for pid := range zombies {
			if before[pid] && !s.isDaemon(pid) {
				_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			}
		}
		before = zombies
	}
}

func (s *Supervisor) isDaemon(pid int) bool {
	for _, d := range s.daemons {
		if l := d.current(); l != nil && l.pid == pid && !l.over() {
			return true
		}
	}
	return false
}

// zombiesOf returns the children of a process that have ended and are not reaped.
func zombiesOf(parent int) map[int]bool {
	zombies := map[int]bool{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return zombies
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err == nil && threadState(stat) == 'Z' && parentOf(stat) == parent {
			zombies[pid] = true
		}
	}
	return zombies
}

// parentOf finds the parent in a line of /proc/PID/stat: it follows the state.
func parentOf(stat []byte) int {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
