package report

import (
	"cmp"
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

	operations *history.Packed
	byWorker   []*clientDigest // by the number of a worker of the whole run
	slowestAt  []int           // the indices of the slowest
}

// clientDigest is what one client did.
type clientDigest struct {
	name    string
	kinds   [history.ReadLink + 1]*tally // of the load; nil where there were none
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
func newDigest(operations *history.Packed, clients []string, load history.Time) *digest {
	d := &digest{load: load, all: newTally(), operations: operations}
	d.meet(clients)
	d.measure()
	count := max(24, min(mostSlices, sliceBudget/max(1, len(d.clients))))
	d.slice = max(1, (d.end-d.begin)/history.Time(count)+1)
	for _, c := range d.clients {
		c.slices = make([]sliceDigest, count)
	}
	for i, row := range operations.Rows() {
		d.add(i, row)
	}
	for _, i := range d.slowestAt {
		d.slowest = append(d.slowest, operations.At(i))
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

// meet finds the client of every worker. The clients of the run come first, in their order.
func (d *digest) meet(clients []string) {
	byName := map[string]*clientDigest{}
	client := func(name string) *clientDigest {
		c, ok := byName[name]
		if !ok {
			c = &clientDigest{name: name}
			d.clients, byName[name] = append(d.clients, c), c
		}
		return c
	}
	for _, name := range clients {
		client(name)
	}
	for worker := range d.operations.Workers() {
		d.byWorker = append(d.byWorker, client(d.operations.Node(uint32(worker))))
	}
}

// measure finds where the record begins and ends, and when the operations of each client did.
func (d *digest) measure() {
	for _, row := range d.operations.Rows() {
		if d.begin == 0 || row.Invoked < d.begin {
			d.begin = row.Invoked
		}
		d.end = max(d.end, row.Invoked, row.Completed)
		if row.Invoked >= d.load {
			c := d.byWorker[row.Worker]
			c.invoked, c.completed = append(c.invoked, row.Invoked), append(c.completed, row.Completed)
		}
	}
	if d.load == 0 {
		d.load = d.begin
	}
}

func (d *digest) add(i int, row *history.Row) {
	c := d.byWorker[row.Worker]
	returned := row.Completed != 0
	if returned {
		c.slices[int((row.Completed-d.begin)/d.slice)].add(row)
	}
	if row.Invoked < d.load {
		return
	}
	if c.kinds[row.Kind] == nil {
		t := newTally()
		c.kinds[row.Kind] = &t
	}
	c.kinds[row.Kind].add(row)
	d.all.add(row)
	switch {
	case !returned && len(d.hung) < mostHung:
		d.hung = append(d.hung, d.operations.At(i))
	case returned:
		d.keepSlowest(i, row)
	}
}

func (s *sliceDigest) add(row *history.Row) {
	switch row.Outcome {
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
	s.longest = max(s.longest, tookRow(row))
	record(s.took, tookRow(row))
}

func (t *tally) add(row *history.Row) {
	switch row.Outcome {
	case history.OK:
		t.ok++
	case history.Failed:
		t.failed++
	default:
		t.unknown++
	}
	if row.Completed == 0 {
		t.hung++
		return
	}
	t.longest = max(t.longest, tookRow(row))
	record(t.took, tookRow(row))
}

func (t *tally) total() uint64 { return t.ok + t.failed + t.unknown }

// quantile is how long the given part of the operations took at most. The longest is known exactly.
func (t *tally) quantile(q float64) time.Duration {
	return min(t.longest, time.Duration(t.took.ValueAtPercentile(q*100))*time.Microsecond)
}

func took(op history.Operation) time.Duration { return time.Duration(op.Completed - op.Invoked) }

func tookRow(row *history.Row) time.Duration { return time.Duration(row.Completed - row.Invoked) }

// record puts a length of time into a histogram, or the nearest that the histogram has.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	// What is in the histogram's range is never refused.
	_ = h.RecordValue(min(max(1, d.Microseconds()), h.HighestTrackableValue()))
}

// keepSlowest puts an operation where it belongs among the slowest, or nowhere.
func (d *digest) keepSlowest(i int, row *history.Row) {
	tookAt := func(i int) time.Duration { return tookRow(d.operations.Row(i)) }
	if len(d.slowestAt) == mostSlowest && tookRow(row) <= tookAt(d.slowestAt[mostSlowest-1]) {
		return
	}
	at, _ := slices.BinarySearchFunc(d.slowestAt, i, func(a, b int) int { return cmp.Compare(tookAt(b), tookAt(a)) })
	d.slowestAt = slices.Insert(d.slowestAt, at, i)
	d.slowestAt = d.slowestAt[:min(len(d.slowestAt), mostSlowest)]
}
