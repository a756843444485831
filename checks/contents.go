package checks

import (
	"errors"
	"fmt"

	"github.com/codastress/codastress/harness/history"
)

// contents is what a record tells of each content, by its number in the operations.
type contents struct {
	operations *history.Packed
	writer     []int32        // the Write that wrote it, plus one; 0 where nobody did
	began      []history.Time // when that was invoked
	by         []history.Time // by when it certainly had taken effect: its end, or when somebody saw it; Forever where neither is known
}

// errRecord says that a record contradicts itself, so that nothing can be concluded from it.
var errRecord = errors.New("the record contradicts itself")

// newContents looks at all operations once. The error is errRecord.
func newContents(run *history.Run) (*contents, error) {
	operations := run.Operations
	n := operations.Nonces()
	c := &contents{operations: operations, writer: make([]int32, n), began: make([]history.Time, n), by: make([]history.Time, n)}
	for i := range c.by {
		c.by[i] = history.Forever
	}
	for i, row := range operations.Rows() {
		for _, parent := range operations.Parents(row) {
			c.by[parent] = min(c.by[parent], readBy(row))
		}
		if row.Content == 0 {
			continue
		}
		if row.Kind.Writes() {
			if c.writer[row.Content] != 0 {
				op := operations.At(i)
				return nil, fmt.Errorf("%w: two writes have the nonce of %s", errRecord, describe(&op))
			}
			c.writer[row.Content], c.began[row.Content] = int32(i+1), row.Invoked
		}
		if row.Outcome == history.OK {
			c.by[row.Content] = min(c.by[row.Content], row.Completed)
		}
	}
	for number := 1; number < n; number++ {
		if c.writer[number] != 0 && c.by[number] < c.began[number] {
			op := operations.At(int(c.writer[number] - 1))
			return nil, fmt.Errorf("%w: the content of %s was seen before the write began", errRecord, describe(&op))
		}
	}
	if run.Meta.Foreign() {
		c.forgetSightings()
	}
	return c, nil
}

// forgetSightings leaves only the ends of writes. Where a write is no single step, what was seen of it may still be on its way.
func (c *contents) forgetSightings() {
	for number := range c.by {
		c.by[number] = history.Forever
		if write := c.write(uint32(number)); write != nil {
			c.by[number] = doneBy(write)
		}
	}
}

// readBy is by when a write had certainly read its parents: before it began, or while it was there.
func readBy(row *history.Row) history.Time {
	switch {
	case row.Kind == history.Write:
		return row.Invoked - 1
	case row.Completed == 0:
		return history.Forever
	}
	return row.Completed
}

// write is the row that wrote a content, nil where none did.
func (c *contents) write(content uint32) *history.Row {
	if content == 0 || c.writer[content] == 0 {
		return nil
	}
	return c.operations.Row(int(c.writer[content] - 1))
}

// takenEffect is by when a mutation certainly had taken effect: Forever where it may still take effect.
func (c *contents) takenEffect(row *history.Row) history.Time {
	switch {
	case row.Kind.Writes() && row.Content != 0:
		return c.by[row.Content]
	case row.Outcome == history.OK:
		return row.Completed
	}
	return history.Forever
}

// byPath lists rows by the number of their path: counting sort, in the order of the record.
type byPath struct {
	starts []uint32 // of each path in rows, and the end of the last
	rows   []uint32
}

// newByPath lists the rows that keep chooses. With targets, a row that has one is listed there too.
func newByPath(operations *history.Packed, targets bool, keep func(*history.Row) bool) *byPath {
	b := &byPath{starts: make([]uint32, operations.Paths()+1)}
	each := func(visit func(path uint32, row int)) {
		for i, row := range operations.Rows() {
			if !keep(row) {
				continue
			}
			visit(row.Path, i)
			if target := operations.Target(row); targets && target != 0 && target != row.Path && row.Kind != history.Symlink {
				visit(target, i)
			}
		}
	}
	each(func(path uint32, _ int) { b.starts[path+1]++ })
	for path := 1; path < len(b.starts); path++ {
		b.starts[path] += b.starts[path-1]
	}
	b.rows = make([]uint32, b.starts[len(b.starts)-1])
	next := append([]uint32(nil), b.starts...)
	each(func(path uint32, row int) {
		b.rows[next[path]] = uint32(row)
		next[path]++
	})
	return b
}

// of are the rows of a path.
func (b *byPath) of(path uint32) []uint32 { return b.rows[b.starts[path]:b.starts[path+1]] }

// paths is how many paths there are.
func (b *byPath) paths() int { return len(b.starts) - 1 }

// mutations lists what may have changed something, by path and target.
func mutations(operations *history.Packed) *byPath {
	return newByPath(operations, true, func(row *history.Row) bool {
		return row.Kind.Mutates() && row.Outcome != history.Failed && !toItself(operations, row)
	})
}

// toItself says whether a rename gives a name to what has it.
func toItself(operations *history.Packed, row *history.Row) bool {
	return row.Kind == history.Rename && operations.Target(row) == row.Path
}

// rearrangements is mutations without changes of attributes.
func rearrangements(operations *history.Packed) *byPath {
	return newByPath(operations, true, func(row *history.Row) bool {
		return row.Kind.Rearranges() && row.Outcome != history.Failed && !toItself(operations, row)
	})
}
