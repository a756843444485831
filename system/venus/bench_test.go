package venus_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// BenchmarkMass makes, overwrites and deletes 900 files of 4 KiB each, as the application sees it; the reintegration goes on behind it.
func BenchmarkMass(b *testing.B) {
	const files = 900
	s := vicetest.Start(b)
	c := start(b, s)
	c.warm()
	c.mkdir("d")
	d, err := c.at("d")
	require.NoError(b, err)
	data := []byte(strings.Repeat("x", 4096))
	names := make([]string, files)
	for i := range names {
		names[i] = fmt.Sprint("file", i)
	}
	write := func(name string) {
		_, h, err := c.Create(b.Context(), d.Fid, name, 0o644, 0, venus.OpenFlags{Write: true, Truncate: true})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.WriteAt(data, 0); err != nil {
			b.Fatal(err)
		}
		if err := h.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := h.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	remove := func(name string) {
		if err := c.Remove(b.Context(), d.Fid, name); err != nil {
			b.Fatal(err)
		}
	}
	for _, phase := range []struct {
		name string
		op   func(name string)
	}{{"create", write}, {"overwrite", write}, {"delete", remove}} {
		b.Run(phase.name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				for _, name := range names {
					_, err := c.at("d/" + name)
					switch {
					case phase.name == "create" && err == nil:
						remove(name)
					case phase.name != "create" && err != nil:
						write(name)
					}
				}
				c.settle()
				b.StartTimer()
				for _, name := range names {
					phase.op(name)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*files), "µs/file")
		})
	}
}

// BenchmarkPlain does what BenchmarkMass does on the local file system: what there is to compare with.
func BenchmarkPlain(b *testing.B) {
	const files = 900
	dir := b.TempDir()
	data := []byte(strings.Repeat("x", 4096))
	write := func(i int) error { return os.WriteFile(fmt.Sprint(dir, "/", i), data, 0o644) }
	remove := func(i int) error { return os.Remove(fmt.Sprint(dir, "/", i)) }
	for _, phase := range []struct {
		name              string
		before, op, after func(int) error
	}{{"create", nil, write, remove}, {"overwrite", write, write, remove}, {"delete", write, remove, nil}} {
		b.Run(phase.name, func(b *testing.B) {
			all := func(f func(int) error) {
				for i := range files {
					if f != nil {
						require.NoError(b, f(i))
					}
				}
			}
			for range b.N {
				b.StopTimer()
				all(phase.before)
				b.StartTimer()
				all(phase.op)
				b.StopTimer()
				all(phase.after)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*files), "µs/file")
		})
	}
}

// BenchmarkReintegrate is BenchmarkMass until the server has everything.
func BenchmarkReintegrate(b *testing.B) {
	s := vicetest.Start(b)
	c := start(b, s)
	c.warm()
	c.mkdir("d")
	for range b.N {
		for i := range 900 {
			c.write(fmt.Sprint("d/", i), strings.Repeat("x", 4096))
		}
		for i := range 900 {
			c.remove(fmt.Sprint("d/", i))
		}
		c.settle()
	}
}

// BenchmarkOpenClose opens and closes a cached file.
func BenchmarkOpenClose(b *testing.B) {
	s := vicetest.Start(b)
	c := start(b, s)
	openAndClose(b, c)
}

// BenchmarkOpenCloseReplicated is the same where three servers hold the volume.
func BenchmarkOpenCloseReplicated(b *testing.B) {
	onDisk := func(c *venus.Config) { c.Disk, c.Dir = nil, b.TempDir() }
	openAndClose(b, replicas(vicetest.StartReplicas(b, 3)).client(b, onDisk).client)
}

func openAndClose(b *testing.B, c *client) {
	c.write("x", strings.Repeat("x", 4096))
	c.settle()
	at, err := c.at("x")
	require.NoError(b, err)
	c.read("x")
	b.ReportAllocs()
	for b.Loop() {
		h, err := c.OpenFile(b.Context(), at.Fid, venus.OpenFlags{Read: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := h.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookup finds a cached name.
func BenchmarkLookup(b *testing.B) {
	s := vicetest.Start(b)
	c := start(b, s)
	c.write("x", "x")
	c.settle()
	root, err := c.Root(b.Context())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Lookup(b.Context(), root.Fid, "x"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkColdTree is what a client needs for the attributes of 900 files in a directory that it has not cached.
func BenchmarkColdTree(b *testing.B) {
	s := vicetest.Start(b)
	c := start(b, s)
	c.mkdir("d")
	for i := range 900 {
		c.write(fmt.Sprint("d/", i), "")
	}
	c.settle()
	d, err := c.at("d")
	require.NoError(b, err)
	for b.Loop() {
		_, _, err := c.FlushCache()
		require.NoError(b, err)
		list, err := c.ReadDirectory(b.Context(), d.Fid)
		require.NoError(b, err)
		for _, e := range list {
			if _, err := c.Lookup(b.Context(), d.Fid, e.Name); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkSeenByAnother makes, overwrites and deletes 900 files of 4 KiB on one client, until another client sees it all. Meanwhile the other one goes
// on reading a file that has nothing to do with it: its longest read is the longest stall of a bystander.
func BenchmarkSeenByAnother(b *testing.B) {
	const files = 900
	s := vicetest.Start(b)
	writer, reader := start(b, s), start(b, s)
	writer.warm()
	writer.mkdir("d")
	writer.write("other", "contents")
	writer.settle()
	contents := map[string]string{"create": strings.Repeat("c", 4096), "overwrite": strings.Repeat("o", 4096)}
	var longest time.Duration
	look := func() {
		began := time.Now()
		reader.read("other")
		longest = max(longest, time.Since(began))
	}
	look()
	for _, phase := range []string{"create", "overwrite", "delete"} {
		b.Run(phase, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				for i := range files {
					name := fmt.Sprint("d/", i)
					if _, err := writer.at(name); phase == "create" && err == nil {
						writer.remove(name)
					} else if phase != "create" && err != nil {
						writer.write(name, "before")
					}
				}
				writer.settle()
				// The reader has everything cached; it may hear of a change while it looks.
				for _, err := reader.tryTree(); err != nil; _, err = reader.tryTree() {
				}
				longest = 0
				b.StartTimer()
				done := make(chan struct{})
				go func() {
					defer close(done)
					for i := range files {
						if name := fmt.Sprint("d/", i); phase == "delete" {
							writer.remove(name)
						} else {
							writer.write(name, contents[phase])
						}
					}
				}()
				for seen := 0; seen < files; {
					look()
					got, err := reader.tryRead(fmt.Sprint("d/", seen))
					if phase == "delete" && err != nil || phase != "delete" && got == contents[phase] {
						seen++
					}
				}
				<-done
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
		})
	}
}

// BenchmarkStart opens a cache of 100,000 files, until their names can be used without the server.
func BenchmarkStart(b *testing.B) {
	const files, directory = 100_000, 1000
	s := vicetest.Start(b)
	c := start(b, s, func(c *venus.Config) { c.Limits.CacheObjects = 2 * files })
	c.warm()
	for i := range files {
		if i%directory == 0 {
			c.mkdir(fmt.Sprint("d", i/directory))
		}
		c.write(fmt.Sprintf("d%d/%d", i/directory, i), "x")
	}
	c.settle()
	c.cfg.Dial = nowhere
	c.stop()
	for b.Loop() {
		v, err := venus.Open(b.Context(), c.cfg)
		require.NoError(b, err)
		v.Disconnect()
		last := &client{Venus: v, t: b, cfg: c.cfg}
		_, err = last.at(fmt.Sprintf("d%d/%d", (files-1)/directory, files-1))
		require.NoError(b, err)
		b.StopTimer()
		last.stop()
		b.StartTimer()
	}
}
