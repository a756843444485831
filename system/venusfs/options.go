package venusfs

import (
	"log/slog"
	"time"
)

// Options say how to mount. Zero fields stand for the defaults.
type Options struct {
	Log  *slog.Logger // default: discard
	Name string       // shown by mount(8) as the source and after "fuse." ("codastress")

	// AttributeTimeout is how long the kernel believes attributes when no notice of a change comes through (1 s; negative: not at all). EntryTimeout is
	// how long it believes names, of which it gets no notices (250 ms; negative: not at all). They must stay below the lease.
	AttributeTimeout time.Duration
	EntryTimeout     time.Duration

	CallTimeout time.Duration // longest that a request takes (60 s)
	Grace       time.Duration // how long Unmount leaves open files to their processes before it takes them away (3 s)

	DirectMount   bool // do not fall back to fusermount3 where mount(2) is not allowed
	Fusermount    bool // have fusermount3 mount even where mount(2) is allowed
	NoPassthrough bool // have venusfs read and write even where the kernel could do it by itself
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Name == "" {
		o.Name = "codastress"
	}
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.AttributeTimeout, time.Second},
		{&o.EntryTimeout, 250 * time.Millisecond},
		{&o.CallTimeout, time.Minute},
		{&o.Grace, 3 * time.Second},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
		*f.field = max(*f.field, 0)
	}
	return o
}
