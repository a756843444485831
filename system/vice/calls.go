package vice

import (
	"context"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// calls knows the requests that are being served, bounds them, and waits for them at the end.
type calls struct {
	limit time.Duration

	mu      sync.Mutex
	closing bool
	live    map[*call]bool
	served  map[string]uint64 // calls so far, by the full names of their methods
	running sync.WaitGroup
}

// call is a request that is being served.
type call struct {
	method    string
	operation string
	peer      string
	started   time.Time

	mu     sync.Mutex
	object string
	waits  string
}

// report is what the state text says about a call.
type report struct {
	operation, peer, object, waits string
	age                            time.Duration
}

func newCalls(limit time.Duration) *calls {
	return &calls{limit: limit, live: map[*call]bool{}, served: map[string]uint64{}}
}

type callKey struct{}

// about notes which object the call of ctx is about.
func about(ctx context.Context, object fmt.Stringer) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.mu.Lock()
		c.object = object.String()
		c.mu.Unlock()
	}
}

// waiting notes what the call of ctx waits for; "" for nothing.
func waiting(ctx context.Context, what string) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.mu.Lock()
		c.waits = what
		c.mu.Unlock()
	}
}

// enter notes a new call. The function it returns ends the call.
func (c *calls) enter(ctx context.Context, method string) (context.Context, func(), error) {
	l := &call{method: method, operation: path.Base(method), started: time.Now()}
	if p, ok := peer.FromContext(ctx); ok {
		l.peer = p.Addr.String()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil, nil, coda.Errorf(l.operation, coda.Closed, "the server is stopping")
	}
	c.live[l] = true
	c.served[method]++
	c.running.Add(1)
	return context.WithValue(ctx, callKey{}, l), func() {
		c.mu.Lock()
		delete(c.live, l)
		c.mu.Unlock()
		c.running.Done()
	}, nil
}

// close refuses further calls.
func (c *calls) close() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
}

// reports describes the calls that are being served, the oldest first.
func (c *calls) reports() []report {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]report, 0, len(c.live))
	for l := range c.live {
		l.mu.Lock()
		list = append(list, report{l.operation, l.peer, l.object, l.waits, time.Since(l.started)})
		l.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b report) int { return int(b.age - a.age) })
	return list
}

func (c *calls) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, leave, err := c.enter(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	return handler(ctx, req)
}

// stream bounds a streaming request. A stream that is blocked on its peer can be got out of only by ending it, which gRPC does when this
// function returns; so the handler runs beside it and is left behind when its time is over, to fail on its stream at once.
// The Callbacks stream has no bound of its own: it lives as long as its session.
func (c *calls) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, leave, err := c.enter(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if info.FullMethod == vicepb.Vice_Callbacks_FullMethodName {
		defer leave()
		return handler(srv, &boundStream{stream, ctx})
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	done := make(chan error, 1)
	go func() {
		defer leave()
		defer cancel()
		done <- handler(srv, &boundStream{stream, ctx})
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select {
		case err := <-done: // it ended by itself, and cancelled the context
			return err
		default:
			return coda.Errorf(path.Base(info.FullMethod), coda.TimedOut, "%w", context.Cause(ctx))
		}
	}
}

// boundStream is a stream with a context of its own.
type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *boundStream) Context() context.Context { return s.ctx }
