package venusfs

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

func behavioursOfAttributes() []behaviour {
	return []behaviour{
		{name: "times", do: func(l *lab) {
			l.write("file", "text")
			l.see("symlink", unix.Symlinkat("file", l.at, "link"), unix.Mkdirat(l.at, "dir", 0o755))
			for _, name := range []string{"file", "dir", "link"} {
				for _, at := range []unix.Timespec{{Sec: 1173960000, Nsec: 123456789}, {Sec: 0, Nsec: 1}, {Sec: -1e9, Nsec: 999999999}, {Sec: 7e9}, {Sec: math.MaxInt32}} {
					err := unix.UtimesNanoAt(l.at, name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
					var s unix.Stat_t
					_ = unix.Fstatat(l.at, name, &s, unix.AT_SYMLINK_NOFOLLOW)
					l.see("set", err, s.Mtim.Sec, s.Mtim.Nsec)
				}
				omit := unix.Timespec{Nsec: unix.UTIME_OMIT}
				err := unix.UtimesNanoAt(l.at, name, []unix.Timespec{{Sec: 5}, omit}, unix.AT_SYMLINK_NOFOLLOW)
				var s unix.Stat_t
				_ = unix.Fstatat(l.at, name, &s, unix.AT_SYMLINK_NOFOLLOW)
				l.see("leave", err, s.Mtim.Sec, s.Mtim.Nsec)
			}
			w := l.open("file", unix.O_WRONLY)
			_, err := unix.Write(w, []byte("more"))
			l.see("write", err, unix.Futimes(w, []unix.Timeval{{Sec: 3}, {Sec: 4, Usec: 5}}))
			l.close(w)
			l.see("after the close", l.times([]string{"file"}))
			l.see("bad", unix.UtimesNanoAt(l.at, "file", []unix.Timespec{{Nsec: 1e9}, {}}, 0))
			l.moved("now", func() {
				now := unix.Timespec{Nsec: unix.UTIME_NOW}
				l.see("set now", unix.UtimesNanoAt(l.at, "file", []unix.Timespec{now, now}, 0))
			}, "file")
		}},
		{name: "times that are far away", do: func(l *lab) {
			l.write("file", "text")
			for _, year := range []int{1, 1600, 1900, 2200, 2300, 9999} {
				at := unix.Timespec{Sec: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Unix()}
				err := unix.UtimesNanoAt(l.at, "file", []unix.Timespec{at, at}, 0)
				var s unix.Stat_t
				_ = unix.Fstatat(l.at, "file", &s, 0)
				l.see("set", err, year, s.Mtim.Sec > 0) // each file system has limits of its own, where such times end up
			}
		}},
		{name: "what changes times", do: func(l *lab) {
			l.see("mkdir", unix.Mkdirat(l.at, "dir", 0o755), unix.Mkdirat(l.at, "other", 0o755))
			all := []string{"dir", "other", "dir/file", "dir/second"}
			l.moved("create", func() { l.write("dir/file", "text") }, all...)
			l.moved("read", func() { l.contents("dir/file") }, all...)
			l.moved("write", func() { l.write("dir/file", "new") }, all...)
			l.moved("open and close", func() {
				fd := l.open("dir/file", unix.O_RDWR)
				_ = unix.Close(fd)
			}, all...)
			l.moved("truncate to the same length", func() { l.see("truncate", unix.Truncate(l.path("dir/file"), 3)) }, all...)
			l.moved("truncate by opening", func() { l.try("open", "dir/file", unix.O_WRONLY|unix.O_TRUNC) }, all...)
			l.moved("truncate nothing by opening", func() { l.try("open", "dir/file", unix.O_WRONLY|unix.O_TRUNC) }, all...)
			l.moved("chmod", func() { l.see("chmod", unix.Fchmodat(l.at, "dir/file", 0o600, 0)) }, all...)
			l.moved("chown", func() { l.see("chown", unix.Fchownat(l.at, "dir/file", 1000, 1000, 0)) }, all...)
			l.moved("link", func() { l.see("link", unix.Linkat(l.at, "dir/file", l.at, "dir/second", 0)) }, all[:3]...)
			l.moved("remove", func() { l.see("unlink", unix.Unlinkat(l.at, "dir/second", 0)) }, all[:3]...)
			l.moved("rename", func() { l.see("rename", unix.Renameat(l.at, "dir/file", l.at, "other/file")) }, "dir", "other")
			l.moved("mkdir", func() { l.see("mkdir", unix.Mkdirat(l.at, "dir/sub", 0o755)) }, "dir", "other")
			l.moved("below", func() { l.write("dir/sub/file", "") }, "dir", "dir/sub")
			l.moved("rename within", func() { l.see("rename", unix.Renameat(l.at, "dir/sub", l.at, "dir/moved")) }, "dir", "other")
			l.moved("failing create", func() { l.see("mkdir", unix.Mkdirat(l.at, "dir/moved", 0o755)) }, "dir", "other")
			l.moved("unaligned write", func() {
				fd := l.open("other/file", unix.O_WRONLY)
				_, err := unix.Pwrite(fd, []byte("x"), 0)
				l.see("write", err)
				l.see("close", unix.Close(fd))
			}, "other", "other/file")
			l.moved("mapped write", func() {
				fd := l.open("other/file", unix.O_RDWR)
				m, err := unix.Mmap(fd, 0, 1, unix.PROT_WRITE|unix.PROT_READ, unix.MAP_SHARED)
				l.see("mmap", err)
				m[0] = 'y'
				l.see("sync", unix.Msync(m, unix.MS_SYNC), unix.Munmap(m), unix.Close(fd))
			}, "other", "other/file")
		}},
		{name: "modes and owners", do: func(l *lab) {
			l.write("file", "text")
			l.see("mkdir", unix.Mkdirat(l.at, "dir", 0o755))
			for _, mode := range []uint32{0, 0o777, 0o640, 0o111} {
				l.see("chmod", unix.Fchmodat(l.at, "file", mode, 0), l.stat("file"))
				l.see("chmod", unix.Fchmodat(l.at, "dir", mode, 0), l.stat("dir"))
			}
			l.see("set-id", unix.Fchmodat(l.at, "file", 0o6755, 0), l.stat("file"))
			l.see("sticky", unix.Fchmodat(l.at, "dir", 0o1777, 0), l.stat("dir"))
			l.see("chown", unix.Fchownat(l.at, "file", 1000, -1, 0))
			var s unix.Stat_t
			_ = unix.Fstatat(l.at, "file", &s, 0)
			l.see("owner", s.Uid)
			l.see("chgrp", unix.Fchownat(l.at, "file", -1, 5, 0))
			_ = unix.Fstatat(l.at, "file", &s, 0)
			l.see("group", s.Gid)
			old := unix.Umask(0o027)
			l.write("masked", "")
			l.see("mkdir", unix.Mkdirat(l.at, "masked dir", 0o777))
			unix.Umask(old)
			l.see("masked", l.stat("masked"), l.stat("masked dir"))
		}, instead: map[string]string{ // Coda keeps an owner, no group, and no set-id bits
			"set-id": "<nil> 100755 links=1 size=4", "sticky": "<nil> 40777", "group": "1000",
		}},
		{name: "rights", do: func(l *lab) {
			l.write("private", "secret")
			l.write("public", "text")
			l.see("chmod", unix.Fchmodat(l.at, "private", 0o600, 0), unix.Fchmodat(l.at, "public", 0o644, 0))
			l.see("mkdir", unix.Mkdirat(l.at, "closed", 0o755), unix.Mkdirat(l.at, "hidden", 0o711))
			l.write("closed/file", "")
			l.write("hidden/file", "text")
			l.asUser(func() {
				l.see("read", l.contents("private"), l.contents("public"))
				l.try("write", "public", unix.O_WRONLY)
				l.try("create", "closed/x", unix.O_WRONLY|unix.O_CREAT)
				l.see("remove", unix.Unlinkat(l.at, "closed/file", 0))
				l.see("rename", unix.Renameat(l.at, "closed/file", l.at, "file"))
				l.try("list", "hidden", unix.O_RDONLY|unix.O_DIRECTORY)
				l.see("search", l.contents("hidden/file"))
				l.see("chmod", unix.Fchmodat(l.at, "public", 0o777, 0))
				l.see("chown", unix.Fchownat(l.at, "public", 1000, -1, 0))
				l.see("utimes", unix.UtimesNanoAt(l.at, "public", []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0))
				l.try("own file", "own", unix.O_WRONLY|unix.O_CREAT)
				l.see("chmod of the own", unix.Fchmodat(l.at, "own", 0o400, 0))
				l.try("write to the own", "own", unix.O_WRONLY)
				l.see("chown of the own", unix.Fchownat(l.at, "own", 0, -1, 0))
				fd, err := unix.Openat(l.at, "read only", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o400)
				_, writeErr := unix.Write(fd, []byte("text"))
				l.see("created without the right to write", err, writeErr)
				l.close(fd)
				l.see("contents", l.contents("read only"))
				l.see("mkdir", unix.Mkdirat(l.at, "own dir", 0o755))
				l.write("own dir/file", "text")
			})
			var s unix.Stat_t
			_ = unix.Fstatat(l.at, "own dir/file", &s, 0)
			l.see("owner", s.Uid, s.Gid)
		}},
		{name: "extended attributes", do: func(l *lab) {
			l.write("file", "text")
			b := make([]byte, 10)
			l.see("set", unix.Setxattr(l.path("file"), "user.x", []byte("x"), 0))
			_, err := unix.Getxattr(l.path("file"), "user.x", b)
			l.see("get", err)
			n, err := unix.Listxattr(l.path("file"), nil)
			l.see("list", n > 0, err)
			l.see("remove", unix.Removexattr(l.path("file"), "user.x"))
		}, instead: map[string]string{"set": "ENOTSUP", "get": "ENOTSUP", "list": "false ENOTSUP", "remove": "ENOTSUP"}},
		{name: "inode numbers", do: func(l *lab) {
			numbers := map[uint64]bool{}
			l.see("mkdir", unix.Mkdirat(l.at, "dir", 0o755))
			number := func(name string) uint64 {
				var s unix.Stat_t
				_ = unix.Fstatat(l.at, name, &s, unix.AT_SYMLINK_NOFOLLOW)
				return s.Ino
			}
			for i := range 50 {
				name := fmt.Sprint("dir/file", i)
				l.write(name, name)
				numbers[number(name)] = true
			}
			l.see("different", len(numbers))
			before := number("dir/file7")
			l.write("dir/file7", "new contents")
			l.see("the same after a change", number("dir/file7") == before)
			l.see("rename", unix.Renameat(l.at, "dir/file7", l.at, "moved"), number("moved") == before)
			fd := l.open("dir", unix.O_RDONLY)
			here, parent := direntInode(fd, "."), direntInode(fd, "..")
			file := direntInode(fd, "file8")
			l.see("in the directory", here == number("dir"), parent == number("."), file == number("dir/file8"))
			l.close(fd)
		}},
		{name: "the space", do: func(l *lab) {
			var s unix.Statfs_t
			err := unix.Fstatfs(l.at, &s)
			l.see("statfs", err, s.Namelen, s.Bsize > 0, s.Frsize > 0, s.Blocks > 0, s.Bfree > 0, s.Bavail > 0, s.Bavail <= s.Bfree, s.Bfree <= s.Blocks, s.Files > 0, s.Ffree <= s.Files)
		}},
	}
}

// direntInode gives the number that a directory has for a name.
func direntInode(fd int, name string) uint64 {
	_, _ = unix.Seek(fd, 0, 0)
	buf := make([]byte, 1<<16)
	n, _ := unix.Getdents(fd, buf)
	for b := buf[:max(n, 0)]; len(b) > 0; {
		length := int(b[16]) | int(b[17])<<8
		entry := b[19:length]
		end := 0
		for entry[end] != 0 {
			end++
		}
		if string(entry[:end]) == name {
			ino := uint64(0)
			for i := 7; i >= 0; i-- {
				ino = ino<<8 | uint64(b[i])
			}
			return ino
		}
		b = b[length:]
	}
	return 0
}
