package vice

import (
	"context"
	"fmt"
	"strings"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// policies are the ways of doing what Coda has done differently over the years. Each is an interface with a type for each way; docs/profiles.md
// describes them.
type policies struct {
	locking  locking
	breaking breaking
}

// policiesOf are the policies of the server's profile.
func policiesOf(s *Server) policies {
	if s.cfg.Profile.Historical() {
		return policies{
			locking:  newVolumeLock(s.writer),
			breaking: &patient{promises: s.promises, death: s.cfg.Timing.Death, silence: s.cfg.Timing.Silence, log: s.cfg.Log, stopping: s.stopping},
		}
	}
	return policies{locking: fair{s.writer}, breaking: queueing{s.promises}}
}

// locking decides who may change the volume, and who may read what is being changed.
type locking interface {
	// write waits until a batch may be applied, or refuses it with coda.Busy. The function it returns ends that.
	write(ctx context.Context, batch wire.Batch, records []coda.Record) (unlock func(), err error)
	// read waits until an object may be read. Nobody changes it until the function that it returns has been called.
	read(ctx context.Context, f coda.Fid) (unlock func(), err error)
	describe(b *strings.Builder)
}

// breaking decides how those hear of a change who were promised to.
type breaking interface {
	// before is called when a transaction has been worked out, and before it is committed.
	before(ctx context.Context, t *transaction, own uint64) error
	// left is called when a session that was open has no stream any more.
	left(s *session)
	// acknowledged reports whether clients are to acknowledge breaks.
	acknowledged() bool
}

// fair is the locking of today. Whoever changes something takes a turn, in order, and readers read the last commit, which nobody changes.
type fair struct{ turn *turn }

func (f fair) write(ctx context.Context, batch wire.Batch, records []coda.Record) (func(), error) {
	if err := f.turn.take(ctx, holderOf(batch, records)); err != nil {
		return nil, err
	}
	return f.turn.give, nil
}

// holderOf names who changes something, for those who look for a hang.
func holderOf(batch wire.Batch, records []coda.Record) string {
	return fmt.Sprintf("a batch of %d records of client %v", len(records), batch.Client)
}

func (fair) read(context.Context, coda.Fid) (func(), error) { return nothing, nil }

func (fair) describe(*strings.Builder) {}

func nothing() {}

// queueing is the breaking of today: each session has a queue of its own, which is filled when the change is published, and nobody waits.
type queueing struct{ promises *promises }

func (queueing) before(context.Context, *transaction, uint64) error { return nil }

func (q queueing) left(s *session) { q.promises.close(s) }

func (queueing) acknowledged() bool { return false }
