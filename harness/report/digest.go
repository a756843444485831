package report

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/codastress/codastress/harness/history"
)

// A digest is what a report shows of the operations of a run: sums that do not grow with their number.
type digest struct {
	begin, end history.Time // of the record
	load       history.Time // the start of the load: times are told from here
	clients    []*clientDigest
	all        tally               // of the load, all kinds
	slowest    []history.Operation // of the load, those that took longest, the longest first
	hung       []history.Operation // the first of those that never returned
	silence    silence             // the longest of all clients
	slice      history.Time        // how long a slice of the time line is

	byName map[string]*clientDigest
}

// clientDigest is what one client did.
type clientDigest struct {
	name    string
	kinds   map[history.Kind]*tally // of the load
	slices  []sliceDigest
	silence silence

	invoked, completed []history.Time
}

// A sliceDigest is one client in one slice of the time line. Operations count where they returned.
type sliceDigest struct {
	ok, failed, unknown uint64
	took                *hdrhistogram.Histogram // microseconds, nil where nothing returned
	longest             time.Duration
}

// A tally counts operations and how long those took that returned.
type tally struct {
	ok, failed, unknown uint64 // by outcome
	hung                uint64 // never returned; unknown too
	took                *hdrhistogram.Histogram
	longest             time.Duration
}

const (
	mostSlices  = 240
	sliceBudget = 6000 // slices of all clients
	mostSlowest = 20
	mostHung    = 20
)

// newDigest sums up operations in two passes: the time line is cut into slices when its length is known.
func newDigest(operations iter.Seq[history.Operation], clients []string, load history.Time) *digest {
	d := &digest{load: load, all: newTally(), byName: map[string]*clientDigest{}}
	for _, name := range clients {
		d.client(name)
	}
	d.measure(operations)
	count := max(24, min(mostSlices, sliceBudget/max(1, len(d.clients))))
	d.slice = max(1, (d.end-d.begin)/history.Time(count)+1)
	for _, c := range d.clients {
		c.slices = make([]sliceDigest, count)
	}
	for op := range operations {
		d.add(op)
	}
	for _, c := range d.clients {
		c.silence = longestSilence(c.name, c.invoked, c.completed, d.end)
		c.invoked, c.completed = nil, nil
		if c.silence.length() > d.silence.length() {
			d.silence = c.silence
		}
	}
	return d
}

func newTally() tally {
	// Ten minutes at a precision of a hundredth: what takes longer is in the tally's longest.
	return tally{took: hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 2)}
}

func (d *digest) client(name string) *clientDigest {
	c, ok := d.byName[name]
	if !ok {
		c = &clientDigest{name: name, kinds: map[history.Kind]*tally{}}
		d.clients, d.byName[name] = append(d.clients, c), c
	}
	return c
}

// measure finds where the record begins and ends, and which clients there are.
func (d *digest) measure(operations iter.Seq[history.Operation]) {
	for op := range operations {
		if d.begin == 0 || op.Invoked < d.begin {
			d.begin = op.Invoked
		}
		d.end = max(d.end, op.Invoked, op.Completed)
		if c := d.client(op.Node); op.Invoked >= d.load {
			c.invoked, c.completed = append(c.invoked, op.Invoked), append(c.completed, op.Completed)
		}
	}
	if d.load == 0 {
		d.load = d.begin
	}
}

func (d *digest) add(op history.Operation) {
	c := d.client(op.Node)
	returned := op.Completed != 0
	if returned {
		c.slices[int((op.Completed-d.begin)/d.slice)].add(op)
	}
	if op.Invoked < d.load {
		return
	}
	if c.kinds[op.Kind] == nil {
		t := newTally()
		c.kinds[op.Kind] = &t
	}
	c.kinds[op.Kind].add(op)
	d.all.add(op)
	switch {
	case !returned && len(d.hung) < mostHung:
		d.hung = append(d.hung, op)
	case returned:
		d.slowest = keepSlowest(d.slowest, op)
	}
}

func (s *sliceDigest) add(op history.Operation) {
	switch op.Outcome {
	case history.OK:
		s.ok++
	case history.Failed:
		s.failed++
	default:
		s.unknown++
	}
	if s.took == nil {
		s.took = hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 1)
	}
	s.longest = max(s.longest, took(op))
	record(s.took, took(op))
}

func (t *tally) add(op history.Operation) {
	switch op.Outcome {
	case history.OK:
		t.ok++
	case history.Failed:
		t.failed++
	default:
		t.unknown++
	}
	if op.Completed == 0 {
		t.hung++
		return
	}
	t.longest = max(t.longest, took(op))
	record(t.took, took(op))
}

func (t *tally) merge(other *tally) {
	t.ok, t.failed, t.unknown, t.hung = t.ok+other.ok, t.failed+other.failed, t.unknown+other.unknown, t.hung+other.hung
	t.longest = max(t.longest, other.longest)
	t.took.Merge(other.took)
}

func (t *tally) total() uint64 { return t.ok + t.failed + t.unknown }

// quantile is how long the given part of the operations took at most. The longest is known exactly.
func (t *tally) quantile(q float64) time.Duration {
	return min(t.longest, time.Duration(t.took.ValueAtPercentile(q*100))*time.Microsecond)
}

func took(op history.Operation) time.Duration { return time.Duration(op.Completed - op.Invoked) }

// record puts a length of time into a histogram, or the nearest that the histogram has.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	// What is in the histogram's range is never refused.
	_ = h.RecordValue(min(max(1, d.Microseconds()), h.HighestTrackableValue()))
}

// keepSlowest puts an operation where it belongs among the slowest, or nowhere.
func keepSlowest(slowest []history.Operation, op history.Operation) []history.Operation {
	if len(slowest) == mostSlowest && took(op) <= took(slowest[mostSlowest-1]) {
		return slowest
	}
	at, _ := slices.BinarySearchFunc(slowest, op, func(a, b history.Operation) int { return cmp.Compare(took(b), took(a)) })
	slowest = slices.Insert(slowest, at, op)
	return slowest[:min(len(slowest), mostSlowest)]
}
