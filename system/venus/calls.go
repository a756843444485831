package venus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// calls knows every operation that is under way, for those who look for a hang, and lets Close wait for them.
type calls struct {
	mu      sync.Mutex
	all     map[*call]struct{}
	drained chan struct{} // closed when all becomes empty while somebody waits
}

// call is one operation that is under way.
type call struct {
	calls    *calls
	limit    time.Duration
	op       string
	fid      coda.Fid
	name     string // of an entry in fid, "" for none
	mode     mode
	start    time.Time
	admitted admission   // that let it in, nil for none
	entered  transitions // of the volume that it is in, nil for none
	upcall   bool        // an application waits for it, and it is for the local user
	uid      uint32      // who that is
	repairs  bool        // it works on what is in conflict, and sees the server's version of it
	mounts   bool        // it makes or removes a mount link
	waits    string      // what it waits for; guarded by calls.mu
}

func newCalls() *calls { return &calls{all: map[*call]struct{}{}} }

// enter notes the beginning of an operation. It must be matched by leave.
func (v *Venus) enter(op string, f coda.Fid, name string) *call {
	c := &call{calls: v.calls, limit: v.cfg.Timing.Call, op: op, fid: f, name: name, start: time.Now()}
	v.calls.mu.Lock()
	v.calls.all[c] = struct{}{}
	v.calls.mu.Unlock()
	return c
}

func (c *call) leave() {
	if c.entered != nil {
		c.entered.exit()
	}
	if c.admitted != nil {
		c.admitted.end(c)
	}
	c.calls.mu.Lock()
	delete(c.calls.all, c)
	if c.calls.drained != nil && len(c.calls.all) == 0 {
		close(c.calls.drained)
		c.calls.drained = nil
	}
	c.calls.mu.Unlock()
}

// wait returns when no operation is under way.
func (c *calls) wait() {
	c.mu.Lock()
	if len(c.all) == 0 {
		c.mu.Unlock()
		return
	}
	if c.drained == nil {
		c.drained = make(chan struct{})
	}
	drained := c.drained
	c.mu.Unlock()
	<-drained
}

// String names the operation and what it is on.
func (c *call) String() string {
	s := c.op + " " + c.fid.String()
	if c.name != "" {
		s += fmt.Sprintf(" %q", c.name)
	}
	return s
}

// object names what the operation is on.
func (c *call) object() string {
	if c.name == "" {
		return c.fid.String()
	}
	return fmt.Sprintf("%v %q", c.fid, c.name)
}

// fail makes an error of the operation.
func (c *call) fail(kind coda.ErrorKind, format string, args ...any) error {
	return coda.Errorf(c.String(), kind, format, args...)
}

// wrap gives an error of something below the operation's name.
func (c *call) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &coda.Error{Op: c.String(), Kind: coda.KindOf(err), Err: err}
}

func (c *call) waiting(what string) {
	c.calls.mu.Lock()
	c.waits = what
	c.calls.mu.Unlock()
}

// wait waits until the channel is closed, the context ends or the operation has taken as long as any may.
func (c *call) wait(ctx context.Context, on <-chan struct{}, what string) error {
	return c.waitAny(ctx, on, nil, nil, what)
}

// waitAny is wait for whichever of two channels is closed first, or until enough fires, which is no error.
func (c *call) waitAny(ctx context.Context, on, or <-chan struct{}, enough <-chan time.Time, what string) error {
	select {
	case <-on:
		return nil
	default:
	}
	c.waiting(what)
	defer c.waiting("")
	limit := time.NewTimer(c.limit - time.Since(c.start))
	defer limit.Stop()
	select {
	case <-on:
		return nil
	case <-or:
		return nil
	case <-enough:
		return nil
	case <-ctx.Done():
		return c.gaveUp(ctx, what)
	case <-limit.C:
		return c.fail(coda.TimedOut, "waiting for %s: %w", what, context.DeadlineExceeded)
	}
}

// overdue reports whether the operation has taken as long as any may.
func (c *call) overdue() bool { return time.Since(c.start) >= c.limit }

// late reports whether an operation that waits for nothing must not go on. A signal is no reason: programs do not expect that of what a local file
// system would do.
func (c *call) late(ctx context.Context) bool {
	return c.overdue() || errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// callInfo is a copy of a call for a report.
type callInfo struct {
	op, object, waits string
	age               time.Duration
}

// snapshot lists the operations under way, oldest first.
func (c *calls) snapshot() []callInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]callInfo, 0, len(c.all))
	for k := range c.all {
		list = append(list, callInfo{op: k.op, object: k.object(), waits: k.waits, age: time.Since(k.start)})
	}
	slices.SortFunc(list, func(a, b callInfo) int { return cmp.Compare(b.age, a.age) })
	return list
}

// waitLong waits until one of two channels is closed or the context ends: only the caller bounds it.
func (c *call) waitLong(ctx context.Context, one, other <-chan struct{}, what string) error {
	c.waiting(what)
	defer c.waiting("")
	select {
	case <-one:
		return nil
	case <-other:
		return nil
	case <-ctx.Done():
		return c.gaveUp(ctx, what)
	}
}

// waitUnbounded waits for a channel until the context ends or venus stops. Nothing else bounds an operation in the historical ways.
func waitUnbounded[T any](ctx, life context.Context, c *call, on <-chan T, what string) error {
	c.waiting(what)
	defer c.waiting("")
	select {
	case <-on:
		return nil
	case <-ctx.Done():
		return c.gaveUp(ctx, what)
	case <-life.Done():
		return c.fail(coda.Closed, "venus is stopping")
	}
}

// gaveUp is the error of an operation whose caller did not wait any longer.
func (c *call) gaveUp(ctx context.Context, what string) error {
	return &coda.Error{Op: c.String(), Kind: coda.TimedOut, Err: fmt.Errorf("waiting for %s: %w", what, ctx.Err())}
}
