package vice_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// many is the number of files in the field report.
const many = 900

// onRealDisk puts a server on the disk of the test's temporary directory.
func onRealDisk(b *testing.B) func(*vice.Config) {
	dir := b.TempDir()
	return func(c *vice.Config) { c.Disk, c.Dir = disk.Real(), filepath.Join(dir, "vice") }
}

// BenchmarkReintegrate sends batches about 900 files to a server on a real disk. What it took is also given in terms of the local file
// system in the same run: the same files, each synced.
func BenchmarkReintegrate(b *testing.B) {
	for _, size := range []int{4 << 10, 32 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("create+store/%dKiB", size>>10), func(b *testing.B) {
			c := vicetest.Start(b, onRealDisk(b)).Client(1)
			for i := 0; b.Loop(); i++ {
				createMany(c, fmt.Sprintf("dir %d", i), size)
			}
			took := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(many/took, "files/s")
			b.ReportMetric(took/createLocally(b, size).Seconds(), "of-local")
		})
	}
	b.Run("remove", func(b *testing.B) {
		c := vicetest.Start(b, onRealDisk(b)).Client(1)
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			dir, files := createMany(c, fmt.Sprintf("dir %d", i), 4<<10)
			log := c.Log()
			for name, f := range files {
				log.Add(coda.Remove{Parent: dir, Name: name, Fid: f.Fid, Base: f.Version})
			}
			b.StartTimer()
			log.Apply()
		}
		b.ReportMetric(float64(many*b.N)/b.Elapsed().Seconds(), "files/s")
	})
	b.Run("one store", func(b *testing.B) {
		c := vicetest.Start(b, onRealDisk(b)).Client(1)
		log := c.Log()
		f, v := log.Create(c.Root, "f")
		log.Apply()
		contents := data(1, 4<<10)
		for b.Loop() {
			log := c.Log()
			v = log.Store(f, v, contents)
			log.Apply()
		}
	})
}

// createMany makes a directory with many files, all stored.
func createMany(c *vicetest.Client, name string, size int) (coda.Fid, map[string]coda.Status) {
	log := c.Log()
	dir := log.MakeDirectory(c.Root, name)
	contents := data(1, size)
	names := map[coda.Fid]string{}
	for i := range many {
		name := fmt.Sprintf("file %d", i)
		f, v := log.Create(dir, name)
		log.Store(f, v, contents)
		names[f] = name
	}
	answer := log.Apply()
	files := map[string]coda.Status{}
	for _, changed := range answer.Changed {
		if name, ok := names[changed.Status.Fid]; ok {
			files[name] = changed.Status
		}
	}
	return dir, files
}

// createLocally makes as many files on the local file system, durable when it is over, and gives the time that it took.
func createLocally(b *testing.B, size int) time.Duration {
	dir, contents, start := b.TempDir(), data(1, size), time.Now()
	for i := range many {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		require.NoError(b, err)
		_, err = f.Write(contents)
		require.NoError(b, err)
		require.NoError(b, f.Sync())
		require.NoError(b, f.Close())
	}
	return time.Since(start)
}

// BenchmarkFetch measures fetches of small and large files, and validation, over the in-memory network.
func BenchmarkFetch(b *testing.B) {
	for _, size := range []int{4 << 10, 16 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			c := vicetest.Start(b, onRealDisk(b)).Client(1)
			log := c.Log()
			f, v := log.Create(c.Root, "f")
			log.Store(f, v, data(1, size))
			log.Apply()
			b.SetBytes(int64(size))
			for b.Loop() {
				_, err := c.Fetch(f)
				require.NoError(b, err)
			}
		})
	}
	b.Run("validate 900", func(b *testing.B) {
		c := vicetest.Start(b, onRealDisk(b)).Client(1)
		_, files := createMany(c, "dir", 4<<10)
		request := &vicepb.ValidateRequest{}
		for _, f := range files {
			request.Items = append(request.Items, &vicepb.ValidateItem{Fid: wire.FidToProto(f.Fid), Version: wire.VersionToProto(f.Version)})
		}
		for b.Loop() {
			_, err := c.Vice.Validate(b.Context(), request)
			require.NoError(b, err)
		}
	})
}

// BenchmarkBystander measures what one client waits for a small request while another reintegrates 900 files over and over: the median, the
// 99th percentile and the worst, beside the same requests on a quiet server.
func BenchmarkBystander(b *testing.B) {
	for _, busy := range []bool{false, true} {
		for _, request := range []string{"fetch", "store"} {
			b.Run(fmt.Sprintf("%s/busy=%v", request, busy), func(b *testing.B) { bystander(b, request, busy) })
		}
	}
}

func bystander(b *testing.B, request string, busy bool) {
	s := vicetest.Start(b, onRealDisk(b))
	c := s.Client(1)
	log := c.Log()
	f, v := log.Create(c.Root, "f")
	v = log.Store(f, v, data(1, 4<<10))
	log.Apply()
	var stop atomic.Bool
	var writer sync.WaitGroup
	if busy {
		other := s.Client(2)
		writer.Go(func() {
			for i := 0; !stop.Load(); i++ {
				createMany(other, fmt.Sprint("dir ", i), 4<<10)
			}
		})
	}
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if request == "fetch" {
			_, err := c.Fetch(f)
			require.NoError(b, err)
		} else {
			log := c.Log()
			v = log.Store(f, v, data(1, 4<<10))
			log.Apply()
		}
		took = append(took, time.Since(start))
	}
	stop.Store(true)
	writer.Wait()
	slices.Sort(took)
	for name, at := range map[string]int{"p50-ms": len(took) / 2, "p99-ms": len(took) * 99 / 100, "max-ms": len(took) - 1} {
		b.ReportMetric(took[at].Seconds()*1000, name)
	}
}
