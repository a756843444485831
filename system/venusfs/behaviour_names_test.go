package venusfs

import (
	"strings"

	"golang.org/x/sys/unix"
)

func behavioursOfNames() []behaviour {
	return []behaviour{
		{name: "names of all kinds", do: func(l *lab) {
			var every []byte
			for b := 1; b < 256; b++ {
				if b != '/' {
					every = append(every, byte(b))
				}
			}
			for _, name := range []string{
				strings.Repeat("n", 255), strings.Repeat("n", 256), strings.Repeat("ä", 127) + "x", string(every), " ", "-rf", "...", "a\nb", "Case", "case",
				"@1234abcd.12345678", "x@sys", "\xff\xfe", "~", "*", `\`, "con", ".",
			} {
				fd, err := unix.Openat(l.at, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o644)
				if err == nil {
					_ = unix.Close(fd)
				}
				l.see("create", err, l.stat(name))
			}
			fd := l.open(".", unix.O_RDONLY)
			l.see("names", l.names(fd))
			l.close(fd)
			l.see("mkdir", unix.Mkdirat(l.at, strings.Repeat("d", 256), 0o755))
			l.see("symlink", unix.Symlinkat("x", l.at, strings.Repeat("d", 256)))
			l.see("rename", unix.Renameat(l.at, "case", l.at, strings.Repeat("d", 256)))
			l.see("link", unix.Linkat(l.at, "case", l.at, strings.Repeat("d", 256), 0))
			l.see("unlink", unix.Unlinkat(l.at, strings.Repeat("d", 256), 0))
			l.see("stat", l.stat(strings.Repeat("d", 256)))
			for _, name := range []string{".", "..", "./", "case/", "case/."} {
				l.see("unlink "+name, unix.Unlinkat(l.at, name, 0))
				l.see("rmdir "+name, unix.Unlinkat(l.at, name, unix.AT_REMOVEDIR))
				l.see("rename "+name, unix.Renameat(l.at, name, l.at, "x"))
				l.see("mkdir "+name, unix.Mkdirat(l.at, name, 0o755))
			}
		}},
		{name: "names that look like an object in conflict", do: func(l *lab) {
			const name = "@1234abcd.12345678.00000001"
			l.try("create", name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
			l.see("mkdir", unix.Mkdirat(l.at, name+"d", 0o755))
			l.see("symlink to one", unix.Symlinkat("@1234abcd.12345678.00000001@localhost.", l.at, "link"))
		}, instead: map[string]string{"create": "EINVAL", "mkdir": "EINVAL", "symlink to one": "EINVAL"}}, // CODA-FACTS 8.2
		{name: "deep paths", do: func(l *lab) {
			part := strings.Repeat("d", 200)
			l.see("a path of PATH_MAX", l.stat(strings.Repeat("x/", 2048)+"x"))
			fd, made := l.at, 0
			for range 30 { // 6,000 bytes, more than any call takes
				err := unix.Mkdirat(fd, part, 0o755)
				next, openErr := unix.Openat(fd, part, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
				if fd != l.at {
					_ = unix.Close(fd)
				}
				if err != nil || openErr != nil {
					l.see("a level", err, openErr)
					return
				}
				fd, made = next, made+1
			}
			file, err := unix.Openat(fd, "file", unix.O_CREAT|unix.O_WRONLY, 0o644)
			l.see("the file", made, err)
			_ = unix.Close(file)
			up := strings.Repeat("../", 30)
			var here, there unix.Stat_t
			l.see("back", unix.Fstatat(fd, up, &there, 0), unix.Fstat(l.at, &here), here.Ino == there.Ino)
			l.see("remove", unix.Unlinkat(fd, "file", 0))
			for made > 0 {
				next, err := unix.Openat(fd, "..", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
				_ = unix.Close(fd)
				if err == nil {
					err = unix.Unlinkat(next, part, unix.AT_REMOVEDIR)
				}
				if err != nil {
					l.see("remove a level", err)
					return
				}
				fd, made = next, made-1
			}
			_ = unix.Close(fd)
			l.see("left", l.stat(part))
		}},
		{name: "parents", do: func(l *lab) {
			for _, name := range []string{"a", "a/b", "c"} {
				l.see("mkdir", unix.Mkdirat(l.at, name, 0o755))
			}
			l.write("a/in-a", "")
			l.write("c/in-c", "")
			b := l.open("a/b", unix.O_RDONLY|unix.O_DIRECTORY)
			var s unix.Stat_t
			l.see("in the old parent", unix.Fstatat(b, "../in-a", &s, 0), unix.Fstatat(b, "../in-c", &s, 0))
			l.see("rename", unix.Renameat(l.at, "a/b", l.at, "c/b"))
			l.see("in the new parent", unix.Fstatat(b, "../in-a", &s, 0), unix.Fstatat(b, "../in-c", &s, 0))
			l.close(b)
		}},
		{name: "links", do: func(l *lab) {
			l.write("file", "text")
			l.see("mkdir", unix.Mkdirat(l.at, "dir", 0o755))
			l.see("symlink", unix.Symlinkat("file", l.at, "symlink"))
			l.see("link", unix.Linkat(l.at, "file", l.at, "second", 0), l.stat("file"), l.stat("second"))
			l.see("taken", unix.Linkat(l.at, "file", l.at, "symlink", 0))
			l.see("directory", unix.Linkat(l.at, "dir", l.at, "second dir", 0))
			l.see("nothing", unix.Linkat(l.at, "nothing", l.at, "x", 0))
			l.see("elsewhere", unix.Linkat(l.at, "file", l.at, "dir/x", 0))
			_ = unix.Unlinkat(l.at, "dir/x", 0)
			l.see("of a symlink", unix.Linkat(l.at, "symlink", l.at, "second symlink", 0), l.stat("second symlink"), l.stat("symlink"))
			l.see("by a symlink", unix.Linkat(l.at, "symlink", l.at, "third", unix.AT_SYMLINK_FOLLOW), l.stat("third"))
			l.see("one more", unix.Linkat(l.at, "second", l.at, "fourth", 0))
			l.see("rename to itself", unix.Renameat(l.at, "file", l.at, "second"), l.stat("file"), l.stat("second"))
			l.see("rename elsewhere", unix.Renameat(l.at, "third", l.at, "dir/third"))
			w := l.open("second", unix.O_WRONLY|unix.O_TRUNC)
			_, err := unix.Write(w, []byte("new"))
			l.see("write", err)
			l.close(w)
			l.see("one of the others", l.contents("file"), l.stat("file"))
			r := l.open("fourth", unix.O_RDONLY)
			w = l.open("second", unix.O_WRONLY|unix.O_APPEND)
			_, err = unix.Write(w, []byte(" and more"))
			l.see("append", err)
			l.close(w)
			l.see("while another is open", l.stat("fourth"), l.stat("second"), l.contents("fourth"))
			l.close(r)
			l.see("remove", unix.Unlinkat(l.at, "file", 0), l.stat("second"))
			l.see("remove", unix.Unlinkat(l.at, "symlink", 0), l.stat("second symlink"))
		}, instead: map[string]string{ // CODA-FACTS 8.2
			"elsewhere": "EXDEV", "rename elsewhere": "EXDEV",
		}},
		{name: "symlinks", do: func(l *lab) {
			for _, length := range []int{1, 4095, 4096} {
				target := strings.Repeat("t", length)
				err := unix.Symlinkat(target, l.at, "link")
				b := make([]byte, 5000)
				n, readErr := unix.Readlinkat(l.at, "link", b)
				l.see("symlink", length, err, n, readErr, l.stat("link"))
				l.see("remove", unix.Unlinkat(l.at, "link", 0))
			}
			l.see("empty", unix.Symlinkat("", l.at, "link"))
			l.see("strange", unix.Symlinkat("\xff//../..\n", l.at, "link"))
			b := make([]byte, 4)
			n, err := unix.Readlinkat(l.at, "link", b)
			l.see("a part", n, err)
			l.see("taken", unix.Symlinkat("x", l.at, "link"))
			l.write("file", "text")
			_, err = unix.Readlinkat(l.at, "file", b)
			l.see("no link", err)
			l.see("mkdir", unix.Mkdirat(l.at, "dir", 0o755), unix.Symlinkat("dir", l.at, "to dir"))
			l.write("dir/file", "in dir")
			l.see("through", l.contents("to dir/file"), l.stat("to dir/"))
			l.see("rmdir", unix.Unlinkat(l.at, "to dir", unix.AT_REMOVEDIR))
			l.see("chmod", unix.Fchmodat(l.at, "link", 0o600, unix.AT_SYMLINK_NOFOLLOW))
			l.see("rename", unix.Renameat(l.at, "link", l.at, "dir/link"), l.stat("dir/link"))
		}},
		{name: "renaming", do: func(l *lab) {
			for _, name := range []string{"dir", "dir/sub", "empty", "full", "full/x"} {
				l.see("mkdir", unix.Mkdirat(l.at, name, 0o755))
			}
			l.write("file", "file")
			l.write("other", "other")
			rename := func(from, to string) { l.see(from+" to "+to, unix.Renameat(l.at, from, l.at, to)) }
			rename("dir", "full")
			rename("dir", "file")
			rename("file", "dir")
			rename("dir", "dir/sub/x")
			rename("dir", "dir")
			rename("dir/sub", "dir")
			rename("file", "file")
			rename("file", "nothing/x")
			rename("nothing", "x")
			rename("file/", "x")
			rename("file", "x/")
			rename("dir", "new/")
			rename("new", "empty")
			rename("file", "other")
			l.see("replaced", l.contents("other"), l.stat("file"), l.stat("empty/sub"))
			rename("empty", "empty/../full/x/../../moved")
			l.see("no replacing", unix.Renameat2(l.at, "other", l.at, "full", unix.RENAME_NOREPLACE))
			l.see("no replacing of itself", unix.Renameat2(l.at, "other", l.at, "other", unix.RENAME_NOREPLACE))
			l.see("nothing to replace", unix.Renameat2(l.at, "other", l.at, "free", unix.RENAME_NOREPLACE))
			l.see("exchange", unix.Renameat2(l.at, "free", l.at, "full", unix.RENAME_EXCHANGE))
			l.see("exchange with nothing", unix.Renameat2(l.at, "free", l.at, "nothing", unix.RENAME_EXCHANGE))
		}, instead: map[string]string{"exchange": "EINVAL"}}, // the log has no such record
		{name: "an open directory is removed", do: func(l *lab) {
			l.see("mkdir", unix.Mkdirat(l.at, "dir", 0o755))
			fd := l.open("dir", unix.O_RDONLY|unix.O_DIRECTORY)
			l.see("rmdir", unix.Unlinkat(l.at, "dir", unix.AT_REMOVEDIR))
			l.see("names", l.names(fd))
			l.see("stat", l.fstat(fd))
			_, err := unix.Openat(fd, "x", unix.O_CREAT|unix.O_WRONLY, 0o644)
			l.see("create", err, unix.Mkdirat(fd, "x", 0o755), unix.Symlinkat("x", fd, "x"))
			l.see("rename", unix.Renameat(l.at, "nothing", fd, "x"))
			var s unix.Stat_t
			l.see("parent", unix.Fstatat(fd, "..", &s, 0))
			l.see("sync", unix.Fsync(fd))
			l.see("mkdir again", unix.Mkdirat(l.at, "dir", 0o755))
			l.see("names", l.names(fd))
			l.close(fd)
		}},
		{name: "directories", do: func(l *lab) {
			l.see("mkdir", unix.Mkdirat(l.at, "dir", 0o700), l.stat("dir"))
			l.see("taken", unix.Mkdirat(l.at, "dir", 0o755))
			l.write("file", "")
			l.see("taken by a file", unix.Mkdirat(l.at, "file", 0o755))
			l.see("below a file", unix.Mkdirat(l.at, "file/x", 0o755))
			l.see("below nothing", unix.Mkdirat(l.at, "nothing/x", 0o755))
			l.see("rmdir of a file", unix.Unlinkat(l.at, "file", unix.AT_REMOVEDIR))
			l.see("unlink of a directory", unix.Unlinkat(l.at, "dir", 0))
			l.write("dir/x", "")
			l.see("rmdir of a full one", unix.Unlinkat(l.at, "dir", unix.AT_REMOVEDIR))
			l.see("unlink", unix.Unlinkat(l.at, "dir/x", 0))
			l.see("rmdir", unix.Unlinkat(l.at, "dir", unix.AT_REMOVEDIR))
			l.see("rmdir of nothing", unix.Unlinkat(l.at, "dir", unix.AT_REMOVEDIR))
		}},
		{name: "other kinds", do: func(l *lab) {
			l.see("fifo", unix.Mknodat(l.at, "fifo", unix.S_IFIFO|0o644, 0))
			l.see("socket", unix.Mknodat(l.at, "socket", unix.S_IFSOCK|0o644, 0))
			l.see("device", unix.Mknodat(l.at, "device", unix.S_IFCHR|0o644, 0x103))
			l.see("file", unix.Mknodat(l.at, "file", unix.S_IFREG|0o640, 0), l.stat("file"))
		}, instead: map[string]string{"fifo": "EPERM", "socket": "EPERM", "device": "EPERM"}}, // CODA-FACTS 8.2
	}
}
