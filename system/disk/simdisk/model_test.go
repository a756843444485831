package simdisk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/simdisk"
)

// pair makes the same calls on a simulated disk and on another one, which must answer alike.
type pair struct {
	t     *rapid.T
	disks [2]vfs.FS // the simulated one first
	roots [2]string
	files map[string][2]vfs.File
	names []string
}

func newPair(t *rapid.T, other vfs.FS, root string) *pair {
	p := &pair{t: t, disks: [2]vfs.FS{simdisk.New(), other}, roots: [2]string{"sim", root}, files: map[string][2]vfs.File{}}
	p.names = []string{"a", "b", "d/a", "d/b", "d/e/a", "d", "d/e"}
	for i, d := range p.disks {
		require.NoError(t, d.MkdirAll(p.roots[i]+"/d/e", 0o700))
	}
	return p
}

func (p *pair) name() string { return rapid.SampledFrom(p.names).Draw(p.t, "name") }

// kind is what has to be the same about an error. A call with two paths may complain about either first.
func kind(err error) string {
	if errors.Is(err, unix.ENOTDIR) {
		err = fs.ErrNotExist
	}
	for _, k := range []error{fs.ErrNotExist, fs.ErrExist, unix.EISDIR, unix.EINVAL, io.EOF} {
		if errors.Is(err, k) {
			return k.Error()
		}
	}
	if err != nil {
		return "another error"
	}
	return ""
}

// both makes a call on both disks, and reports whether it went well on them.
func (p *pair) both(what string, call func(i int, d vfs.FS, root string) (any, error)) bool {
	var got [2]any
	var kinds [2]string
	for i, d := range p.disks {
		var err error
		got[i], err = call(i, d, p.roots[i]+"/")
		kinds[i] = kind(err)
	}
	require.Equal(p.t, kinds[1], kinds[0], what)
	require.Equal(p.t, got[1], got[0], what)
	return kinds[0] == ""
}

// opened keeps a pair of open files.
func (p *pair) opened(what, name string, open func(d vfs.FS, path string) (vfs.File, error)) {
	var files [2]vfs.File
	if p.both(what+" "+name, func(i int, d vfs.FS, root string) (any, error) {
		f, err := open(d, root+name)
		files[i] = f
		return nil, err
	}) {
		p.close(name)
		p.files[name] = files
	}
}

func (p *pair) close(name string) {
	for _, f := range p.files[name] {
		if f != nil {
			require.NoError(p.t, f.Close())
		}
	}
	delete(p.files, name)
}

// file gives one of the open files, nil for none.
func (p *pair) file() *[2]vfs.File {
	var names []string
	for name := range p.files {
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	f := p.files[rapid.SampledFrom(names).Draw(p.t, "file")]
	return &f
}

// offset draws an offset near the borders of blocks.
func (p *pair) offset() int64 {
	return max(0, int64(rapid.IntRange(0, 3).Draw(p.t, "block"))*4096+int64(rapid.IntRange(-2, 2000).Draw(p.t, "offset")))
}

func (p *pair) bytes() []byte {
	b := rapid.Byte().Draw(p.t, "byte")
	return bytes.Repeat([]byte{b}, rapid.SampledFrom([]int{0, 1, 10, 4095, 4096, 4097, 9000}).Draw(p.t, "length"))
}

func (p *pair) actions(renameDirs bool) map[string]func(*rapid.T) {
	act := func(f func()) func(*rapid.T) { return func(t *rapid.T) { p.t = t; f() } }
	onFile := func(f func(files *[2]vfs.File)) func(*rapid.T) {
		return act(func() {
			if files := p.file(); files != nil {
				f(files)
			}
		})
	}
	actions := map[string]func(*rapid.T){
		"": act(p.check),
		"create": act(func() {
			p.opened("create", p.file2(), func(d vfs.FS, path string) (vfs.File, error) { return d.Create(path, vfs.WriteCategoryUnspecified) })
		}),
		"open": act(func() {
			p.opened("open", p.file2(), func(d vfs.FS, path string) (vfs.File, error) {
				return d.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
			})
		}),
		"write": onFile(func(f *[2]vfs.File) {
			b := p.bytes()
			p.both("write", func(i int, _ vfs.FS, _ string) (any, error) { return f[i].Write(slices.Clone(b)) })
		}),
		"writeat": onFile(func(f *[2]vfs.File) {
			b, offset := p.bytes(), p.offset()
			if len(b) == 0 {
				return // MemFS grows the file for nothing, the kernel does not
			}
			p.both("writeat", func(i int, _ vfs.FS, _ string) (any, error) { return f[i].WriteAt(slices.Clone(b), offset) })
		}),
		"readat": onFile(func(f *[2]vfs.File) {
			length, offset := 1+rapid.IntRange(0, 9000).Draw(p.t, "length"), p.offset()
			p.both("readat", func(i int, _ vfs.FS, _ string) (any, error) {
				b := make([]byte, length)
				n, err := f[i].ReadAt(b, offset)
				return b[:n], err
			})
		}),
		"sync": onFile(func(f *[2]vfs.File) {
			p.both("sync", func(i int, _ vfs.FS, _ string) (any, error) { return nil, f[i].Sync() })
		}),
		"close": act(func() { p.close(p.name()) }),
		"remove": act(func() {
			name := p.name()
			p.both("remove "+name, func(_ int, d vfs.FS, root string) (any, error) { return nil, d.Remove(root + name) })
		}),
		"removeall": act(func() {
			name := p.name()
			p.both("removeall "+name, func(_ int, d vfs.FS, root string) (any, error) { return nil, d.RemoveAll(root + name) })
		}),
		"mkdir": act(func() {
			p.both("mkdir", func(_ int, d vfs.FS, root string) (any, error) { return nil, d.MkdirAll(root+"d/e", 0o700) })
		}),
		"link": act(func() {
			from, to := p.file2(), p.file2()
			p.both(fmt.Sprintf("link %s %s", from, to), func(_ int, d vfs.FS, root string) (any, error) { return nil, d.Link(root+from, root+to) })
		}),
		"rename": act(func() {
			from, to := p.file2(), p.file2()
			if renameDirs {
				from, to = p.name(), p.name()
			}
			if from != to {
				p.both(fmt.Sprintf("rename %s %s", from, to), func(_ int, d vfs.FS, root string) (any, error) { return nil, d.Rename(root+from, root+to) })
			}
		}),
	}
	return actions
}

// file2 draws a name that no directory has.
func (p *pair) file2() string { return rapid.SampledFrom(p.names[:5]).Draw(p.t, "name") }

// check compares everything.
func (p *pair) check() {
	for _, dir := range []string{"", "d", "d/e"} {
		p.both("list "+dir, func(_ int, d vfs.FS, root string) (any, error) {
			names, err := d.List(root + dir)
			slices.Sort(names)
			return append([]string{}, names...), err
		})
	}
	for _, name := range p.names[:5] {
		p.both("contents of "+name, func(_ int, d vfs.FS, root string) (any, error) {
			f, err := d.Open(root + name)
			if err != nil {
				return nil, err
			}
			info, statErr := f.Stat()
			require.NoError(p.t, statErr)
			if info.IsDir() {
				return "directory", f.Close()
			}
			b, err := io.ReadAll(f)
			require.NoError(p.t, f.Close())
			return fmt.Sprintf("%d %x", info.Size(), b), err
		})
	}
}

// The simulated disk answers as the machine's own file system does.
func TestLikeARealDisk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPair(rt, disk.Real(), filepath.Join(t.TempDir(), "real"))
		rt.Repeat(p.actions(true))
	})
}

// The simulated disk answers as Pebble's memory disk does where that is like a real one.
func TestLikeMemFS(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPair(rt, vfs.NewMem(), "mem")
		actions := p.actions(false)
		delete(actions, "rename") // over a missing source it removes, and others
		delete(actions, "link")
		delete(actions, "create") // over a directory it works
		delete(actions, "open")
		delete(actions, "remove")    // of the root of what is open
		delete(actions, "removeall") // likewise
		rt.Repeat(actions)
	})
}

// Files of contents behave as on the machine's own file system.
func TestFilesLikeARealDisk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		disks := [2]disk.FS{simdisk.New(), disk.Real()}
		roots := [2]string{".", t.TempDir()}
		type entry struct{ files [2]disk.File }
		open := map[string]*entry{}
		name := func(t *rapid.T) string { return rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name") }
		some := func(t *rapid.T) *entry { return open[name(t)] }
		alike := func(t *rapid.T, f func(i int) (any, error)) bool {
			a, errA := f(0)
			b, errB := f(1)
			require.Equal(t, kind(errB), kind(errA))
			require.Equal(t, b, a)
			return errA == nil
		}
		rt.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				n := name(t)
				flag := os.O_RDWR
				for _, f := range []int{os.O_CREATE, os.O_EXCL, os.O_TRUNC} {
					if rapid.Bool().Draw(t, "flag") {
						flag |= f
					}
				}
				if flag&os.O_CREATE == 0 {
					flag &^= os.O_EXCL
				}
				e := &entry{}
				if alike(t, func(i int) (any, error) {
					f, err := disks[i].OpenFile(filepath.Join(roots[i], n), flag)
					e.files[i] = f
					return nil, err
				}) {
					if old := open[n]; old != nil {
						require.NoError(t, errors.Join(old.files[0].Close(), old.files[1].Close()))
					}
					open[n] = e
				}
			},
			"write": func(t *rapid.T) {
				if e := some(t); e != nil {
					offset := int64(rapid.IntRange(0, 10000).Draw(t, "offset"))
					data := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(0, 9000).Draw(t, "length"))
					alike(t, func(i int) (any, error) { return e.files[i].WriteAt(data, offset) })
				}
			},
			"truncate": func(t *rapid.T) {
				if e := some(t); e != nil {
					size := int64(rapid.IntRange(0, 12000).Draw(t, "size"))
					alike(t, func(i int) (any, error) { return nil, e.files[i].Truncate(size) })
				}
			},
			"allocate": func(t *rapid.T) {
				if e := some(t); e != nil {
					size := int64(rapid.IntRange(1, 12000).Draw(t, "size"))
					alike(t, func(i int) (any, error) { return nil, e.files[i].Allocate(size) })
				}
			},
			"time": func(t *rapid.T) {
				if e := some(t); e != nil {
					at := time.Unix(int64(rapid.IntRange(1, 1e9).Draw(t, "time")), 5)
					alike(t, func(i int) (any, error) {
						err := e.files[i].SetModified(at)
						info, statErr := e.files[i].Stat()
						require.NoError(t, statErr)
						return info.ModTime().UnixNano(), err
					})
				}
			},
			"copy": func(t *rapid.T) {
				from, to := some(t), some(t)
				if from != nil && to != nil && from != to {
					alike(t, func(i int) (any, error) {
						require.NoError(t, to.files[i].Truncate(0))
						return nil, to.files[i].CopyFrom(from.files[i])
					})
				}
			},
			"": func(t *rapid.T) {
				alike(t, func(i int) (any, error) {
					list, err := disks[i].Entries(roots[i])
					return append([]disk.Entry{}, list...), err
				})
				for _, n := range []string{"x", "y", "z"} {
					if e := open[n]; e != nil {
						alike(t, func(i int) (any, error) { return io.ReadAll(io.NewSectionReader(e.files[i], 0, 1<<40)) })
					}
				}
			},
		})
		for _, e := range open {
			require.NoError(rt, errors.Join(e.files[0].Close(), e.files[1].Close()))
		}
	})
}
