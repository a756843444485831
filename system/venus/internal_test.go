package venus

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/wire"
)

// isolated gives a client without a server.
func isolated(t *testing.T, disk disk.FS) *Venus {
	t.Helper()
	v, err := Open(t.Context(), Config{
		Dir: t.TempDir(), Disk: disk, Servers: []Server{{Address: "nowhere"}}, Volume: "home",
		Dial: func(context.Context, string) (net.Conn, error) { return nil, net.ErrClosed },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close(context.Background())) })
	return v
}

func TestPromiseAfterABreak(t *testing.T) {
	v := isolated(t, simdisk.New())
	f := coda.NewFid(7, 5, coda.File)
	v.mu.Lock()
	r := v.group.all[0]
	r.id, r.until = 3, time.Now().Add(time.Hour)
	v.group.renew()
	o := v.object(f)
	o.users++ // a fetch is under way
	r.ask()
	v.mu.Unlock()
	promise := func(session, breaks uint64) bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		o.promised = 0
		v.promised(o, request{to: r, session: session}, breaks)
		return v.valid(o)
	}
	require.NoError(t, v.takeBreak(r, wire.Break{Number: 1, Fid: f}))
	require.False(t, promise(3, 0), "the break came after the promise was made and before its answer")
	require.False(t, promise(2, 9), "the promise was made to another session")
	require.True(t, promise(3, 1), "the promise was made after the break")
	require.NoError(t, v.takeBreak(r, wire.Break{Number: 2, Fid: coda.NewFid(7, 6, coda.File)}))
	require.True(t, promise(3, 1), "the break was of another object")
	v.mu.Lock()
	v.promised(o, request{to: r, session: 3}, 3)
	v.mu.Unlock()
	require.NoError(t, v.takeBreak(r, wire.Break{Number: 3, Fid: f}))
	v.mu.Lock()
	require.True(t, v.valid(o), "the promise was made after a break that is still under way")
	v.mu.Unlock()
	require.NoError(t, v.takeBreak(r, wire.Break{Number: 4, Fid: f}))
	v.mu.Lock()
	require.False(t, v.valid(o))
	v.mu.Unlock()
	require.ErrorIs(t, v.takeBreak(r, wire.Break{Number: 4, Fid: f}), coda.Invalid)
}

func TestJournal(t *testing.T) {
	disk := simdisk.New()
	require.NoError(t, disk.MkdirAll("j", 0o700))
	saved := 0
	save := func() error { saved++; return nil }
	j, err := newJournal(disk, "j", 0, 10)
	require.NoError(t, err)
	big := make([]byte, journalSize/4)
	for n := uint64(11); n <= 21; n++ {
		big[0] = byte(n)
		j.enqueue(n, big)
		require.NoError(t, j.flush(n, save))
	}
	require.NotZero(t, saved)
	j.enqueue(22, []byte("not written"))
	require.NoError(t, j.close())
	replay := func(from uint64) (list []uint64) {
		last, files, err := replayJournal(disk, "j", from, func(n uint64, change []byte) error {
			require.Equal(t, byte(n), change[0])
			list = append(list, n)
			return nil
		})
		require.NoError(t, err)
		require.Len(t, files, 1)
		if len(list) > 0 {
			require.Equal(t, list[len(list)-1], last)
		}
		return list
	}
	require.Equal(t, []uint64{19, 20, 21}, replay(18))
	require.Equal(t, []uint64{21}, replay(20))
	require.Empty(t, replay(21))
	require.Empty(t, replay(5), "changes that do not follow what there is are of no use")
	// A damaged entry ends the journal.
	f, err := disk.OpenReadWrite("j/"+journalName(j.index), vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff}, info.Size()-1)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, []uint64{19, 20}, replay(18))
}

func FuzzParseEntry(f *testing.F) {
	f.Add(appendEntry(nil, 7, []byte("change")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, change, rest, ok := parseEntry(b)
		if ok {
			require.Equal(t, b[:len(b)-len(rest)], appendEntry(nil, n, change))
		}
	})
}

// fullDisk is a disk on which the next writes of log files find no space.
type fullDisk struct {
	disk.FS
	writes int
}

func (d *fullDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return &fullFile{File: f, disk: d}, err
}

type fullFile struct {
	vfs.File
	disk *fullDisk
}

func (f *fullFile) Write(p []byte) (int, error) {
	if f.disk.writes > 0 {
		f.disk.writes--
		n, err := f.File.Write(p[:len(p)/2])
		if err == nil {
			err = unix.ENOSPC
		}
		return n, err
	}
	return f.File.Write(p)
}

func TestLogOnAFullDisk(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Servers: []Server{{Address: "s"}}, Volume: "v"}
	cfg, err := cfg.withDefaults()
	require.NoError(t, err)
	b := newBallast(cfg)
	b.hold()
	disk := &fullDisk{FS: simdisk.New(), writes: 3}
	cfg.Disk = disk
	w := newWALFS(cfg, b)
	f, err := w.Create("000001.log", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	n, err := f.Write([]byte("0123456789"))
	require.NoError(t, err)
	require.Equal(t, 10, n)
	require.NoError(t, f.Close())
	require.False(t, b.held)
	got, err := readAll(disk.FS, "000001.log")
	require.NoError(t, err)
	require.Equal(t, "0123456789", string(got))
}

// The state must be had just when venus hangs.
func TestTheStateOfAVenusWhoseMutexIsHeld(t *testing.T) {
	v := isolated(t, simdisk.New())
	require.Contains(t, v.State(), "mutex: taken in ")
	require.Contains(t, v.State(), "modify log: 0 records")
	call := v.enter("open", coda.NewFid(7, 5, coda.File), "")
	defer call.leave()
	v.mu.Lock()
	defer v.mu.Unlock()
	state := v.State()
	require.Contains(t, state, "mutex: not to be had in 1s")
	require.Contains(t, state, "calls: 1\n  open ")
}
