package venus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Venus is a client of one volume.
type Venus struct {
	cfg        Config
	policies   policies
	logger     *slog.Logger
	ballast    *ballast
	store      *store
	containers *containers
	pieces     sync.Pool // of *vicepb.FetchReply_Data, for contents that arrive
	calls      *calls
	notices    *notices
	users      *users
	life       context.Context // ends when Close begins; requests outlive the calls that started them
	stop       context.CancelFunc
	daemons    sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	id         identity
	volume     volumeInfo // the one at the root; zero until the server was reached once
	mounts     mounts
	objects    map[coda.Fid]*object
	log        modifyLog
	frozen     frozen
	wholeLog   bool // nothing is taken out of the log because of what is logged later: Coda's LogOpts=0, for tests
	doubtful   bool // the batch under way may have been applied: an attempt to send it has ended without a word of the server
	grants     grants
	granted    chan struct{} // closed and replaced when vnode numbers arrive
	conflicts  conflicts
	hoard      hoard
	clock      uint64
	cacheBytes int64
	diskFull   bool          // the disk has less than half of its reserve left
	doomed     []*container  // their files can go
	empty      *container    // shared by all files without contents
	settled    chan struct{} // closed and replaced when records have been answered
	answered   uint64        // the number of the last record that was answered
	group      storageGroup
	resolving  int // requests to resolve something that are under way

	wakeLog   chan struct{} // has a token when the reintegrator should look at the log
	wakeEvict chan struct{}
	wakeGrant chan struct{}
	wakeSweep chan struct{}
	forced    map[*uint64]struct{} // the numbers up to which callers wait for the log: as long as there are any, nothing in it ages
	batchErr  error
}

// Open opens the cache in cfg.Dir, or makes it, and starts the daemons. It does not wait for the server: what is cached can be
// used without it, and what is not fails with coda.TimedOut until it is reached. The context bounds the opening only.
func Open(ctx context.Context, cfg Config) (*Venus, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := disk.MakeDirectory(cfg.Disk, cfg.Dir); err != nil {
		return nil, &coda.Error{Op: "open the cache", Kind: coda.IO, Err: err}
	}
	b := newBallast(cfg)
	s, err := openStore(cfg, b)
	if err != nil {
		return nil, &coda.Error{Op: "open the cache", Kind: coda.IO, Err: err}
	}
	v := &Venus{
		cfg: cfg, logger: cfg.Log, ballast: b, store: s, calls: newCalls(), notices: newNotices(), users: newUsers(),
		objects: map[coda.Fid]*object{}, conflicts: newConflicts(), hoard: newHoard(), mounts: mounts{},
		granted: make(chan struct{}), settled: make(chan struct{}), forced: map[*uint64]struct{}{},
		wakeLog: make(chan struct{}, 1), wakeEvict: make(chan struct{}, 1), wakeGrant: make(chan struct{}, 1),
		wakeSweep: make(chan struct{}, 1),
	}
	v.pieces.New = func() any { return new(vicepb.FetchReply_Data) }
	if err := v.recover(ctx); err != nil {
		_ = s.close() // the error that matters is the first
		return nil, fmt.Errorf("open the cache in %s: %w", cfg.Dir, err)
	}
	if v.group, err = newStorageGroup(cfg); err != nil {
		_ = s.close()
		return nil, err
	}
	v.start()
	return v, nil
}

// start starts the daemons. They end when v.stop is called.
func (v *Venus) start() {
	ctx, cancel := context.WithCancel(context.Background())
	v.life, v.stop = ctx, cancel
	v.policies = policiesOf(ctx, v)
	v.mu.Lock()
	v.review()
	v.mu.Unlock()
	for _, daemon := range []func(context.Context){
		v.sweeper, v.notices.run, v.keepSessions, v.reintegrate, v.evict, v.keepGrants, v.revalidate, v.watchDisk, v.hoardWalks, v.keepTokens,
	} {
		v.daemons.Go(func() { daemon(ctx) })
	}
}

// Close ends the daemons and the calls under way, which fail with coda.Closed, and closes the cache. Open handles stay readable, and must
// still be closed. What was acknowledged is there when the cache is opened again.
func (v *Venus) Close(ctx context.Context) error {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return nil
	}
	v.closed = true
	v.group.notice()
	v.mu.Unlock()
	v.stop()
	v.group.close()
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		v.daemons.Wait()
		v.calls.wait()
		err = v.store.close()
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
		return &coda.Error{Op: "close the cache", Kind: coda.TimedOut, Err: ctx.Err()}
	}
}

// object finds an object in memory, or makes a place for it.
func (v *Venus) object(f coda.Fid) *object {
	o := v.objects[f]
	if o == nil {
		o = &object{fid: f}
		v.objects[f] = o
		if len(v.objects) > v.cfg.Limits.CacheObjects {
			wake(v.wakeEvict)
		}
	}
	return o
}

// tidy forgets an object of which nothing is known any more.
func (v *Venus) tidy(o *object) {
	if len(o.pending()) == 0 {
		v.forgetDeparted(o)
		o.rest()
	}
	if !o.known() && len(o.pending()) == 0 && len(o.touches()) == 0 && o.users == 0 && o.flight == nil && o.session == nil {
		delete(v.objects, o.fid)
	}
}

// use marks an object as used now.
func (v *Venus) use(o *object) {
	v.clock++
	o.used = v.clock
}

// retain notes another need for a container.
func (v *Venus) retain(c *container) *container {
	c.refs++
	return c
}

// release notes that a need for a container has ended; with the last one its file goes.
func (v *Venus) release(c *container) {
	c.refs--
	if c.refs == 0 {
		v.cacheBytes -= c.size
		v.doomed = append(v.doomed, c)
		wake(v.wakeSweep)
	}
}

// resize notes the size of a container for the cache's limit.
func (v *Venus) resize(c *container, size uint64) {
	v.cacheBytes += int64(size) - c.size
	c.size = int64(size)
	if v.cacheBytes > 0 && uint64(v.cacheBytes) > v.cfg.Limits.CacheBytes {
		wake(v.wakeEvict)
	}
}

// saveObject stores the server's word on an object.
func (v *Venus) saveObject(t *tx, o *object) {
	if !o.known() {
		t.delete(objectKey(o.fid))
		return
	}
	s := storedObject{Status: o.base(), Complete: o.complete(), Entries: o.at()}
	if o.contents != nil {
		s.Container = o.contents.name
	}
	b, err := encodeObject(s)
	t.fail(err)
	t.set(objectKey(o.fid), b)
}

// wake leaves a token for a daemon.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (v *Venus) wakeReintegrator() { wake(v.wakeLog) }

// Clock is what the client takes for the present.
func (v *Venus) Clock() time.Time { return v.cfg.Clock() }

// now is the present for records.
func (v *Venus) now() coda.Time { return coda.TimeOf(v.cfg.Clock()) }

// age is how long ago a record was made, as far as the clock knows: it is negative where the clock has been set back since, and may be anything where it
// has been set at all. Records outlive venus and the machine's run, so nothing else knows.
func (v *Venus) age(r *record) time.Duration { return v.cfg.Clock().Sub(r.Time.Standard()) }
