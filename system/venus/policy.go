package venus

import (
	"context"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// policies are the ways of doing what Coda has done differently over the years. Each is an interface with a type for each way; docs/profiles.md
// describes them.
type policies struct {
	admission   admission
	zones       zones
	transitions transitions
	tokens      tokens
	updates     updates
	directories directories
	batching    batching
	retrying    retrying
	quotas      quotas
}

// policiesOf are the policies of a profile, for a venus whose life is the context.
func policiesOf(life context.Context, v *Venus) policies {
	cfg := v.cfg
	modern := policies{
		admission: immediate{}, zones: boundless{}, transitions: following{new(volumeState)}, tokens: tokensOf(v),
		updates: logged{v}, directories: updated{}, batching: streamed{v}, retrying: soon{cfg.Timing.Retry},
		quotas: &foreseen{v: v},
	}
	if !cfg.Profile.Historical() {
		return modern
	}
	historical := policies{
		admission:   &workers{limit: cfg.Limits.Workers, log: cfg.Log, life: life},
		zones:       &zoned{v: v, life: life},
		transitions: newEmptying(life, v),
		tokens:      tokensOf(v),
		updates:     logged{v},
		directories: fetchedAgain{},
		batching:    &trickled{v: v},
		retrying:    stubborn{soon{cfg.Timing.Retry}, cfg.Timing, cfg.Limits, cfg.Log},
		quotas:      unforeseen{},
	}
	if cfg.Profile == coda.Coda61 {
		historical.updates = connected{v}
	}
	return historical
}

// mode says what an operation may do to the volume.
type mode int

const (
	observing mode = iota
	mutating
)

// admission decides when an operation that an application waits for may begin.
type admission interface {
	// begin returns when the operation may begin, with the context under which it may wait for what it needs, or with an error where it is
	// not to begin any more. It must be matched by end.
	begin(ctx context.Context, c *call) (context.Context, error)
	end(c *call)
	// closes reports whether the close of a file that was only read is such an operation, too. It needs nothing but memory.
	closes() bool
	state() Queue
}

// Queue says how operations wait to be let in.
type Queue struct {
	Workers int           // the most operations that are under way at a time; 0: none waits to be let in
	Made    int           // workers that were needed so far
	Busy    int           // workers that have an operation
	Length  int           // operations that wait for a worker
	Oldest  time.Duration // how long the first of them has been waiting
}

// Queue says how operations wait to be let in.
func (v *Venus) Queue() Queue { return v.policies.admission.state() }

// immediate is the admission of today: nothing waits but for what it needs itself.
type immediate struct{}

func (immediate) begin(ctx context.Context, _ *call) (context.Context, error) { return ctx, nil }

func (immediate) end(*call) {}

func (immediate) closes() bool { return false }

func (immediate) state() Queue { return Queue{} }

// upcall is enter for an operation that an application waits for, once the policies let it in. The context is the one to wait under. It must be
// matched by leave, unless there is an error.
func (v *Venus) upcall(ctx context.Context, op string, f coda.Fid, name string, m mode) (context.Context, *call, error) {
	c := v.enter(op, f, name)
	c.mode, c.upcall = m, true
	if len(v.users.list()) > 0 {
		c.uid = UIDOf(ctx)
	}
	inner, err := v.policies.admission.begin(ctx, c)
	if err != nil {
		c.leave()
		return ctx, nil, err
	}
	c.admitted = v.policies.admission
	// Who waits for the volume can be interrupted although he has a worker.
	if m == mutating {
		err = v.policies.zones.wait(ctx, c)
	}
	if err == nil {
		err = v.policies.transitions.enter(ctx, c)
	}
	if err != nil {
		c.leave()
		return ctx, nil, err
	}
	c.entered = v.policies.transitions
	return inner, c, nil
}
