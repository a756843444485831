package venusfs

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// bothModes runs a test where the kernel reads and writes by itself and where venusfs does.
func bothModes(t *testing.T, test func(t *testing.T, c *cluster, options Options)) {
	for name, options := range map[string]Options{"passthrough": {}, "plain": {NoPassthrough: true}} {
		t.Run(name, func(t *testing.T) { test(t, startCluster(t), options) })
	}
}

// open opens a file without the retries of package os, which could hide an error.
func (c *client) open(name string, flags int) *os.File {
	c.t.Helper()
	fd, err := unix.Open(c.path(name), flags|unix.O_CLOEXEC, 0o644)
	require.NoError(c.t, err, "open %s with flags %x", name, flags)
	return os.NewFile(uintptr(fd), name)
}

// contentsBy are the ways to get at what an open file contains.
var contentsBy = map[string]func(t *testing.T, f *os.File) string{
	"pread": func(t *testing.T, f *os.File) string {
		b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
		require.NoError(t, err)
		return string(b)
	},
	"mmap": func(t *testing.T, f *os.File) string {
		info, err := f.Stat()
		require.NoError(t, err)
		if info.Size() == 0 {
			return ""
		}
		b, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
		require.NoError(t, err)
		defer func() { require.NoError(t, unix.Munmap(b)) }()
		return string(b)
	},
	"splice": func(t *testing.T, f *os.File) string {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		var offset int64
		n, err := unix.Splice(int(f.Fd()), &offset, int(w.Fd()), nil, 60000, 0)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		b := make([]byte, n)
		_, err = io.ReadFull(r, b)
		require.NoError(t, err)
		return string(b)
	},
	"the length by seek": func(t *testing.T, f *os.File) string {
		end, err := f.Seek(0, io.SeekEnd)
		require.NoError(t, err)
		b := make([]byte, end)
		_, err = f.ReadAt(b, 0)
		require.NoError(t, err)
		return string(b)
	},
}

func requireContents(t *testing.T, f *os.File, want string) {
	t.Helper()
	for how, get := range contentsBy {
		require.Equal(t, want, get(t, f), how)
	}
}

func TestReaderKeepsWhatItOpened(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		client.write("file", "old")
		old := client.open("file", unix.O_RDONLY)
		defer old.Close()

		w := client.open("file", unix.O_WRONLY|unix.O_TRUNC)
		_, err := w.WriteString("new and longer")
		require.NoError(t, err)
		requireContents(t, old, "old")
		during := client.open("file", unix.O_RDONLY)
		defer during.Close()
		requireContents(t, during, "old")
		require.NoError(t, w.Close())

		requireContents(t, old, "old")
		requireContents(t, during, "old")
		after := client.open("file", unix.O_RDONLY)
		defer after.Close()
		requireContents(t, after, "new and longer")
		require.Equal(t, "new and longer", client.read("file"))
		info, err := os.Stat(client.path("file"))
		require.NoError(t, err)
		require.EqualValues(t, len("new and longer"), info.Size())
		requireContents(t, old, "old")
	})
}

func TestReaderKeepsWhatItOpenedWhenAnotherClientWrites(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		a, b := c.mount(options), c.mount(options)
		a.write("file", "first")
		eventually(t, func() bool {
			text, err := os.ReadFile(b.path("file"))
			return err == nil && string(text) == "first"
		}, "the file comes")
		readers := map[string]*os.File{"first": b.open("file", unix.O_RDONLY)}
		for i := range 5 {
			text := strings.Repeat(fmt.Sprint(i), 10+i)
			a.write("file", text)
			eventually(t, func() bool { return b.read("file") == text }, "the change comes")
			readers[text] = b.open("file", unix.O_RDONLY)
			for want, f := range readers {
				requireContents(t, f, want)
			}
		}
		for _, f := range readers {
			require.NoError(t, f.Close())
		}
	})
}

// Every way to open a file is mixed with every other, on whatever the earlier ones left.
func TestEveryMixOfOpens(t *testing.T) {
	const reads, writes, truncates, appends, both = unix.O_RDONLY, unix.O_WRONLY, unix.O_WRONLY | unix.O_TRUNC, unix.O_WRONLY | unix.O_APPEND, unix.O_RDWR
	kinds := []int{reads, writes, truncates, appends, both}
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		for _, first := range kinds {
			for _, second := range kinds {
				for _, third := range kinds {
					name := fmt.Sprintf("file-%x-%x-%x", first, second, third)
					client.write(name, "begin ")
					var files []*os.File
					var text string
					for i, flags := range []int{first, second, third} {
						f := client.open(name, flags)
						files = append(files, f)
						if flags == reads {
							continue
						}
						// The writers of one client share their contents, and a reader does not see them.
						switch text {
						case "":
							text = "begin "
						}
						if flags == truncates {
							text = ""
						}
						word := fmt.Sprintf("word %d ", i)
						_, err := f.WriteAt([]byte(word), int64(len(text)))
						if flags == appends {
							_, err = f.Write([]byte(word))
						}
						require.NoError(t, err, name)
						text += word
						if flags == both {
							require.Equal(t, text, contentsBy["pread"](t, f), name)
						}
					}
					if text == "" {
						text = "begin "
					}
					for _, f := range files {
						require.NoError(t, f.Close(), name)
					}
					require.Equal(t, text, client.read(name), name)
				}
			}
		}
	})
}

// Many threads open and read a file while others replace it, one at a time. Everybody sees whole contents, and nobody an error.
func TestCrowdOnOneFile(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		text := func(i int) string { return strings.Repeat(fmt.Sprintf("%04d", i), 300+i*7) }
		client.write("file", text(0))
		var all sync.WaitGroup
		var writing sync.Mutex // the writers of one client share their contents
		problems := make(chan string, 1000)
		for worker := range 8 {
			all.Go(func() {
				for i := range 40 {
					if worker < 2 {
						writing.Lock()
						err := replace(client.path("file"), text(worker*40+i))
						writing.Unlock()
						if err != nil {
							problems <- err.Error()
						}
						continue
					}
					b, err := os.ReadFile(client.path("file"))
					if err != nil {
						problems <- err.Error()
						continue
					}
					var n int
					if _, err := fmt.Sscanf(string(b[:min(4, len(b))]), "%04d", &n); err != nil || string(b) != text(n) {
						problems <- fmt.Sprintf("torn contents of %d bytes, beginning with %.8s, ending with %q", len(b), b, b[max(0, len(b)-8):])
					}
				}
			})
		}
		all.Wait()
		close(problems)
		for p := range problems {
			t.Error(p)
		}
	})
}

// replace opens, truncates, writes and closes.
func replace(path, text string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open to replace: %w", err)
	}
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return unix.Close(fd)
}

// Readers on one client see whole contents, and never older ones than before, while another client replaces the file.
func TestReadersNeverGoBack(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		a, b := c.mount(options), c.mount(options)
		const last = 60
		text := func(i int) string { return strings.Repeat(fmt.Sprintf("%04d", i), 256) } // of one length, so that only the contents tell
		a.write("file", text(0))
		eventually(t, func() bool {
			got, err := os.ReadFile(b.path("file"))
			return err == nil && string(got) == text(0)
		}, "the file comes")
		var all sync.WaitGroup
		problems := make(chan string, 1000)
		for range 4 {
			all.Go(func() {
				deadline := time.Now().Add(15 * time.Second)
				for seen := 0; seen < last; {
					got, err := os.ReadFile(b.path("file"))
					var n int
					if err == nil {
						_, err = fmt.Sscanf(string(got[:min(4, len(got))]), "%04d", &n)
					}
					if err != nil || string(got) != text(n) || n < seen || time.Now().After(deadline) {
						problems <- fmt.Sprintf("after %d: %v, %d bytes, beginning with %.8s", seen, err, len(got), got)
						return
					}
					seen = n
				}
			})
		}
		for i := 1; i <= last; i++ {
			a.write("file", text(i))
		}
		all.Wait()
		close(problems)
		for p := range problems {
			t.Error(p)
		}
	})
}

// Who has a lock on a file that is open for writing finds what others wrote under the lock, though everybody opens and closes the file all the time,
// as processes that share a database do, and others read it and look at it meanwhile.
func TestWritersCountTogether(t *testing.T) {
	const workers, rounds = 6, 60
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		client.write("count", "0000")
		var writers, others sync.WaitGroup
		problems := make(chan error, workers*rounds)
		stop := make(chan struct{})
		for worker := range 2 {
			others.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if worker == 0 {
						_, _ = os.ReadFile(client.path("count"))
					} else {
						_, _ = os.Stat(client.path("count"))
					}
				}
			})
		}
		for range workers {
			writers.Go(func() {
				for range rounds {
					if err := countOne(client.path("count")); err != nil {
						problems <- err
					}
				}
			})
		}
		writers.Wait()
		close(stop)
		others.Wait()
		close(problems)
		for p := range problems {
			t.Error(p)
		}
		require.Equal(t, fmt.Sprintf("%04d", workers*rounds), client.read("count"))
	})
}

// countOne adds one to the number in a file, under a lock.
func countOne(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	var b [4]byte
	if _, err := unix.Pread(fd, b[:], 0); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	n := 0
	if _, err := fmt.Sscanf(string(b[:]), "%04d", &n); err != nil {
		return fmt.Errorf("%q is no number: %w", b, err)
	}
	if _, err := unix.Pwrite(fd, fmt.Appendf(nil, "%04d", n+1), 0); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
