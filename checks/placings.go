package checks

import (
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// placings are where contents were written, and where and when they were seen.
type placings struct {
	written []uint32            // of each content the path that it was written to
	by      []uint32            // and the node that did, in the numbers of nodesOf, plus one; 0 where nobody did
	abroad  []history.Time      // when another node had first seen it: by then the server had it
	seen    map[uint32][]uint32 // at which other paths
}

func newPlacings(contents *contents) *placings {
	operations := contents.operations
	n := operations.Nonces()
	p := &placings{written: make([]uint32, n), by: make([]uint32, n), abroad: make([]history.Time, n), seen: map[uint32][]uint32{}}
	_, nodeOf := nodesOf(operations)
	for content := range uint32(n) {
		p.abroad[content] = history.Forever
		if write := contents.write(content); write != nil {
			p.written[content], p.by[content] = write.Path, nodeOf[write.Worker]+1
		}
	}
	for _, row := range operations.Rows() {
		if row.Content != 0 && row.Outcome == history.OK {
			p.see(row.Content, row.Path, nodeOf[row.Worker]+1, row.Completed)
		}
		if !row.Kind.Writes() {
			continue
		}
		for _, parent := range operations.Parents(row) {
			p.see(parent, p.whereRead(parent, row), nodeOf[row.Worker]+1, readBy(row))
		}
	}
	return p
}

// whereRead is at which path a write read its parent. What replaces a whole file need not have read what was there.
func (p *placings) whereRead(parent uint32, row *history.Row) uint32 {
	if row.Kind == history.Write {
		return p.written[parent]
	}
	return row.Path
}

func (p *placings) see(content, path, node uint32, by history.Time) {
	if p.by[content] == 0 {
		return
	}
	if p.by[content] != node && by < p.abroad[content] {
		p.abroad[content] = by
	}
	if p.written[content] != path && !slices.Contains(p.seen[content], path) {
		p.seen[content] = append(p.seen[content], path)
	}
}
