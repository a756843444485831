package venus_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

var (
	seeds     = flag.Int("seeds", 150, "how many lives of a client and a server TestDurability looks at")
	firstSeed = flag.Uint64("first-seed", 0, "the first seed of TestDurability")
)

// A client and a server on simulated disks are killed and lose their power at random calls of their disks. The connections between them break at random
// calls of theirs, and the server's disk is full at times, so that batches are sent again, in other pieces too, and not taken. What close, fsync
// and reintegration have promised is there, whatever happens, and since nobody else is at work the server refuses nothing.
func TestDurability(t *testing.T) {
	for i := range *seeds {
		seed := *firstSeed + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newLife(t, seed).live() })
		})
	}
}

// life is a client, a server, and what was promised.
type life struct {
	t        *testing.T
	random   *rand.Rand
	server   *vicetest.Server
	disk     *simdisk.Disk
	boot     int
	client   *client
	wire     *wire
	promises *promises
	dead     atomic.Bool // the client has crashed
	crash    atomic.Pointer[fall]
}

func newLife(t *testing.T, seed uint64) *life {
	l := &life{t: t, random: rand.New(rand.NewPCG(seed, 0)), server: vicetest.Start(t), disk: simdisk.New(), promises: newPromises()}
	l.start()
	l.client.warm()
	l.client.mkdir("d")
	l.client.settle()
	require.NoError(t, l.client.Sync(t.Context()))
	return l
}

// wire connects one run of the client with the server, until it is cut.
type wire struct {
	server *vicetest.Server
	breaks map[int64]bool // the calls of the connections at which all that there are break
	calls  atomic.Int64
	frail  atomic.Bool // it may break

	mu    sync.Mutex
	ended bool
	conns []net.Conn
}

// newWire makes a wire that breaks now and then, or not at all.
func newWire(server *vicetest.Server, random *rand.Rand) *wire {
	w := &wire{server: server, breaks: map[int64]bool{}}
	at, often := int64(0), 10<<random.IntN(5)
	for range random.IntN(2) * random.IntN(20) {
		at += int64(1 + random.IntN(often))
		w.breaks[at] = true
	}
	return w
}

// frail is a connection of a wire.
type frail struct {
	net.Conn
	wire *wire
}

// Read reads, or breaks.
func (f frail) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	f.wire.call()
	return n, err
}

// Write writes, or breaks before.
func (f frail) Write(p []byte) (int, error) {
	f.wire.call()
	return f.Conn.Write(p)
}

func (w *wire) call() {
	if w.frail.Load() && w.breaks[w.calls.Add(1)] {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.breakOff()
	}
}

// breakOff closes the connections that there are. w.mu is held.
func (w *wire) breakOff() {
	for _, c := range w.conns {
		_ = c.Close() // it may be closed already
	}
	w.conns = nil
}

func (w *wire) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := w.server.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return nil, errors.Join(net.ErrClosed, c.Close())
	}
	w.conns = append(w.conns, c)
	return frail{c, w}, nil
}

// cut ends the connections: nothing that is written from now on arrives.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.breakOff()
}

func (l *life) start() {
	l.wire = newWire(l.server, l.random)
	l.dead.Store(false)
	records := 1 + l.random.IntN(3)*l.random.IntN(8) // of a batch
	l.client = startIn(l.t, "cache", l.server, func(c *venus.Config) {
		c.Disk, c.Boot, c.Dial, c.Timing = l.disk, fmt.Sprint("boot ", l.boot), l.wire.dial, venus.Timing{}
		c.Limits.BatchRecords = records
		c.Fatal = func(error) { l.crash.Load().now() }
	})
}

// live goes through some crashes.
func (l *life) live() {
	for range 2 + l.random.IntN(3) {
		l.round()
	}
	l.client.settle()
	require.Equal(l.t, serverTree(l.server), l.client.tree())
	l.promises.sent(l.promises.now())
	l.judge(clientKilled, l.seen())
	conflicts, err := l.client.Conflicts()
	require.NoError(l.t, err)
	require.Empty(l.t, conflicts)
}

// fall is a crash at a call of a disk, or when it is asked for.
type fall struct {
	once sync.Once
	at   int64 // how many calls
	take func()
}

func (f *fall) now() { f.once.Do(f.take) }

// watch has the crash happen at its call.
func (f *fall) watch(d *simdisk.Disk) {
	var calls atomic.Int64
	d.Watch(func(ailing.Operation, string) {
		if calls.Add(1) == f.at {
			f.now()
		}
	})
}

// round lets workers work while the server crashes or not, until the client does.
func (l *life) round() {
	left, power := (*simdisk.Disk)(nil), l.random.IntN(2) == 0
	random := rand.New(rand.NewPCG(l.random.Uint64(), 1))
	crash := &fall{at: int64(1 + l.random.IntN(400)), take: func() {
		l.dead.Store(true)
		l.wire.cut()
		left = afterwards(l.disk, power, random)
	}}
	crash.watch(l.disk)
	l.wire.frail.Store(true)
	var workers, server sync.WaitGroup
	stop := make(chan struct{})
	if l.random.IntN(2) == 0 {
		random := rand.New(rand.NewPCG(l.random.Uint64(), 2))
		server.Go(func() { l.crashServer(stop, random) })
	}
	if l.random.IntN(3) == 0 {
		random := rand.New(rand.NewPCG(l.random.Uint64(), 3))
		server.Go(func() { l.fillServer(stop, random) })
	}
	for w := range 1 + l.random.IntN(3) {
		worker := worker{life: l, id: w, client: l.client, random: rand.New(rand.NewPCG(l.random.Uint64(), 0))}
		steps := 1 + l.random.IntN(30)
		workers.Go(func() { worker.work(steps) })
	}
	workers.Wait()
	crash.now()
	close(stop)
	server.Wait()
	l.server.Simulated().SetCapacity(0)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(l.t, l.client.Close(ctx))
	l.recover(left, power)
}

// afterwards gives what a crash leaves of a disk.
func afterwards(d *simdisk.Disk, power bool, random *rand.Rand) *simdisk.Disk {
	if power {
		return d.LosePower(random)
	}
	return d.Crash()
}

// recover starts the client again and judges what it finds, sometimes at first without the server.
func (l *life) recover(left *simdisk.Disk, power bool) {
	l.disk = left
	what, alone := clientKilled, clientKilledAlone
	if power {
		what, alone = clientLostPower, clientLostPowerAlone
		l.boot++
	}
	l.start()
	if l.random.IntN(2) == 0 {
		l.client.Disconnect()
		l.client.await(false)
		seen, err := l.look()
		if coda.KindOf(err) != coda.TimedOut { // or not everything is cached
			require.NoError(l.t, err)
			l.judge(alone, seen)
		}
		l.client.Reconnect()
	}
	l.client.await(true)
	if power || l.random.IntN(2) == 0 {
		l.client.settle()
	}
	l.judge(what, l.seen())
}

func (l *life) judge(c crash, seen map[string]sight) {
	l.t.Helper()
	if !l.promises.check(l.t, c, seen) {
		l.t.FailNow()
	}
}

// seen gives what the client sees.
func (l *life) seen() map[string]sight {
	l.t.Helper()
	for range 100 {
		if seen, err := l.look(); coda.KindOf(err) != coda.NotFound { // or it has heard of a change just now
			require.NoError(l.t, err)
			return seen
		}
	}
	require.Fail(l.t, "the tree keeps changing")
	return nil
}

func (l *life) look() (map[string]sight, error) {
	seen := map[string]sight{}
	d, err := l.client.at("d")
	if err != nil {
		return nil, err
	}
	list, err := l.client.ReadDirectory(l.t.Context(), d.Fid)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		contents, err := l.client.tryRead("d/" + e.Name)
		if err != nil {
			return nil, err
		}
		seen["d/"+e.Name] = sight{e.Fid, contents}
	}
	return seen, nil
}

// crashServer crashes the server at a call of its disk, or when it is told to stop, and starts it again.
func (l *life) crashServer(stop <-chan struct{}, random *rand.Rand) {
	down := make(chan struct{})
	power := random.IntN(2) == 0
	crash := &fall{at: int64(1 + random.IntN(100)), take: func() {
		l.server.TakeDisk(func(d *simdisk.Disk) *simdisk.Disk { return afterwards(d, power, random) })
		close(down)
	}}
	crash.watch(l.server.Simulated())
	select {
	case <-down:
	case <-stop:
		crash.now()
	}
	l.server.Bury()
	time.Sleep(time.Duration(random.IntN(10_000)) * time.Millisecond)
	l.server.Start()
	l.checkServer()
}

// tight is less than the server wants to be free before it takes a batch, and more than it needs for what it has taken.
const tight = 32 << 20

// fillServer has the disk of the server be full now and then, until it is told to stop.
func (l *life) fillServer(stop <-chan struct{}, random *rand.Rand) {
	for full := false; ; full = !full {
		disk := l.server.Simulated()
		disk.SetCapacity(0)
		if full {
			disk.SetCapacity(disk.Used() + tight)
		}
		select {
		case <-time.After(time.Duration(1+random.IntN(100)) * time.Millisecond):
		case <-stop:
			return
		}
	}
}

// checkServer judges what the server has.
func (l *life) checkServer() {
	l.server.CheckSound()
	c := l.server.Client(1000)
	seen := map[string]sight{}
	for p, s := range l.server.Tree() {
		if s.Kind != coda.File {
			continue
		}
		got, err := c.Fetch(s.Fid)
		if coda.KindOf(err) == coda.NotFound {
			continue // the client has removed it meanwhile
		}
		require.NoError(l.t, err)
		seen[p] = sight{s.Fid, string(got.Data)}
	}
	l.judge(serverCrashed, seen)
}

// worker works on names of its own.
type worker struct {
	*life
	id     int
	client *client
	random *rand.Rand
	step   int
}

func (w *worker) name() string { return fmt.Sprintf("%d-%d", w.id, w.random.IntN(4)) }

// work takes steps until the client crashes.
func (w *worker) work(steps int) {
	d, err := w.client.at("d")
	if err != nil {
		return
	}
	for w.step = range steps {
		if w.dead.Load() {
			return
		}
		switch w.random.IntN(12) {
		case 0, 1, 2, 3, 4:
			w.write(d.Fid, w.name(), true)
		case 5:
			w.write(d.Fid, w.name(), false)
		case 6, 7:
			w.remove(d.Fid, w.name())
		case 8:
			w.rename(d.Fid, w.name(), w.name())
		case 9:
			w.sync(nil, func() error { return w.client.Sync(w.t.Context()) })
		case 10:
			w.reintegrate()
		default:
			time.Sleep(time.Duration(w.random.IntN(50)) * time.Millisecond)
		}
	}
}

// done notes that an operation has returned, if that was before the crash.
func (w *worker) done(err error, note func()) {
	w.promises.mu.Lock()
	defer w.promises.mu.Unlock()
	if err == nil && !w.dead.Load() {
		note()
	}
}

// current gives the history of a name, and the file that it stands for.
func (w *worker) current(name string) (*history[*file], *file) {
	w.promises.mu.Lock()
	defer w.promises.mu.Unlock()
	h := w.promises.name("d/" + name)
	return h, h.states[h.acked]
}

// write makes a file or writes to it.
func (w *worker) write(dir coda.Fid, name string, truncate bool) {
	h, f := w.current(name)
	if f == nil && !truncate {
		return
	}
	before := ""
	made := -1
	w.promises.mu.Lock()
	if f == nil {
		f = newFile()
		made = h.begin(f)
	} else if !truncate {
		before = f.states[f.acked]
	}
	w.promises.mu.Unlock()
	certain := f.acked == len(f.states)-1 // or a flush failed, which may have done its work
	status, handle, err := w.client.Create(w.t.Context(), dir, name, 0o644, 0, venus.OpenFlags{Write: true, Truncate: truncate})
	if err != nil {
		return
	}
	w.done(nil, func() {
		if made >= 0 {
			h.acked, f.fid = made, status.Fid
		}
	})
	if !truncate {
		b, err := io.ReadAll(io.NewSectionReader(handle, 0, 1<<40))
		if err == nil && certain && string(b) != before && !w.dead.Load() {
			w.t.Errorf("%s: reads %s, not %s", name, show(string(b)), show(before))
		}
		if before = string(b); err != nil {
			_ = handle.Abandon(w.t.Context()) // nothing was written
			return
		}
	}
	if w.writeTo(handle, f, before) {
		_ = handle.Close(w.t.Context()) // the flush counts
	} else {
		_ = handle.Abandon(w.t.Context()) // or half a write would become the contents
	}
}

// writeTo appends to what is there, and reports whether all of it was written.
func (w *worker) writeTo(handle *venus.Handle, f *file, before string) bool {
	for range 1 + w.random.IntN(2) {
		text := fmt.Sprintf("%d %d %d ", w.boot, w.step, w.random.Uint64())
		text = strings.Repeat(text, 1+w.random.IntN(2)*w.random.IntN(2000)) // some are kept in the store, some in containers
		if n, err := handle.WriteAt([]byte(text), int64(len(before))); err != nil {
			w.promises.mu.Lock()
			f.begin(before + text[:n]) // which a crash may leave
			w.promises.mu.Unlock()
			return false
		}
		before += text
		w.promises.mu.Lock()
		i := f.begin(before)
		w.promises.mu.Unlock()
		if w.random.IntN(3) == 0 {
			w.sync(f, func() error {
				err := handle.Sync(w.t.Context())
				w.done(err, func() { f.acked = i })
				return err
			})
			continue
		}
		w.done(handle.Flush(w.t.Context()), func() { f.acked = i })
	}
	return true
}

// sync notes what a sync has promised, with the contents of f.
func (w *worker) sync(f *file, call func() error) {
	m := w.promises.now()
	if err := call(); err == nil && !w.dead.Load() {
		w.promises.synced(m, f)
	}
}

func (w *worker) remove(dir coda.Fid, name string) {
	h, f := w.current(name)
	if f == nil {
		return
	}
	w.promises.mu.Lock()
	i := h.begin(nil)
	w.promises.mu.Unlock()
	w.done(w.client.Remove(w.t.Context(), dir, name), func() { h.acked = i })
}

func (w *worker) rename(dir coda.Fid, from, to string) {
	h, f := w.current(from)
	if f == nil || from == to {
		return
	}
	other, _ := w.current(to)
	w.promises.mu.Lock()
	i, j := h.begin(nil), other.begin(f)
	w.promises.mu.Unlock()
	w.done(w.client.Rename(w.t.Context(), dir, from, dir, to, false), func() { h.acked, other.acked = i, j })
}

func (w *worker) reintegrate() {
	m := w.promises.now()
	left, err := w.client.ForceReintegrate(w.t.Context())
	if err == nil && left == 0 && !w.dead.Load() {
		w.promises.sent(m)
	}
}
