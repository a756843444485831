package simdisk_test

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/simdisk"
)

// losses is how many losses of power a test looks at where each outcome must be among them.
const losses = 400

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// open opens a file that must be there, or makes it.
func open(t require.TestingT, d *simdisk.Disk, name string, flag int) disk.File {
	f, err := d.OpenFile(name, flag)
	require.NoError(t, err)
	return f
}

// put writes bytes at an offset.
func put(t require.TestingT, f disk.File, offset int64, b []byte) {
	_, err := f.WriteAt(b, offset)
	require.NoError(t, err)
}

// get gives the contents of a file, or "none".
func get(t require.TestingT, d *simdisk.Disk, name string) string {
	f, err := d.OpenFile(name, os.O_RDONLY)
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
		return "none"
	}
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(b)
}

// outcomes counts what many losses of power leave, as describe sees it.
func outcomes(d *simdisk.Disk, describe func(*simdisk.Disk) string) map[string]int {
	seen := map[string]int{}
	for seed := range uint64(losses) {
		seen[describe(d.LosePower(random(seed)))]++
	}
	return seen
}

// requireOutcomes demands that exactly these outcomes occur.
func requireOutcomes(t *testing.T, d *simdisk.Disk, describe func(*simdisk.Disk) string, want ...string) {
	t.Helper()
	slices.Sort(want)
	require.Equal(t, want, slices.Sorted(maps.Keys(outcomes(d, describe))))
}

func blocks(s string) []byte {
	var b []byte
	for i := range len(s) {
		b = append(b, make([]byte, 4096)...)
		for j := range 4096 {
			b[i*4096+j] = s[i]
		}
	}
	return b
}

// letters gives a letter for each block: its bytes must all be the same.
func letters(t require.TestingT, contents string) string {
	if contents == "none" {
		return contents
	}
	s := ""
	for i := 0; i < len(contents); i += 4096 {
		part := contents[i:min(i+4096, len(contents))]
		require.Equal(t, len(part), strings.Count(part, part[:1]))
		c := part[0]
		if c == 0 {
			c = '0'
		}
		s += string(c)
	}
	return s
}

func TestALossOfPowerTakesBlocks(t *testing.T) {
	d := simdisk.New()
	f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
	put(t, f, 0, blocks("aaa"))
	require.NoError(t, f.Sync())
	file := func(d *simdisk.Disk) string { return letters(t, get(t, d, "f")) }
	requireOutcomes(t, d, file, "none", "aaa")
	require.NoError(t, disk.SyncDirectory(d, "."))
	requireOutcomes(t, d, file, "aaa")
	put(t, f, 4096, blocks("bb"))
	requireOutcomes(t, d, file, "aaa", "aba", "aab", "abb")
	put(t, f, 4096, blocks("c")) // what it replaces was never safe, and need not be offered
	requireOutcomes(t, d, file, "aaa", "aca", "aab", "acb")
	require.NoError(t, f.Sync())
	requireOutcomes(t, d, file, "acb")
	put(t, f, 3*4096, blocks("de"))
	requireOutcomes(t, d, file, "acb", "acbd", "acbde", "acb0e")
}

func TestALossOfPowerTakesTruncations(t *testing.T) {
	d := simdisk.New()
	f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
	put(t, f, 0, blocks("aa"))
	require.NoError(t, f.Sync())
	require.NoError(t, disk.SyncDirectory(d, "."))
	file := func(d *simdisk.Disk) string { return letters(t, get(t, d, "f")) }
	g := open(t, d, "f", os.O_RDWR|os.O_TRUNC)
	requireOutcomes(t, d, file, "aa", "")
	put(t, g, 0, blocks("bb"))
	requireOutcomes(t, d, file, "aa", "", "b", "bb", "0b")
	require.NoError(t, g.Truncate(0))
	put(t, g, 0, blocks("c"))
	requireOutcomes(t, d, file, "aa", "", "c")
	require.NoError(t, g.Sync())
	requireOutcomes(t, d, file, "c")
}

// A piece that is appended to a synced one in the same block is there whole or not at all, and the synced one always.
func TestALossOfPowerTakesAppends(t *testing.T) {
	d := simdisk.New()
	f, err := d.Create("log", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.NoError(t, disk.SyncDirectory(d, "."))
	write := func(s string) {
		_, err := f.Write([]byte(s))
		require.NoError(t, err)
	}
	log := func(d *simdisk.Disk) string { return get(t, d, "log") }
	write("synced")
	require.NoError(t, f.SyncData())
	write("+one")
	write("+two")
	requireOutcomes(t, d, log, "synced", "synced+one", "synced+one+two")
	full, err := f.SyncTo(100)
	require.NoError(t, err)
	require.False(t, full)
	requireOutcomes(t, d, log, "synced", "synced+one", "synced+one+two")
	require.NoError(t, f.Sync())
	requireOutcomes(t, d, log, "synced+one+two")
}

func names(t *testing.T, dirs ...string) func(*simdisk.Disk) string {
	return func(d *simdisk.Disk) string {
		var all [][]string
		for _, dir := range dirs {
			list, err := d.List(dir)
			require.NoError(t, err)
			all = append(all, append([]string{}, list...))
		}
		return fmt.Sprint(all)
	}
}

func TestALossOfPowerTakesNames(t *testing.T) {
	d := simdisk.New()
	require.NoError(t, d.MkdirAll("p", 0o700))
	require.NoError(t, d.MkdirAll("q", 0o700))
	require.NoError(t, disk.SyncDirectory(d, "."))
	for _, name := range []string{"p/a", "p/b"} {
		require.NoError(t, open(t, d, name, os.O_RDWR|os.O_CREATE).Close())
	}
	both := names(t, "p", "q")
	requireOutcomes(t, d, both, "[[] []]", "[[a] []]", "[[a b] []]")
	require.NoError(t, disk.SyncDirectory(d, "p"))
	require.NoError(t, d.Rename("p/a", "q/c"))
	requireOutcomes(t, d, both, "[[a b] []]", "[[b] [c]]")
	require.NoError(t, d.Remove("p/b"))
	requireOutcomes(t, d, both, "[[a b] []]", "[[b] [c]]", "[[] [c]]")
	require.NoError(t, disk.SyncDirectory(d, "q"))
	requireOutcomes(t, d, both, "[[b] [c]]", "[[] [c]]")
	require.NoError(t, d.Link("q/c", "q/d"))
	require.NoError(t, d.Rename("q/d", "q/e"))
	requireOutcomes(t, d, names(t, "q"), "[[c]]", "[[c d]]", "[[c e]]")
	require.NoError(t, d.RemoveAll("q"))
	requireOutcomes(t, d, names(t, "."), "[[p q]]", "[[p]]")
}

// A crash keeps everything, the copy sees nothing of what is done later, and what was not safe may still be lost.
func TestCrash(t *testing.T) {
	d := simdisk.New()
	require.NoError(t, d.MkdirAll("dir", 0o700))
	require.NoError(t, disk.SyncDirectory(d, "."))
	f := open(t, d, "dir/f", os.O_RDWR|os.O_CREATE)
	put(t, f, 0, []byte("before"))
	require.NoError(t, d.Link("dir/f", "dir/g"))
	c := d.Crash()
	put(t, f, 0, []byte("zombie, and longer"))
	require.NoError(t, f.Sync())
	require.NoError(t, d.Remove("dir/f"))
	require.NoError(t, disk.SyncDirectory(d, "dir"))
	require.Equal(t, "before", get(t, c, "dir/f"))
	g := open(t, c, "dir/g", os.O_RDWR)
	put(t, g, 0, []byte("B"))
	require.Equal(t, "Before", get(t, c, "dir/f"), "they are still one file")
	require.Equal(t, "zombie, and longer", get(t, d, "dir/g"))
	require.Greater(t, outcomes(c, names(t, "dir"))["[[]]"], 0)
	requireOutcomes(t, c, names(t, "dir"), "[[]]", "[[f]]", "[[f g]]")
}

// Whatever is done, nothing is there after a loss of power that was never written, and everything that was synced is.
func TestLossesOfPower(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := simdisk.New()
		files := []string{"x", "y"}
		written := map[string]map[byte]bool{}
		sure := map[string]string{} // what was synced and not touched since
		for _, name := range files {
			require.NoError(rt, open(rt, d, name, os.O_RDWR|os.O_CREATE).Close())
			written[name] = map[byte]bool{0: true}
		}
		require.NoError(rt, disk.SyncDirectory(d, "."))
		with := func(name string, f func(disk.File)) {
			h := open(rt, d, name, os.O_RDWR)
			f(h)
			require.NoError(rt, h.Close())
		}
		name := func(t *rapid.T) string { return rapid.SampledFrom(files).Draw(t, "name") }
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				n, c := name(t), rapid.Byte().Draw(t, "byte")
				offset := int64(rapid.IntRange(0, 20000).Draw(t, "offset"))
				length := rapid.IntRange(1, 9000).Draw(t, "length")
				with(n, func(f disk.File) { put(t, f, offset, slices.Repeat([]byte{c}, length)) })
				written[n][c] = true
				delete(sure, n)
			},
			"truncate": func(t *rapid.T) {
				n, size := name(t), int64(rapid.IntRange(0, 20000).Draw(t, "size"))
				with(n, func(f disk.File) { require.NoError(t, f.Truncate(size)) })
				delete(sure, n)
			},
			"sync": func(t *rapid.T) {
				n := name(t)
				with(n, func(f disk.File) { require.NoError(t, f.Sync()) })
				sure[n] = get(t, d, n)
			},
			"crash": func(t *rapid.T) {
				before := d
				d = d.Crash()
				for _, n := range files {
					require.Equal(t, get(t, before, n), get(t, d, n))
				}
				h := open(t, before, files[0], os.O_RDWR)
				put(t, h, 0, slices.Repeat([]byte("z"), 10000))
			},
			"lose": func(t *rapid.T) {
				d = d.LosePower(random(rapid.Uint64().Draw(t, "seed")))
				for _, n := range files {
					got := get(t, d, n)
					if want, ok := sure[n]; ok {
						require.Equal(t, want, got)
					}
					for i := range len(got) {
						require.True(t, written[n][got[i]], "byte %d of %s is %x, which nobody wrote", i, n, got[i])
					}
					sure[n] = got
				}
			},
		})
	})
}

// Pebble finds everything that it synced.
func TestPebbleOnIt(t *testing.T) {
	r := random(7)
	d := simdisk.New()
	synced := map[string]string{}
	for round := range 60 {
		db, err := pebble.Open("db", &pebble.Options{FS: d, MemTableSize: 64 << 10, Logger: quiet{t}})
		require.NoError(t, err, "round %d", round)
		for k, want := range synced {
			v, closer, err := db.Get([]byte(k))
			require.NoError(t, err, "%s in round %d", k, round)
			require.Equal(t, want, string(v))
			require.NoError(t, closer.Close())
		}
		for i := range r.IntN(200) {
			k, v := fmt.Sprint("key", r.IntN(50)), fmt.Sprint(round, " ", i, " ", string(make([]byte, r.IntN(3000))))
			require.NoError(t, db.Set([]byte(k), []byte(v), pebble.Sync))
			synced[k] = v
		}
		left := d.LosePower(r)
		require.NoError(t, db.Close())
		d = left
	}
}

type quiet struct{ t *testing.T }

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (q quiet) Fatalf(f string, args ...any) { q.t.Fatalf(f, args...) }

func BenchmarkCrash(b *testing.B) {
	d := simdisk.New()
	require.NoError(b, d.MkdirAll("dir", 0o700))
	for i := range 1000 {
		f := open(b, d, fmt.Sprint("dir/", i), os.O_RDWR|os.O_CREATE)
		put(b, f, 0, slices.Repeat([]byte{byte(i)}, 40_000))
		require.NoError(b, f.Close())
	}
	b.Run("kill", func(b *testing.B) {
		for b.Loop() {
			d.Crash()
		}
	})
	b.Run("power", func(b *testing.B) {
		for b.Loop() {
			d.LosePower(random(1))
		}
	})
}

// BenchmarkAppendAndSync appends 100 bytes to a log of 64 MiB and syncs, on this disk and on Pebble's memory disk.
func BenchmarkAppendAndSync(b *testing.B) {
	for name, d := range map[string]vfs.FS{"simdisk": simdisk.New(), "MemFS": vfs.NewCrashableMem()} {
		b.Run(name, func(b *testing.B) {
			f, err := d.Create("log", vfs.WriteCategoryUnspecified)
			require.NoError(b, err)
			_, err = f.Write(make([]byte, 64<<20))
			require.NoError(b, err)
			require.NoError(b, f.Sync())
			piece := make([]byte, 100)
			for b.Loop() {
				if _, err := f.Write(piece); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLoss says what losses of power took, and nothing where everything was synced.
func TestLoss(t *testing.T) {
	d := simdisk.New()
	f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
	put(t, f, 0, blocks("aa"))
	require.NoError(t, f.Sync())
	require.NoError(t, disk.SyncDirectory(d, "."))
	require.Zero(t, d.Loss())
	require.False(t, d.Unsynced())
	require.Zero(t, d.LosePower(random(1)).Loss(), "everything was synced")
	require.Zero(t, d.Crash().Loss(), "a crash takes nothing")

	put(t, f, 0, blocks("b"))
	require.True(t, d.Unsynced())
	require.NoError(t, d.Link("f", "g"))
	for seed := range uint64(losses) {
		left := d.LosePower(random(seed))
		lost := 0
		if letters(t, get(t, left, "f")) != "ba" {
			lost++
		}
		if get(t, left, "g") == "none" {
			lost++
		}
		require.Equal(t, simdisk.Loss{Unsynced: 2, Lost: lost}, left.Loss())
	}
}
