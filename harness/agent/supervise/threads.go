package supervise

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// threadsPoll is the pause between two looks at the threads of a process.
const threadsPoll = time.Millisecond

// AwaitThreads waits until all threads of a process are stopped by a signal, or none is. The error says that the process is gone, or that ctx has ended.
func AwaitThreads(ctx context.Context, pid int, stopped bool) error {
	for {
		done, err := allThreads(pid, stopped)
		if err != nil || done {
			return err
		}
		select {
		case <-time.After(threadsPoll):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the threads of process %d to stop or go on: %w", pid, ctx.Err())
		}
	}
}

// allThreads says whether every thread of a process is stopped, or every one is not. Threads that have ended do not count.
func allThreads(pid int, stopped bool) (bool, error) {
	stats, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "stat"))
	if err != nil || len(stats) == 0 {
		return false, fmt.Errorf("process %d is gone", pid)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		letter := threadState(text)
		if letter == 'Z' || letter == 'X' {
			continue
		}
		if (letter == 'T' || letter == 't') != stopped {
			return false, nil
		}
	}
	return true, nil
}

// threadState finds the letter in a line of /proc/PID/stat: it follows the name, which is in parentheses and may have any character.
func threadState(stat []byte) byte {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 || end+2 >= len(stat) {
		return 0
	}
	return stat[end+2]
}
