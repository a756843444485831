package venusfs

import (
	"log/slog"
	"time"
)

// Options say how to mount. Zero fields stand for the defaults.
type Options struct {
	Log  *slog.Logger // default: discard
	Name string       // shown by mount(8) as the source and after "fuse." ("codastress")

	// AttributeTimeout and EntryTimeout bound how long the kernel believes attributes and names without being told anything (1 s each).
	// They are the staleness when notices to the kernel are late or lost, and must stay below the lease.
	AttributeTimeout time.Duration
	EntryTimeout     time.Duration

	CallTimeout time.Duration // longest that a request takes (60 s)
	Grace       time.Duration // how long Unmount leaves open files to their processes before it takes them away (3 s)

	DirectMount   bool // do not fall back to fusermount3 where mount(2) is not allowed
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
		{&o.EntryTimeout, time.Second},
		{&o.CallTimeout, time.Minute},
		{&o.Grace, 3 * time.Second},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return o
}
