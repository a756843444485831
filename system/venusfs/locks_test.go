package venusfs

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
)

// The table agrees with one that keeps each byte by itself.
func TestLocksAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const bytes = 12
		type cell struct{ readers, writer map[uint64]bool }
		var model [bytes]cell
		for i := range model {
			model[i] = cell{map[uint64]bool{}, map[uint64]bool{}}
		}
		table, space := newLocks(), lockSpace{fid: coda.RootFid(1)}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			l := lock{owner: rapid.Uint64Range(1, 3).Draw(t, "owner"), start: rapid.Uint64Range(0, bytes-1).Draw(t, "start")}
			l.end = rapid.Uint64Range(l.start, bytes-1).Draw(t, "end")
			kind := rapid.SampledFrom([]string{"read", "write", "release"}).Draw(t, "kind")
			l.exclusive = kind == "write"
			free := true
			for _, c := range model[l.start : l.end+1] {
				for owner := range c.writer {
					free = free && owner == l.owner
				}
				for owner := range c.readers {
					free = free && (owner == l.owner || !l.exclusive)
				}
			}
			if kind == "release" {
				table.release(space, l)
			} else {
				_, taken := table.conflict(space, l)
				require.Equal(t, free, !taken)
				require.Equal(t, free, table.take(space, l) == nil)
				if !free {
					continue
				}
			}
			for _, c := range model[l.start : l.end+1] {
				delete(c.readers, l.owner)
				delete(c.writer, l.owner)
				switch kind {
				case "read":
					c.readers[l.owner] = true
				case "write":
					c.writer[l.owner] = true
				}
			}
		}
		for owner := uint64(1); owner <= 3; owner++ {
			table.release(space, lock{end: math.MaxUint64, owner: owner})
		}
		require.Empty(t, table.held)
	})
}

func TestLocksHoldBetweenReadersAndWriters(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	client.write("file", "text")
	reader := client.open("file", unix.O_RDONLY)
	writer := client.open("file", unix.O_RDWR)
	defer writer.Close()
	require.NoError(t, unix.Flock(int(reader.Fd()), unix.LOCK_SH|unix.LOCK_NB))
	require.ErrorIs(t, unix.Flock(int(writer.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EAGAIN)

	// One that waits gets the lock when the reader has gone.
	got := make(chan error, 1)
	go func() { got <- ignoringEINTR(func() error { return unix.Flock(int(writer.Fd()), unix.LOCK_EX) }) }()
	select {
	case err := <-got:
		t.Fatalf("the lock was not free: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, reader.Close())
	require.NoError(t, within(t, 10*time.Second, "the lock", func() error { return <-got }))
	run(t, client.dir, "sh", "-c", "! flock -n file true")
	require.NoError(t, unix.Flock(int(writer.Fd()), unix.LOCK_UN))
	run(t, client.dir, "flock", "-n", "file", "true")

	// fcntl locks, between processes, on parts of a file.
	first := unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 10}
	require.NoError(t, unix.FcntlFlock(writer.Fd(), unix.F_SETLK, &first))
	lockOther := `import fcntl,sys
f = open("file", "r+")
fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, int(sys.argv[1]))`
	if _, err := exec.LookPath("python3"); err == nil {
		run(t, client.dir, "python3", "-c", lockOther, "10")
		cmd := exec.CommandContext(t.Context(), "python3", "-c", lockOther, "5")
		cmd.Dir = client.dir
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "BlockingIOError")
	}
}

func ignoringEINTR(do func() error) error {
	for {
		if err := do(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// A process that is killed while it waits for a lock goes.
func TestKilledWaiterGoes(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	client.write("file", "text")
	f, err := os.Open(client.path("file"))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	cmd := exec.CommandContext(t.Context(), "flock", client.path("file"), "true")
	require.NoError(t, cmd.Start())
	time.Sleep(50 * time.Millisecond) // so that it most likely waits by now; the test is right either way
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, within(t, 10*time.Second, "a killed process", cmd.Wait))
}
