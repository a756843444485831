package history

import (
	"io/fs"
	"iter"
	"math"
	"slices"
	"syscall"
)

// Packed holds the operations of a run in a few dozen bytes each: paths and nonces are interned, so that equal ones have equal numbers
// from 0 on, which checks use as indices. Number 0 is the empty path and the zero nonce. A nil *Packed is empty.
type Packed struct {
	blocks  [][]Row // each but the last has blockSize rows
	strings []string
	nonces  []Nonce
	workers []workerOf
	parents []uint32
	entries []uint32
	extras  []extraRow

	stringNumbers map[string]uint32
	nonceNumbers  map[Nonce]uint32
}

// A Row is one operation of a Packed: what most checks look at. The rest is to be had from Operation, Target, Parents and Problem.
type Row struct {
	Invoked   Time
	Completed Time // zero while it never returned
	Length    int64
	Number    uint64
	Worker    uint32 // the number of a worker of the whole run, see Packed.Node
	Path      uint32
	Content   uint32
	extra     uint32 // the number of its extraRow
	HTTP      uint16
	Errno     uint16
	Kind      Kind
	Outcome   Outcome
	Synced    bool
}

// workerOf is a worker of the whole run.
type workerOf struct {
	node   uint32 // a string
	number uint32 // on that node
}

// extraRow is what few operations have. The first is empty.
type extraRow struct {
	target, problem        uint32
	firstParent, lastAfter uint32
	firstEntry, entries    uint32
	mode                   uint32
	abandoned              Time
}

const blockSize = 1 << 14

// Pack packs operations, in their order.
func Pack(operations []Operation) *Packed { return PackAll(slices.Values(operations)) }

// PackAll packs operations as they come, for more of them than there is memory for when they are not packed.
func PackAll(operations iter.Seq[Operation]) *Packed {
	p := newPacked()
	workers := map[workerOf]uint32{}
	for op := range operations {
		worker := workerOf{p.internString([]byte(op.Node)), op.Worker}
		number, ok := workers[worker]
		if !ok {
			number = p.addWorker(worker)
			workers[worker] = number
		}
		r := record{
			kind: op.Kind, outcome: op.Outcome, synced: op.Synced, number: op.Number, invoked: op.Invoked, completed: op.Completed,
			abandoned: op.Abandoned,
			path:      p.internString([]byte(op.Path)), target: p.internString([]byte(op.Target)), problem: p.internString([]byte(op.Problem)),
			content: p.internNonce(op.Content), length: op.Length, errno: op.Errno, http: op.HTTP, mode: uint32(op.Mode),
		}
		for _, parent := range op.Parents {
			r.parents = append(r.parents, p.internNonce(parent))
		}
		for _, entry := range op.Entries {
			r.entries = append(r.entries, p.internString([]byte(entry)))
		}
		p.add(&r, number)
	}
	return p
}

func newPacked() *Packed {
	return &Packed{
		strings: []string{""}, nonces: []Nonce{{}}, extras: []extraRow{{}},
		stringNumbers: map[string]uint32{"": 0}, nonceNumbers: map[Nonce]uint32{{}: 0},
	}
}

func (p *Packed) internString(s []byte) uint32 {
	n, ok := p.stringNumbers[string(s)]
	if !ok {
		n = uint32(len(p.strings))
		text := string(s)
		p.strings = append(p.strings, text)
		p.stringNumbers[text] = n
	}
	return n
}

func (p *Packed) internNonce(nonce Nonce) uint32 {
	n, ok := p.nonceNumbers[nonce]
	if !ok {
		n = uint32(len(p.nonces))
		p.nonces = append(p.nonces, nonce)
		p.nonceNumbers[nonce] = n
	}
	return n
}

func (p *Packed) addWorker(w workerOf) uint32 {
	p.workers = append(p.workers, w)
	return uint32(len(p.workers) - 1)
}

func (p *Packed) add(r *record, worker uint32) {
	row := Row{
		Invoked: r.invoked, Completed: r.completed, Length: r.length, Number: r.number, Worker: worker, Path: r.path, Content: r.content,
		HTTP: r.http, Errno: uint16(min(r.errno, math.MaxUint16)), Kind: r.kind, Outcome: r.outcome, Synced: r.synced,
	}
	if r.target != 0 || r.problem != 0 || r.abandoned != 0 || len(r.parents) > 0 || len(r.entries) > 0 || r.mode != 0 {
		row.extra = uint32(len(p.extras))
		first := uint32(len(p.parents))
		p.parents = append(p.parents, r.parents...)
		p.extras = append(p.extras, extraRow{
			target: r.target, problem: r.problem, firstParent: first, lastAfter: uint32(len(p.parents)),
			firstEntry: uint32(len(p.entries)), entries: uint32(len(r.entries)), mode: r.mode, abandoned: r.abandoned,
		})
		p.entries = append(p.entries, r.entries...)
	}
	if n := len(p.blocks); n == 0 || len(p.blocks[n-1]) == blockSize {
		p.blocks = append(p.blocks, make([]Row, 0, blockSize))
	}
	last := &p.blocks[len(p.blocks)-1]
	*last = append(*last, row)
}

// Len is the number of operations.
func (p *Packed) Len() int {
	if p == nil || len(p.blocks) == 0 {
		return 0
	}
	return (len(p.blocks)-1)*blockSize + len(p.blocks[len(p.blocks)-1])
}

// Row is one operation, from 0 to Len()-1. It must not be changed.
func (p *Packed) Row(i int) *Row { return &p.blocks[i/blockSize][i%blockSize] }

// Rows are all operations with their indices.
func (p *Packed) Rows() iter.Seq2[int, *Row] {
	return func(yield func(int, *Row) bool) {
		if p == nil {
			return
		}
		for b, block := range p.blocks {
			for i := range block {
				if !yield(b*blockSize+i, &block[i]) {
					return
				}
			}
		}
	}
}

// At unpacks one operation, from 0 to Len()-1.
func (p *Packed) At(i int) Operation { return p.unpack(p.Row(i)) }

// All unpacks one operation after the other.
func (p *Packed) All() iter.Seq[Operation] {
	return func(yield func(Operation) bool) {
		for _, row := range p.Rows() {
			if !yield(p.unpack(row)) {
				return
			}
		}
	}
}

func (p *Packed) unpack(row *Row) Operation {
	worker := p.workers[row.Worker]
	op := Operation{
		Node: p.strings[worker.node], Worker: worker.number, Number: row.Number, Kind: row.Kind, Path: p.strings[row.Path],
		Invoked: row.Invoked, Completed: row.Completed, Outcome: row.Outcome, Errno: syscall.Errno(row.Errno), HTTP: row.HTTP,
		Content: p.nonces[row.Content], Length: row.Length, Synced: row.Synced,
	}
	if row.extra != 0 {
		op.Target, op.Problem, op.Abandoned, op.Mode = p.strings[p.Target(row)], p.Problem(row), p.Abandoned(row), p.Mode(row)
		for _, parent := range p.Parents(row) {
			op.Parents = append(op.Parents, p.nonces[parent])
		}
		for _, entry := range p.Entries(row) {
			op.Entries = append(op.Entries, p.strings[entry])
		}
	}
	return op
}

// Paths is how many paths there are: all numbers of paths, targets and nodes are below it. It counts problems and nodes too.
func (p *Packed) Paths() int {
	if p == nil {
		return 0
	}
	return len(p.strings)
}

// Path is the text of a path's number.
func (p *Packed) Path(number uint32) string { return p.strings[number] }

// FindPath is the number of a path, and whether any operation has it.
func (p *Packed) FindPath(path string) (uint32, bool) {
	if p == nil {
		return 0, false
	}
	n, ok := p.stringNumbers[path]
	return n, ok
}

// Nonces is how many nonces there are: all numbers of contents and parents are below it.
func (p *Packed) Nonces() int {
	if p == nil {
		return 0
	}
	return len(p.nonces)
}

// Nonce is the nonce of a content's number.
func (p *Packed) Nonce(number uint32) Nonce { return p.nonces[number] }

// FindNonce is the number of a nonce, and whether any operation has it.
func (p *Packed) FindNonce(nonce Nonce) (uint32, bool) {
	if p == nil {
		return 0, false
	}
	n, ok := p.nonceNumbers[nonce]
	return n, ok
}

// Workers is how many workers there are on all nodes.
func (p *Packed) Workers() int {
	if p == nil {
		return 0
	}
	return len(p.workers)
}

// Node is the node of a row's worker.
func (p *Packed) Node(worker uint32) string { return p.strings[p.workers[worker].node] }

// Target is the number of the path that is a row's target, 0 where it has none.
func (p *Packed) Target(row *Row) uint32 { return p.extras[row.extra].target }

// Problem says what was wrong with the content that a row saw.
func (p *Packed) Problem(row *Row) string { return p.strings[p.extras[row.extra].problem] }

// Abandoned is when a row's worker gave up waiting, zero where it did not.
func (p *Packed) Abandoned(row *Row) Time { return p.extras[row.extra].abandoned }

// Parents are the numbers of the contents that a row's worker had read before.
func (p *Packed) Parents(row *Row) []uint32 {
	extra := p.extras[row.extra]
	return p.parents[extra.firstParent:extra.lastAfter]
}

// Mode is what a row's operation set or saw, 0 where it did neither.
func (p *Packed) Mode(row *Row) fs.FileMode { return fs.FileMode(p.extras[row.extra].mode) }

// Entries are the numbers of the paths that a List saw, in the order of the paths.
func (p *Packed) Entries(row *Row) []uint32 {
	extra := p.extras[row.extra]
	return p.entries[extra.firstEntry : extra.firstEntry+extra.entries]
}
