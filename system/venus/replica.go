package venus

import (
	"context"
	"fmt"
	"math/bits"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// replica is one of the servers that hold the volume, and the session with it. Everything but slot, server and remote is guarded by Venus.mu.
type replica struct {
	slot   int // of its updates in version vectors
	server Server
	remote *remote

	confirmed bool // it has said that it is the one in the slot; for the keeper of the session

	sending  []byte              // the reintegrator's, for contents that are sent
	owed     []*vicepb.UpdateSet // second phases that it has to be told of
	wakeOwed chan struct{}       // has a token when there are some

	state   linkState
	life    context.Context // ends with the session, where there are other replicas to go on with; nil where there are none
	id      uint64          // of the last session; promises of another one are void
	lease   time.Duration
	until   time.Time     // its promises hold until then
	epoch   uint64        // of the server
	breaks  uint64        // the last break that was processed
	broken  chan struct{} // closed and replaced with each break that is processed
	lastErr error
	since   time.Time // when state changed

	// A promise that comes with an answer can be overtaken by the break that ends it, and can overtake breaks that came before it. Both are rare, so
	// it is not the objects that remember numbers of breaks.
	asked  int                 // requests under way whose answers may hold promises
	recent map[coda.Fid]uint64 // the last break of each object that was processed while there have been any
	ahead  map[coda.Fid]uint64 // the number of the last break that is in what was promised, where it is still to come
	behind uint64              // the largest number in ahead

	presumed map[coda.Fid]map[coda.Fid]bool // objects that it does not have yet, as far as is known, by the directory that they are in (presume)

	rooms map[uint32]coda.Room // what volumes with quotas hold, as the session has said
}

// replicas are a set of the servers that hold the volume: bit i is the server in slot i.
type replicas uint8

func only(slot int) replicas { return 1 << slot }

func (s replicas) has(slot int) bool { return s&only(slot) != 0 }

// covers reports whether all of other are in s.
func (s replicas) covers(other replicas) bool { return other&^s == 0 }

// first is the lowest slot in the set, 8 in an empty one.
func (s replicas) first() int { return bits.TrailingZeros8(uint8(s)) }

// storageGroup is Coda's volume storage group (VSG): all servers that hold the volume, and what is known of them together. Everything but all is guarded
// by Venus.mu.
type storageGroup struct {
	all       []*replica    // in the order of their slots
	tally     *tally        // of what is asked of all of them
	state     linkState     // of the volume: it is reachable when one of them is
	changed   chan struct{} // closed and replaced when the state of one changes
	available replicas      // Coda's AVSG: those with a session
	vouching  replicas      // those whose promises count: the available ones, or, as long as there are none, the last that there were
	until     time.Time     // the promises of all of these hold until then
	lastErr   error         // why the last one that was asked could not be reached
	forced    bool          // the volume is to be disconnected, whether one is there or not
}

func newStorageGroup(cfg Config) (storageGroup, error) {
	g := storageGroup{tally: &tally{}, changed: make(chan struct{}), vouching: 1<<len(cfg.Servers) - 1}
	for slot, server := range cfg.Servers {
		remote, err := newRemote(cfg, server, g.tally)
		if err != nil {
			g.close()
			return g, err
		}
		g.all = append(g.all, &replica{
			slot: slot, server: server, remote: remote, since: time.Now(), broken: make(chan struct{}),
			recent: map[coda.Fid]uint64{}, ahead: map[coda.Fid]uint64{}, wakeOwed: make(chan struct{}, 1),
			presumed: map[coda.Fid]map[coda.Fid]bool{}, rooms: map[uint32]coda.Room{},
		})
	}
	return g, nil
}

func (g *storageGroup) close() {
	for _, r := range g.all {
		r.remote.close()
	}
}

// notice tells those who wait for a change.
func (g *storageGroup) notice() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// recount works out what the states of the replicas are together.
func (g *storageGroup) recount() {
	g.available = 0
	states := map[linkState]bool{}
	for _, r := range g.all {
		states[r.state] = true
		if r.state == linkUp {
			g.available |= only(r.slot)
		}
	}
	switch {
	case g.forced:
		g.state = linkDown
	case states[linkUp]:
		g.state = linkUp
	case states[linkStarting]:
		g.state = linkStarting
	case states[linkLost]:
		g.state = linkLost
	default:
		g.state = linkDown
	}
	if g.available != 0 {
		g.vouching = g.available
	}
	g.renew()
}

// force disconnects the volume from servers that are there, or ends that.
func (g *storageGroup) force(disconnected bool) {
	g.forced = disconnected
	g.recount()
	g.notice()
}

// why says why the volume is disconnected, where that is known.
func (g *storageGroup) why() error {
	if g.forced {
		return errNoToken
	}
	return g.lastErr
}

// renew works out until when the promises of those hold that count.
func (g *storageGroup) renew() {
	g.until = time.Time{}
	for i, r := range g.members(g.vouching) {
		if i == 0 || r.until.Before(g.until) {
			g.until = r.until
		}
	}
}

// members are the replicas of a set, in the order of their slots.
func (g *storageGroup) members(of replicas) []*replica {
	if of == g.everyone() {
		return g.all
	}
	list := make([]*replica, 0, len(g.all))
	for _, r := range g.all {
		if of.has(r.slot) {
			list = append(list, r)
		}
	}
	return list
}

// undecided is for how long others of the group that may be about to become available as well are waited for; 0 or less where none is.
func (g *storageGroup) undecided(grace time.Duration) (wait time.Duration) {
	for _, r := range g.all {
		if r.state == linkStarting || r.state == linkLost {
			wait = max(wait, grace-time.Since(r.since))
		}
	}
	return wait
}

// replicated reports whether there are several replicas.
func (g *storageGroup) replicated() bool { return len(g.all) > 1 }

// everyone is the set of all replicas.
func (g *storageGroup) everyone() replicas { return 1<<len(g.all) - 1 }

// reachable are the replicas that can be asked; those that could be asked last where there are none.
func (g *storageGroup) reachable() replicas {
	if g.available == 0 {
		return g.vouching
	}
	return g.available
}

// preferred is the replica that is asked for what one of them has to do, the first where none can be asked.
func (g *storageGroup) preferred() *replica {
	if g.available == 0 {
		return g.all[0]
	}
	return g.all[g.available.first()]
}

// preferred is who to ask for what one of the servers has to do.
func (v *Venus) preferred() *remote {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.group.preferred().remote
}

// request is one whose answer may hold promises. It is made and ended with v.mu held.
type request struct {
	to      *replica
	session uint64
	life    context.Context // of the session; nil for a request that goes on without it
}

// ask begins a request.
func (r *replica) ask() request {
	r.asked++
	return request{to: r, session: r.id, life: r.life}
}

// within gives a context for the request that ends with the session, too: whoever waits for a replica that has gone silent waits until that is noticed, and
// not until the network notices.
func (q request) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if q.life == nil {
		return context.WithCancel(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(q.life, func() {
		cancel(fmt.Errorf("the session with %s has ended: %w", q.to.server.Address, context.DeadlineExceeded))
	})
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// failed is the error of a request that was made within a context.
func (q request) failed(ctx context.Context, op string, err error) error {
	if cause := context.Cause(ctx); q.life != nil && q.life.Err() != nil && cause != nil {
		err = cause
	}
	return wire.FromError(op, err)
}

// end is called when the answer has been taken over, or will not come.
func (q request) end() {
	if q.to.asked--; q.to.asked == 0 {
		clear(q.to.recent)
	}
}

// ended is end for those who do not hold the mutex.
func (v *Venus) ended(q request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	q.end()
}

// reset begins a new session: numbers begin anew, and what the last one had promised is void.
func (r *replica) reset() {
	r.until, r.breaks, r.behind = time.Time{}, 0, 0
	clear(r.recent)
	clear(r.ahead)
	clear(r.presumed)
	clear(r.rooms)
}

// take notes that a break has been processed. It reports whether what was promised about the object has the change in it already.
func (r *replica) take(f coda.Fid, number uint64) (known bool) {
	r.breaks = number
	close(r.broken)
	r.broken = make(chan struct{})
	if r.asked > 0 {
		r.recent[f] = number
	}
	known = number <= r.ahead[f]
	if number >= r.behind {
		clear(r.ahead)
	}
	return known
}
