package history

import (
	"fmt"
	"maps"
	"slices"
)

// A loader packs the chunks of all recorders, and sees what of their records is missing.
type loader struct {
	packed    *Packed
	recorders map[recorderID]*recorderState
	order     []*recorderState
	taken     map[workerOf]bool // numbers of workers that a recorder has
	most      map[uint32]uint32 // the highest number of a worker of each node
	reader    chunkReader
}

type recorderID struct {
	node string
	id   uint64
}

// recorderState is what came of one recorder so far.
type recorderState struct {
	recorderID
	node    uint32
	next    uint64 // the place of the chunk that should come next
	missing uint64
	closed  bool
	workers []uint32          // of the run, by the recorder's number; 0 where it is not known, else one more
	pending map[uint32]record // by the recorder's number: announced and not completed
}

func newLoader() *loader {
	l := &loader{
		packed: newPacked(), recorders: map[recorderID]*recorderState{}, taken: map[workerOf]bool{}, most: map[uint32]uint32{},
	}
	l.reader.names = l.packed
	return l
}

// mostWorkers bounds the numbers of workers of one recorder: more are a sign of a damaged chunk.
const mostWorkers = 1 << 20

// add packs one chunk. What stands before the damage of a damaged one stays.
func (l *loader) add(chunk []byte) error {
	r := &l.reader
	if err := r.open(chunk); err != nil {
		return err
	}
	state := l.state(recorderID{r.node, r.recorder})
	if r.sequence < state.next {
		return nil // it came before
	}
	state.missing += r.sequence - state.next
	state.next = r.sequence + 1
	state.closed = state.closed || r.last
	var next record
	for r.next(&next) {
		if next.worker >= mostWorkers {
			return damaged("it has a worker with the number %d", next.worker)
		}
		l.addRecord(state, &next)
	}
	return r.err
}

func (l *loader) state(id recorderID) *recorderState {
	state, ok := l.recorders[id]
	if !ok {
		state = &recorderState{recorderID: id, node: l.packed.internString([]byte(id.node)), pending: map[uint32]record{}}
		l.recorders[id] = state
		l.order = append(l.order, state)
	}
	return state
}

func (l *loader) addRecord(state *recorderState, r *record) {
	for int(r.worker) >= len(state.workers) {
		state.workers = append(state.workers, 0)
	}
	if r.announced {
		waiting := *r
		waiting.parents = slices.Clone(r.parents)
		state.pending[r.worker] = waiting
		return
	}
	if len(state.pending) > 0 && state.pending[r.worker].number == r.number {
		delete(state.pending, r.worker)
	}
	l.packed.add(r, l.worker(state, r.worker))
}

// worker finds the number in the run of a recorder's worker. Several recorders of one node may use the same numbers: the later one's get
// others, since operations of one worker must not overlap.
func (l *loader) worker(state *recorderState, number uint32) uint32 {
	if known := state.workers[number]; known != 0 {
		return known - 1
	}
	worker := workerOf{state.node, number}
	if l.taken[worker] {
		worker.number = l.most[state.node] + 1
	}
	l.taken[worker] = true
	l.most[state.node] = max(l.most[state.node], worker.number)
	n := l.packed.addWorker(worker)
	state.workers[number] = n + 1
	return n
}

// finish adds what was announced and never completed, and says what is missing.
func (l *loader) finish() (*Packed, []string) {
	var missing []string
	for _, state := range l.order {
		for _, number := range slices.Sorted(maps.Keys(state.pending)) {
			r := state.pending[number]
			r.outcome, r.completed = Indeterminate, 0
			l.packed.add(&r, l.worker(state, number))
		}
		if state.missing > 0 {
			missing = append(missing, fmt.Sprintf("%d chunks of operations of %s are missing", state.missing, state.recorderID.node))
		}
		if !state.closed {
			missing = append(missing, fmt.Sprintf("the record of operations of %s breaks off", state.recorderID.node))
		}
	}
	return l.packed, missing
}

// Chunks unpacks the operations of some chunks, as a stored run would have them. An error names the first chunk that is damaged; what
// stands before it is returned.
func Chunks(chunks ...[]byte) (*Packed, error) {
	l := newLoader()
	for i, chunk := range chunks {
		if err := l.add(chunk); err != nil {
			packed, _ := l.finish()
			return packed, fmt.Errorf("chunk %d: %w", i, err)
		}
	}
	packed, _ := l.finish()
	return packed, nil
}
