package venusfs

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

func lockThread() { runtime.LockOSThread() }

func behavioursOfFiles() []behaviour {
	return []behaviour{
		{name: "an open file is removed", do: func(l *lab) {
			l.write("file", "old")
			r, w := l.open("file", unix.O_RDONLY), l.open("file", unix.O_RDWR)
			l.see("remove", unix.Unlinkat(l.at, "file", 0))
			l.see("name", l.stat("file"))
			l.see("read", l.all(r))
			_, err := unix.Pwrite(w, []byte("more"), 3)
			l.see("write", err, l.all(w))
			l.see("truncate", unix.Ftruncate(w, 5), l.fstat(w))
			l.see("chmod", unix.Fchmod(w, 0o600), l.fstat(w))
			l.write("file", "another")
			l.see("both", l.all(w), l.contents("file"))
			l.see("sync", unix.Fsync(w))
			l.close(r, w)
			l.see("after", l.contents("file"))
		}},
		{name: "an open file is renamed", do: func(l *lab) {
			l.write("file", "old")
			w := l.open("file", unix.O_RDWR|unix.O_APPEND)
			l.see("rename", unix.Renameat(l.at, "file", l.at, "other"))
			_, err := unix.Write(w, []byte(" and new"))
			l.see("write", err)
			l.close(w)
			l.see("contents", l.contents("file"), l.contents("other"))
		}},
		{name: "an open file is replaced", do: func(l *lab) {
			l.write("file", "old")
			r := l.open("file", unix.O_RDONLY)
			l.write("other", "new")
			l.see("rename", unix.Renameat(l.at, "other", l.at, "file"))
			l.see("contents", l.all(r), l.contents("file"), l.fstat(r))
			l.close(r)
		}},
		{
			name: "a reader while others write",
			do: func(l *lab) {
				l.write("file", "old")
				r, w := l.open("file", unix.O_RDONLY), l.open("file", unix.O_RDWR)
				_, err := unix.Pwrite(w, []byte("new!"), 0)
				l.see("write", err, l.all(w))
				l.see("the name", l.stat("file"))
				l.see("an earlier reader", l.all(r))
				l.see("a later reader", l.contents("file"))
				l.see("another writer", l.contentsOfWriter("file"))
				l.close(w)
				l.see("an earlier reader, after the close", l.all(r))
				l.see("the name, after the close", l.stat("file"))
				l.see("a later reader, after the close", l.contents("file"))
				l.close(r)
			},
			// CODA-FACTS 8.1: a session sees what was there at its open, and others what was there at the last close.
			instead: map[string]string{
				"an earlier reader": `"old"`, "a later reader": `"old"`, "an earlier reader, after the close": `"old"`,
			},
		},
		{name: "appending", do: func(l *lab) {
			l.write("file", "begin ")
			a, b := l.open("file", unix.O_WRONLY|unix.O_APPEND), l.open("file", unix.O_RDWR|unix.O_APPEND)
			for i := range 4 {
				_, err := unix.Write([]int{a, b}[i%2], fmt.Appendf(nil, "%d ", i))
				l.see("append", err)
			}
			_, err := unix.Seek(a, 0, 0)
			l.see("seek", err)
			_, err = unix.Write(a, []byte("end"))
			l.see("write", err, l.all(b))
			_, err = unix.Pwrite(a, []byte("!"), 0)
			l.see("pwrite", err, l.all(b))
			l.see("truncate", unix.Ftruncate(a, 6))
			_, err = unix.Write(b, []byte("again"))
			l.see("append to what is left", err, l.all(b))
			l.close(a, b)
			l.see("contents", l.contents("file"))
		}},
		{name: "many append to one file", do: func(l *lab) {
			l.write("file", "")
			var all sync.WaitGroup
			for worker := range 4 {
				all.Go(func() {
					fd := l.open("file", unix.O_WRONLY|unix.O_APPEND)
					for i := range 50 {
						_, _ = unix.Write(fd, fmt.Appendf(nil, "line %02d of worker %d\n", i, worker))
					}
					_ = unix.Close(fd)
				})
			}
			all.Wait()
			lines := map[string]int{}
			fd := l.open("file", unix.O_RDONLY)
			b := make([]byte, 1<<16)
			n, err := unix.Read(fd, b)
			for line := range strings.Lines(string(b[:n])) {
				lines[line]++
			}
			l.see("lines", err, len(lines), n)
			l.close(fd)
		}},
		{name: "exclusive creation", do: func(l *lab) {
			const exclusive = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL
			l.write("file", "")
			l.see("symlink", unix.Symlinkat("nowhere", l.at, "dangling"))
			l.see("mkdir", unix.Mkdirat(l.at, "dir", 0o755))
			for _, name := range []string{"file", "dangling", "dir", "new", "new"} {
				l.try("create "+name, name, exclusive)
			}
			var won atomic.Int32
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if fd, err := unix.Openat(l.at, "race", exclusive, 0o644); err == nil {
						won.Add(1)
						_ = unix.Close(fd)
					}
				})
			}
			all.Wait()
			l.see("one wins", won.Load())
		}},
		{name: "opening", do: func(l *lab) {
			l.write("file", "text")
			l.see("mkdir", unix.Mkdirat(l.at, "dir", 0o755))
			l.see("symlink", unix.Symlinkat("file", l.at, "link"))
			l.see("symlink", unix.Symlinkat("created", l.at, "dangling"))
			l.see("symlink", unix.Symlinkat("loop", l.at, "loop"))
			l.try("directory for reading", "dir", unix.O_RDONLY)
			l.try("directory for writing", "dir", unix.O_RDWR)
			l.try("directory to truncate", "dir", unix.O_RDONLY|unix.O_TRUNC)
			l.try("directory to create", "dir", unix.O_RDONLY|unix.O_CREAT)
			l.try("file as directory", "file", unix.O_DIRECTORY)
			l.try("file with a slash", "file/", unix.O_RDONLY)
			l.try("below a file", "file/x", unix.O_RDONLY)
			l.try("link not followed", "link", unix.O_NOFOLLOW)
			l.try("link as path", "link", unix.O_NOFOLLOW|unix.O_PATH)
			l.try("loop", "loop", unix.O_RDONLY)
			l.try("nothing", "nothing", unix.O_RDWR)
			l.try("nothing with a slash", "nothing/", unix.O_RDWR|unix.O_CREAT)
			l.try("by a dangling link", "dangling", unix.O_RDWR|unix.O_CREAT)
			l.see("created", l.stat("created"))
			l.try("truncate by a reader", "file", unix.O_RDONLY|unix.O_TRUNC)
			l.see("truncated", l.stat("file"))
			for _, flags := range []int{unix.O_NOATIME, unix.O_SYNC, unix.O_DSYNC, unix.O_NONBLOCK, unix.O_NOCTTY} {
				l.try("open with more flags", "file", unix.O_RDWR|flags)
			}
		}},
		{
			name: "files without a name",
			do: func(l *lab) {
				fd, err := unix.Openat(l.at, ".", unix.O_TMPFILE|unix.O_RDWR, 0o600)
				l.see("open", err)
				if err == nil {
					_ = unix.Close(fd)
				}
			},
			instead: map[string]string{"open": "ENOTSUP"}, // Coda makes files with their names only
		},
		{name: "truncating", do: func(l *lab) {
			l.write("file", "0123456789")
			w, r := l.open("file", unix.O_RDWR), l.open("file", unix.O_RDONLY)
			l.see("shorter", unix.Ftruncate(w, 4), l.all(w), l.stat("file"))
			l.see("longer", unix.Ftruncate(w, 8), l.all(w), l.stat("file"))
			l.see("by a reader", unix.Ftruncate(r, 0))
			l.see("negative", unix.Ftruncate(w, -1))
			l.close(w, r)
			l.see("by name", unix.Truncate(l.path("file"), 2), l.contents("file"))
			l.see("by name, longer", unix.Truncate(l.path("file"), 3), l.contents("file"))
			l.see("to nothing", unix.Truncate(l.path("file"), 0), l.contents("file"))
			l.see("directory", unix.Truncate(l.dir, 0))
			l.see("nothing", unix.Truncate(l.path("nothing"), 0))
			l.see("large", unix.Truncate(l.path("file"), 64<<20), l.stat("file"))
			l.see("small again", unix.Truncate(l.path("file"), 1), l.contents("file"))
		}},
		{name: "mapping", do: func(l *lab) {
			l.write("file", strings.Repeat("a", 10000))
			w, r := l.open("file", unix.O_RDWR), l.open("file", unix.O_RDONLY)
			_, err := unix.Mmap(r, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			l.see("write by a reader", err)
			private, err := unix.Mmap(r, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
			l.see("private", err)
			private[0] = 'p'
			shared, err := unix.Mmap(w, 0, 10000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			l.see("shared", err)
			shared[0], shared[9999] = 's', 'e'
			b := make([]byte, 1)
			_, err = unix.Pread(w, b, 9999)
			l.see("read what was written by mapping", err, string(b))
			_, err = unix.Pwrite(w, []byte("w"), 1)
			l.see("map what was written", err, string(shared[:2]), string(private[:1]))
			l.see("sync", unix.Msync(shared, unix.MS_SYNC))
			l.close(w, r)
			// What is written by way of the mapping from here on is another matter: TestMappingsOutliveTheirDescriptors.
			l.see("unmap", unix.Munmap(shared), unix.Munmap(private))
			got := l.contents("file")
			l.see("contents", got[:4], got[len(got)-2:], len(got))
		}},
		{name: "holes and space", do: func(l *lab) {
			w := l.open("file", unix.O_RDWR|unix.O_CREAT)
			_, err := unix.Pwrite(w, []byte("end"), 1<<20)
			l.see("write far away", err, l.fstat(w))
			for _, whence := range []int{unix.SEEK_DATA, unix.SEEK_HOLE} {
				at, err := unix.Seek(w, 0, whence)
				l.see("seek", at, err)
			}
			_, err = unix.Seek(w, 2<<20, unix.SEEK_DATA)
			l.see("seek beyond", err)
			_, err = unix.Seek(w, -1, unix.SEEK_SET)
			l.see("seek before", err)
			l.see("allocate", unix.Fallocate(w, 0, 0, 2<<20), l.fstat(w))
			l.see("allocate beyond", unix.Fallocate(w, unix.FALLOC_FL_KEEP_SIZE, 2<<20, 4096), l.fstat(w))
			l.see("punch", unix.Fallocate(w, unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE, 1<<20, 4096), l.fstat(w))
			l.see("zero", unix.Fallocate(w, unix.FALLOC_FL_ZERO_RANGE, 0, 3<<20), l.fstat(w))
			l.see("nothing", unix.Fallocate(w, 0, 0, 0))
			r := l.open("file", unix.O_RDONLY)
			l.see("by a reader", unix.Fallocate(r, 0, 0, 1))
			l.close(w, r)
			l.see("length", l.stat("file"))
		}},
		{name: "copying a range", do: func(l *lab) {
			l.write("from", "0123456789")
			from, to := l.open("from", unix.O_RDONLY), l.open("to", unix.O_RDWR|unix.O_CREAT)
			cp := func(what string, in, out int, offIn, offOut int64, n int) {
				got, err := unix.CopyFileRange(in, &offIn, out, &offOut, n, 0)
				l.see(what, got, err, offIn, offOut)
			}
			cp("some", from, to, 2, 0, 5)
			cp("rest", from, to, 7, 5, 100)
			cp("beyond the end", from, to, 10, 8, 100)
			l.see("copied", l.all(to))
			cp("within a file", to, to, 0, 20, 4)
			cp("overlapping", to, to, 0, 2, 4)
			cp("to a reader", to, from, 0, 0, 1)
			app := l.open("to", unix.O_WRONLY|unix.O_APPEND)
			cp("to who appends", from, app, 0, 0, 1)
			cp("to a directory", from, l.at, 0, 0, 1)
			l.close(from, to, app)
			l.see("contents", l.contents("to"))
		}},
		{name: "going around the page cache", do: func(l *lab) {
			w := l.open("file", unix.O_RDWR|unix.O_CREAT|unix.O_DIRECT)
			page := aligned(4096)
			copy(page, "page")
			_, err := unix.Pwrite(w, page, 4096)
			l.see("write", err, l.fstat(w))
			n, err := unix.Pread(w, page, 4096)
			l.see("read", n, err, string(page[:4]))
			l.close(w)
			l.see("contents", len(l.contents("file")))
		}},
		{name: "reading and writing", do: func(l *lab) {
			l.write("file", "0123456789")
			r, w := l.open("file", unix.O_RDONLY), l.open("file", unix.O_WRONLY)
			b := make([]byte, 100)
			for _, offset := range []int64{0, 5, 10, 11, 1 << 40, -1} {
				n, err := unix.Pread(r, b, offset)
				l.see("read", offset, n, err)
			}
			_, err := unix.Read(w, b)
			l.see("read by a writer", err)
			_, err = unix.Write(r, b)
			l.see("write by a reader", err)
			n, err := unix.Write(w, nil)
			l.see("write nothing", n, err)
			_, err = unix.Pwrite(w, []byte("x"), -1)
			l.see("write before the beginning", err)
			nv, err := unix.Writev(w, [][]byte{[]byte("ab"), nil, []byte("cd")})
			l.see("write pieces", nv, err)
			l.see("sync", unix.Fsync(r), unix.Fdatasync(w), unix.Fsync(l.at), unix.Syncfs(r))
			_, err = unix.Read(l.at, b)
			l.see("read a directory", err)
			l.close(r, w)
			l.see("contents", l.contents("file"))
		}},
		{name: "descriptors are copied", do: func(l *lab) {
			w := l.open("file", unix.O_RDWR|unix.O_CREAT)
			again, err := unix.Dup(w)
			l.see("dup", err)
			_, err = unix.Write(w, []byte("one "))
			l.see("write", err)
			l.close(w)
			l.see("after the first close", l.contents("file"))
			_, err = unix.Write(again, []byte("two"))
			l.see("write", err)
			l.close(again)
			l.see("contents", l.contents("file"))
		}},
	}
}

// contentsOfWriter gives what who opens a file for writing finds in it.
func (l *lab) contentsOfWriter(name string) string {
	fd := l.open(name, unix.O_RDWR)
	defer unix.Close(fd)
	return l.all(fd)
}

// aligned gives bytes that O_DIRECT takes.
func aligned(size int) []byte {
	b := make([]byte, 2*size)
	skip := size - int(uintptr(unsafe.Pointer(&b[0]))%uintptr(size))
	return b[skip : skip+size]
}
