package venusfs

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// loopback mounts a bare go-fuse loopback of a local directory, with passthrough, to compare with.
func loopback(b *testing.B) *client {
	b.Helper()
	needFUSE(b)
	return startClient(b, childConfig{Dir: b.TempDir(), Cache: b.TempDir()})
}

// step is work that is done in two places.
type step struct {
	name         string
	ours, theirs func()
}

// compare times each step in both places, one after the other, and reports the shortest time that it took here, and how many times as often as there
// it can be done in a given time, which is above 1 where this is the faster one.
func compare(b *testing.B, steps ...step) {
	b.Helper()
	our, their := make([]time.Duration, len(steps)), make([]time.Duration, len(steps))
	for first := true; b.Loop(); first = false {
		for i, s := range steps {
			start := time.Now()
			s.ours()
			middle := time.Now()
			s.theirs()
			end := time.Now()
			if here := middle.Sub(start); first || here < our[i] {
				our[i] = here
			}
			if there := end.Sub(middle); first || there < their[i] {
				their[i] = there
			}
		}
	}
	for i, s := range steps {
		b.ReportMetric(our[i].Seconds()*1e3, "ms/"+s.name)
		b.ReportMetric(their[i].Seconds()/our[i].Seconds(), "rate-ratio/"+s.name)
	}
}

// A cached file of 64 MiB is read, with and without opening and closing it, against the same file in the local file system.
func BenchmarkReadAgainstLocal(b *testing.B) {
	for name, options := range map[string]Options{"passthrough": {}, "plain": {NoPassthrough: true}} {
		b.Run(name, func(b *testing.B) {
			client := startCluster(b).mount(options)
			text := strings.Repeat("x", 64<<20)
			local := filepath.Join(b.TempDir(), "file")
			require.NoError(b, os.WriteFile(local, []byte(text), 0o644))
			client.write("file", text)
			buf := make([]byte, 1<<20)
			toEnd := func(f *os.File) {
				for {
					if _, err := f.Read(buf); err == io.EOF {
						return
					}
				}
			}
			whole := func(path string) func() {
				return func() {
					f, err := os.Open(path)
					require.NoError(b, err)
					defer f.Close()
					toEnd(f)
				}
			}
			again := func(path string) func() {
				f, err := os.Open(path)
				require.NoError(b, err)
				b.Cleanup(func() { f.Close() })
				return func() {
					_, err := f.Seek(0, io.SeekStart)
					require.NoError(b, err)
					toEnd(f)
				}
			}
			compare(b, step{"open-read-close", whole(client.path("file")), whole(local)}, step{"read", again(client.path("file")), again(local)})
		})
	}
}

// A cached file is opened and closed a thousand times, against the loopback.
func BenchmarkOpenCloseAgainstLoopback(b *testing.B) {
	for name, options := range map[string]Options{"passthrough": {}, "plain": {NoPassthrough: true}} {
		b.Run(name, func(b *testing.B) {
			mount, other := startCluster(b).mount(options), loopback(b)
			open := func(c *client) func() {
				c.write("file", "text")
				return func() {
					for range 1000 {
						f, err := os.Open(c.path("file"))
						require.NoError(b, err)
						require.NoError(b, f.Close())
					}
				}
			}
			compare(b, step{"open-close", open(mount), open(other)})
		})
	}
}

// 900 files of 4 KiB are made, overwritten, looked at, listed and removed, against the loopback.
func BenchmarkSmallFilesAgainstLoopback(b *testing.B) {
	mount, other := startCluster(b).mount(Options{}), loopback(b)
	text := []byte(strings.Repeat("x", 4096))
	each := func(c *client, do func(path string) error) func() {
		return func() {
			for i := range 900 {
				require.NoError(b, do(c.path(fmt.Sprint("file", i))))
			}
		}
	}
	write := func(path string) error { return os.WriteFile(path, text, 0o644) }
	stat := func(path string) error { _, err := os.Stat(path); return err }
	read := func(path string) error { _, err := os.ReadFile(path); return err }
	list := func(c *client) func() {
		return func() {
			entries, err := os.ReadDir(c.dir)
			require.NoError(b, err)
			for _, e := range entries {
				_, err := e.Info()
				require.NoError(b, err)
			}
		}
	}
	compare(
		b,
		step{"create", each(mount, write), each(other, write)},
		step{"overwrite", each(mount, write), each(other, write)},
		step{"read", each(mount, read), each(other, read)},
		step{"stat", each(mount, stat), each(other, stat)},
		step{"list", list(mount), list(other)},
		step{"delete", each(mount, os.Remove), each(other, os.Remove)},
	)
}

// What it brings that the kernel believes names and attributes for a while: a hundred looks at a file, against a mount whose kernel asks each time.
func BenchmarkStatAgainstAskingAlways(b *testing.B) {
	c := startCluster(b)
	mount, other := c.mount(Options{}), c.mount(Options{EntryTimeout: -1, AttributeTimeout: -1})
	require.NoError(b, os.MkdirAll(mount.path("a/b/c"), 0o755))
	mount.write("a/b/c/file", "text")
	eventually(b, func() bool { _, err := os.Stat(other.path("a/b/c/file")); return err == nil }, "the file comes")
	stat := func(c *client) func() {
		return func() {
			for range 100 {
				_, err := os.Stat(c.path("a/b/c/file"))
				require.NoError(b, err)
			}
		}
	}
	compare(b, step{"stat", stat(mount), stat(other)})
}

// BenchmarkPagesWhileAnotherDeletes reads pages on one client, 100 a second whether or not the one before has come, while 900 files are deleted on another and until the reader
// sees none of them; and the same number of pages while nobody does anything. It reports the 99th percentiles of both and the longest wait while files were deleted. A page is timed
// from when it was due, so that one that waits makes those behind it wait too.
func BenchmarkPagesWhileAnotherDeletes(b *testing.B) {
	const pages, rate, files = 100, 100, 900
	c := startCluster(b)
	writer, reader := c.mount(Options{}), c.mount(Options{})
	text := []byte(strings.Repeat("x", 8<<10))
	require.NoError(b, os.Mkdir(writer.path("pages"), 0o755))
	for i := range pages {
		require.NoError(b, os.WriteFile(writer.path(fmt.Sprint("pages/", i)), text, 0o644))
	}
	visit := func(over func(page int) bool) (took []time.Duration) {
		began := time.Now()
		for page := 0; !over(page); page++ {
			due := began.Add(time.Duration(page) * time.Second / rate)
			time.Sleep(time.Until(due))
			body, err := os.ReadFile(reader.path(fmt.Sprint("pages/", page%pages)))
			require.NoError(b, err)
			require.Len(b, body, len(text))
			took = append(took, time.Since(due))
		}
		return took
	}
	require.Eventually(b, func() bool { return len(names(b, reader.path("pages"))) == pages }, time.Minute, time.Millisecond)
	visit(func(page int) bool { return page == pages })

	var quiet, busy []time.Duration
	for b.Loop() {
		require.NoError(b, os.MkdirAll(writer.path("doomed"), 0o755))
		for i := range files {
			require.NoError(b, os.WriteFile(writer.path(fmt.Sprint("doomed/", i)), text[:4096], 0o644))
		}
		require.Eventually(b, func() bool { return len(names(b, reader.path("doomed"))) == files }, time.Minute, time.Millisecond)

		var gone atomic.Bool
		seen := make(chan struct{})
		go func() {
			defer close(seen)
			defer gone.Store(true)
			for i := range files {
				if err := os.Remove(writer.path(fmt.Sprint("doomed/", i))); err != nil {
					b.Errorf("deleting: %v", err)
					return
				}
			}
			for len(names(b, reader.path("doomed"))) > 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}()
		took := visit(func(int) bool { return gone.Load() })
		<-seen
		busy = append(busy, took...)
		quiet = append(quiet, visit(func(page int) bool { return page == len(took) })...)
	}
	slices.Sort(quiet)
	slices.Sort(busy)
	p99 := func(sorted []time.Duration) float64 { return sorted[len(sorted)*99/100].Seconds() * 1e3 }
	b.ReportMetric(float64(len(busy)), "pages")
	b.ReportMetric(p99(quiet), "quiet-p99-ms")
	b.ReportMetric(p99(busy), "busy-p99-ms")
	b.ReportMetric(p99(busy)/p99(quiet), "p99-ratio")
	b.ReportMetric(busy[len(busy)-1].Seconds()*1e3, "longest-ms")
}

// names lists a directory.
func names(t testing.TB, dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Errorf("listing: %v", err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

// Programs that make many files, against the local file system.
func BenchmarkProgramsAgainstLocal(b *testing.B) {
	mount, local := startCluster(b).mount(Options{}), b.TempDir()
	source := b.TempDir()
	for i := range 1000 {
		dir := filepath.Join(source, fmt.Sprint("dir", i%30))
		require.NoError(b, os.MkdirAll(dir, 0o755))
		require.NoError(b, os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), []byte(strings.Repeat(fmt.Sprintln(i), 1+i%2000)), 0o644))
	}
	sh := func(dir, script string) func() {
		return func() {
			cmd := exec.CommandContext(b.Context(), "sh", "-ec", script)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "SOURCE="+source)
			out, err := cmd.CombinedOutput()
			require.NoError(b, err, string(out))
		}
	}
	sh(source, "tar -cf archive.tar dir*; git init -q .; git add dir*; git -c user.name=a -c user.email=a@b commit -q -m all")()
	both := func(name, script string) step { return step{name, sh(mount.dir, script), sh(local, script)} }
	compare(
		b,
		both("tar", "mkdir tree; tar -C tree -xf $SOURCE/archive.tar"),
		both("find", "find tree -type f -size +4k"),
		both("read", "cat tree/*/* > /dev/null"),
		both("rm", "rm -r tree"),
		both("git-clone", "git clone -q --no-hardlinks $SOURCE clone"),
		both("git-status", "git -C clone status --porcelain"),
		both("rm-clone", "rm -rf clone"),
	)
}
