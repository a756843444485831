package history

import (
	"io/fs"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

const (
	chunkSize = 32 << 10               // a chunk is emitted when it has so many bytes
	chunkAge  = 100 * time.Millisecond // or is so old
)

// A Recorder records what one node does, at well below a microsecond an operation, and emits it as chunks that Writer.Append takes. It
// has a goroutine of its own, which Close ends.
//
// A completed operation is in a chunk that is emitted within a tenth of a second. An operation that is still pending when a chunk is emitted
// is announced in it, so that the history has it although its node may be lost.
type Recorder struct {
	clock clock
	emit  func(chunk []byte)
	node  string
	wake  chan struct{}
	stop  chan struct{}
	done  chan struct{}

	emitting sync.Mutex // held while chunks are emitted, in their order

	mu      sync.Mutex // guards what follows
	chunk   *chunkWriter
	sealed  [][]byte
	workers []*Worker
	number  uint64
	closed  bool
}

// NewRecorder begins to record what the node does. Emit is called with one chunk after the other, never twice at the same time, and
// owns what it is given; while it blocks, chunks are kept in memory.
func NewRecorder(node string, emit func(chunk []byte)) *Recorder {
	r := &Recorder{
		clock: newClock(), emit: emit, node: node, chunk: newChunkWriter(node, rand.Uint64()),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go r.own()
	return r
}

func (r *Recorder) own() {
	defer close(r.done)
	ticker := time.NewTicker(chunkAge)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.Flush()
		case <-r.wake:
			r.emitSealed()
		case <-r.stop:
			return
		}
	}
}

// Worker adds a worker to the node. Its operations must not overlap.
func (r *Recorder) Worker() *Worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &Worker{r: r, number: uint32(len(r.workers) + 1)}
	w.pending.w = w
	r.workers = append(r.workers, w)
	return w
}

// Pending returns the operations that were begun and have not ended, for who watches for hangs.
func (r *Recorder) Pending() []Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	var pending []Operation
	for _, w := range r.workers {
		if w.state == busy {
			pending = append(pending, w.pending.op)
		}
	}
	return pending
}

// Flush emits everything that was recorded and announces what is pending, and returns when it is emitted.
func (r *Recorder) Flush() {
	r.mu.Lock()
	if !r.closed {
		r.announce()
		if r.chunk.records > 0 {
			r.sealed = append(r.sealed, r.chunk.seal(false))
		}
	}
	r.mu.Unlock()
	r.emitSealed()
}

// Close flushes, marks the record as complete and ends the recorder. What ends later is not recorded any more. A recording that was not
// closed counts as broken off.
func (r *Recorder) Close() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		<-r.done
		return
	}
	r.closed = true
	r.announce()
	r.sealed = append(r.sealed, r.chunk.seal(true))
	r.mu.Unlock()
	close(r.stop)
	<-r.done
	r.emitSealed()
}

// announce records what is pending and was not announced before. r.mu is held.
func (r *Recorder) announce() {
	for _, w := range r.workers {
		if w.state == busy && !w.pending.announced {
			w.pending.announced = true
			r.chunk.add(&w.pending.op, true)
		}
	}
}

func (r *Recorder) emitSealed() {
	r.emitting.Lock()
	defer r.emitting.Unlock()
	r.mu.Lock()
	sealed := r.sealed
	r.sealed = nil
	r.mu.Unlock()
	for _, chunk := range sealed {
		r.emit(chunk)
	}
}

// add records a completed operation. r.mu is held.
func (r *Recorder) add(op *Operation) {
	if r.closed {
		return
	}
	r.chunk.add(op, false)
	if len(r.chunk.buf) >= chunkSize {
		r.sealed = append(r.sealed, r.chunk.seal(false))
		select {
		case r.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

// A Worker does one operation after the other.
type Worker struct {
	r       *Recorder
	number  uint32
	state   workerState
	pending Pending
}

type workerState uint8

const (
	idle workerState = iota
	busy
	abandoned
)

// Number is the worker's number on its node, as in Operation.Worker.
func (w *Worker) Number() uint32 { return w.number }

// Begin records that an operation begins. The operation before must have ended, and none may have been abandoned: a call that never
// returned still holds the worker.
func (w *Worker) Begin(kind Kind, path, target string) *Pending {
	r, p := w.r, &w.pending
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.state != idle {
		panic("history: Begin on a worker whose last operation has not ended")
	}
	w.state = busy
	r.number++
	p.announced = false
	p.op = Operation{Node: r.node, Worker: w.number, Number: r.number, Kind: kind, Path: path, Target: target, Invoked: r.clock.now()}
	return p
}

// Pending is an operation that was begun.
type Pending struct {
	w         *Worker
	op        Operation
	announced bool
}

// Number is the operation's number, for the header of a content.
func (p *Pending) Number() uint64 { return p.op.Number }

// Writes says what a Write is about to write. It must be called before the write is: otherwise nobody knows where the content comes from
// when the write is abandoned, or the node is lost. The time of the operation begins anew here, so that making a content does not count.
func (p *Pending) Writes(header Header) {
	r := p.w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	p.op.Content, p.op.Parents, p.op.Length = header.Nonce, header.Parents, header.Length
	p.op.Invoked = r.clock.now()
}

// An End is how an operation ended: the fields of Operation by the same names.
type End struct {
	Outcome Outcome
	Errno   syscall.Errno
	HTTP    uint16
	Content Nonce   // zero for what Writes said
	Parents []Nonce // nil for what Writes said
	Length  int64   // zero for what Writes said
	Problem string
	Synced  bool
	Target  string // "" for what Begin said
	Mode    fs.FileMode
	Entries []string
}

// End records that the operation returned. It does nothing after Abandon: a call that returns late is not known to have been one.
func (p *Pending) End(end End) {
	r := p.w.r
	completed := r.clock.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.w.state != busy {
		return
	}
	p.w.state = idle
	op := &p.op
	op.Completed, op.Outcome, op.Errno, op.HTTP, op.Problem, op.Synced = completed, end.Outcome, end.Errno, end.HTTP, end.Problem, end.Synced
	op.Mode, op.Entries = end.Mode, end.Entries
	if end.Target != "" {
		op.Target = end.Target
	}
	if !end.Content.IsZero() {
		op.Content = end.Content
	}
	if end.Parents != nil {
		op.Parents = end.Parents
	}
	if end.Length != 0 {
		op.Length = end.Length
	}
	r.add(op)
}

// Abandon records that the operation did not return in its time: it may have an effect now or later. The worker must not be used any
// more.
func (p *Pending) Abandon(errno syscall.Errno) {
	r := p.w.r
	now := r.clock.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.w.state != busy {
		return
	}
	p.w.state = abandoned
	p.op.Outcome, p.op.Errno, p.op.Abandoned = Indeterminate, errno, now
	r.add(&p.op)
}
