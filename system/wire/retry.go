package wire

import (
	"context"
	"time"

	"google.golang.org/grpc/stats"
)

// retryPause is how long an attempt waits that gRPC makes because the one before found the connection closed.
const retryPause = time.Millisecond

// patientRetries has gRPC's transparent retries wait. Between the moment when a connection's writer finds it broken and that when its reader does, gRPC
// makes one attempt after the other on the same connection, without ever waiting: the processor is busy with that, and where one goroutine runs at
// a time, as in a simulation, the reader never has its turn.
type patientRetries struct{}

var _ stats.Handler = patientRetries{}

// TagRPC implements stats.Handler.
func (patientRetries) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (patientRetries) HandleRPC(ctx context.Context, s stats.RPCStats) {
	begin, ok := s.(*stats.Begin)
	if !ok || !begin.IsTransparentRetryAttempt {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(retryPause):
	}
}

// TagConn implements stats.Handler.
func (patientRetries) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (patientRetries) HandleConn(context.Context, stats.ConnStats) {}
