package venusfs

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// behaviour is something that a program can find out about a file system. The local file system says what is right.
type behaviour struct {
	name string
	do   func(l *lab)

	// What the mount says instead where Coda's design rules the right answer out, by the beginning of the line that it replaces.
	instead map[string]string
}

// lab is an empty directory, and what was seen in it.
type lab struct {
	t    *testing.T
	dir  string
	at   int // a descriptor of dir
	seen []string
}

func newLab(t *testing.T, dir string) *lab {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o777))
	require.NoError(t, os.Chmod(dir, 0o777))
	at, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(at) })
	return &lab{t: t, dir: dir, at: at}
}

// see notes what was seen. An error is noted as its number's name.
func (l *lab) see(what string, values ...any) {
	var b strings.Builder
	b.WriteString(what + ":")
	for _, v := range values {
		if err, ok := v.(error); ok {
			v = errnoName(err)
		}
		fmt.Fprintf(&b, " %v", v)
	}
	l.seen = append(l.seen, b.String())
}

func errnoName(err error) string {
	if errno := asErrno(err); errno != 0 {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func (l *lab) path(name string) string { return l.dir + "/" + name }

func (l *lab) open(name string, flags int) int {
	l.t.Helper()
	fd, err := unix.Openat(l.at, name, flags|unix.O_CLOEXEC, 0o644)
	require.NoError(l.t, err, "open %s with flags %x", name, flags)
	return fd
}

// try notes whether a file can be opened.
func (l *lab) try(what, name string, flags int) {
	fd, err := unix.Openat(l.at, name, flags|unix.O_CLOEXEC, 0o644)
	if err == nil {
		err = unix.Close(fd)
	}
	l.see(what, err)
}

func (l *lab) close(fds ...int) {
	for _, fd := range fds {
		l.see("close", unix.Close(fd))
	}
}

func (l *lab) write(name, text string) {
	l.t.Helper()
	fd := l.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	_, err := unix.Write(fd, []byte(text))
	require.NoError(l.t, err)
	require.NoError(l.t, unix.Close(fd))
}

// contents gives what a file has, or the error.
func (l *lab) contents(name string) string {
	fd, err := unix.Openat(l.at, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errnoName(err)
	}
	defer unix.Close(fd)
	return l.all(fd)
}

// all gives what an open file has, or the error.
func (l *lab) all(fd int) string {
	b := make([]byte, 1<<16)
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		return errnoName(err)
	}
	return fmt.Sprintf("%q", b[:n])
}

// stat gives kind, mode, links and length, or the error.
func (l *lab) stat(name string) string {
	var s unix.Stat_t
	return shape(s, unix.Fstatat(l.at, name, &s, unix.AT_SYMLINK_NOFOLLOW), &s)
}

func (l *lab) fstat(fd int) string {
	var s unix.Stat_t
	return shape(s, unix.Fstat(fd, &s), &s)
}

func shape(_ unix.Stat_t, err error, s *unix.Stat_t) string {
	switch {
	case err != nil:
		return errnoName(err)
	case s.Mode&unix.S_IFMT == unix.S_IFDIR:
		return fmt.Sprintf("%o", s.Mode)
	default:
		return fmt.Sprintf("%o links=%d size=%d", s.Mode, s.Nlink, s.Size)
	}
}

// names lists a directory that is open.
func (l *lab) names(fd int) string {
	buf := make([]byte, 1<<16)
	var names []string
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return errnoName(err)
		}
		if n == 0 {
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// moved notes which times of an object an operation has changed.
func (l *lab) moved(what string, do func(), names ...string) {
	before := l.times(names)
	time.Sleep(10 * time.Millisecond) // the clock of a local file system is a coarse one
	do()
	after := l.times(names)
	var changed []string
	for i, name := range names {
		if after[i] != before[i] {
			changed = append(changed, name)
		}
	}
	l.see(what+" changes the times of", strings.Join(changed, " "))
}

func (l *lab) times(names []string) []int64 {
	times := make([]int64, len(names))
	for i, name := range names {
		var s unix.Stat_t
		if unix.Fstatat(l.at, name, &s, unix.AT_SYMLINK_NOFOLLOW) == nil {
			times[i] = s.Mtim.Nano()
		}
	}
	return times
}

// asUser does something with the rights of an ordinary user.
func (l *lab) asUser(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		lockThread() // and never unlocked, so that the thread ends with the goroutine
		require.NoError(l.t, unix.Setfsuid(1000))
		require.NoError(l.t, unix.Setfsgid(1000))
		do()
	}()
	<-done
}

// Whatever programs can find out is as in the local file system, but for what Coda's design rules out.
func TestBehavesAsTheLocalFileSystem(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		local := t.TempDir()
		for _, b := range slices.Concat(behavioursOfFiles(), behavioursOfNames(), behavioursOfAttributes()) {
			t.Run(b.name, func(t *testing.T) {
				right, ours := newLab(t, local+"/"+b.name), newLab(t, client.path(b.name))
				b.do(right)
				b.do(ours)
				require.Equal(t, b.expected(t, right.seen), ours.seen)
			})
		}
	})
}

// expected replaces what Coda rules out.
func (b behaviour) expected(t *testing.T, right []string) []string {
	t.Helper()
	want := slices.Clone(right)
	for what, instead := range b.instead {
		i := slices.IndexFunc(right, func(line string) bool { return strings.HasPrefix(line, what+":") })
		require.GreaterOrEqual(t, i, 0, "nothing was seen of %q", what)
		want[i] = strings.TrimSuffix(what+": "+instead, " ")
		require.NotEqual(t, right[i], want[i], "it is no difference")
	}
	return want
}
