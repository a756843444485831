package venus

import (
	"context"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/stats"

	"github.com/codastress/codastress/system/wire/vicepb"
)

// Counters are what a venus has asked of the servers since it was started, and what it has refused instead.
type Counters struct {
	Requests    uint64 // of every kind
	Resolutions uint64 // requests to make one thing of what replicas differ in
	Fetched     uint64 // bytes that answers to fetches had: contents and directories
	OverQuota   uint64 // changes that were refused here, since their volumes have no room for them
}

// Counters says what this venus has asked of the servers since it was started.
func (v *Venus) Counters() Counters {
	t := v.group.tally
	return Counters{
		Requests: t.requests.Load(), Resolutions: t.resolutions.Load(), Fetched: t.fetched.Load(), OverQuota: v.policies.quotas.refused(),
	}
}

// tally counts what is asked of servers, below gRPC's retries.
type tally struct{ requests, resolutions, fetched atomic.Uint64 }

var _ stats.Handler = (*tally)(nil)

// fetching marks the context of a fetch.
type fetching struct{}

// TagRPC implements stats.Handler.
func (t *tally) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	switch strings.TrimPrefix(info.FullMethodName, "/"+vicepb.Vice_ServiceDesc.ServiceName+"/") {
	case "Fetch":
		return context.WithValue(ctx, fetching{}, true)
	case "Resolve":
		t.resolutions.Add(1)
	}
	return ctx
}

// HandleRPC implements stats.Handler.
func (t *tally) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s := s.(type) {
	case *stats.Begin:
		t.requests.Add(1)
	case *stats.InPayload:
		if ctx.Value(fetching{}) != nil {
			t.fetched.Add(uint64(s.Length))
		}
	}
}

// TagConn implements stats.Handler.
func (*tally) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (*tally) HandleConn(context.Context, stats.ConnStats) {}
