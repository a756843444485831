package venus

import (
	"context"

	"github.com/codastress/codastress/system/coda"
)

// policies are the ways of doing what Coda has done differently over the years. Each is an interface with a type for each way; docs/profiles.md
// describes them.
type policies struct {
	admission admission
}

func policiesOf(Config) policies {
	return policies{admission: immediate{}}
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
}

// immediate is the admission of today: nothing waits but for what it needs itself.
type immediate struct{}

func (immediate) begin(ctx context.Context, _ *call) (context.Context, error) { return ctx, nil }

func (immediate) end(*call) {}

func (immediate) closes() bool { return false }

// upcall is enter for an operation that an application waits for, once the policies let it in. The context is the one to wait under. It must be
// matched by leave, unless there is an error.
func (v *Venus) upcall(ctx context.Context, op string, f coda.Fid, name string, m mode) (context.Context, *call, error) {
	c := v.enter(op, f, name)
	c.mode = m
	inner, err := v.policies.admission.begin(ctx, c)
	if err != nil {
		c.leave()
		return ctx, nil, err
	}
	c.admitted = v.policies.admission
	return inner, c, nil
}
