package simdisk

import "unique"

const blockSize = 4096

// generation is the time between two copies of a disk: what was made before the last copy is shared with it and never changed in place.
type generation struct {
	spare [][]byte // of the length of a block: what interned blocks no longer need, for the next ones
}

// maxSpare bounds the memory that waits for its next use.
const maxSpare = 64

// room gives memory for n bytes, at least, with anything in it.
func (g *generation) room(n int) []byte {
	if last := len(g.spare) - 1; last >= 0 {
		b := g.spare[last]
		g.spare = g.spare[:last]
		return b[:n]
	}
	return make([]byte, n)
}

// giveBack takes memory that nobody uses any more.
func (g *generation) giveBack(b []byte) {
	if cap(b) >= blockSize && len(g.spare) < maxSpare {
		g.spare = append(g.spare, b)
	}
}

// block holds up to blockSize bytes of a file. What is missing at its end is zero.
type block struct {
	owner *generation // the one that may change it in place; nil for nobody
	bytes []byte
	equal unique.Handle[string] // holds the bytes instead when interned is set
	// interned blocks share their bytes with all equal ones.
	interned bool
}

func (b *block) length() int {
	switch {
	case b == nil:
		return 0
	case b.interned:
		return len(b.equal.Value())
	default:
		return len(b.bytes)
	}
}

// read fills p with the bytes from an offset on.
func (b *block) read(p []byte, offset int) {
	n := 0
	switch {
	case b == nil || offset >= b.length():
	case b.interned:
		n = copy(p, b.equal.Value()[offset:])
	default:
		n = copy(p, b.bytes[offset:])
	}
	clear(p[n:])
}

// clone gives a block with the same bytes that owner may change.
func (b *block) clone(owner *generation) *block {
	c := &block{owner: owner}
	if n := b.length(); n > 0 {
		c.bytes = make([]byte, n)
		b.read(c.bytes, 0)
	}
	return c
}

// write puts bytes at an offset. Whoever writes to a block may change it in place.
func (b *block) write(p []byte, offset int) {
	before, end := len(b.bytes), offset+len(p)
	if end > cap(b.bytes) {
		b.enlarge(end)
	}
	if end > before {
		b.bytes = b.bytes[:end]
		if offset > before {
			clear(b.bytes[before:offset])
		}
	}
	copy(b.bytes[offset:], p)
}

// enlarge makes room for n bytes: for a whole block if it was too small before, since then more will follow.
func (b *block) enlarge(n int) {
	old := b.bytes
	if cap(old) > 0 {
		n = blockSize
	}
	b.bytes = b.owner.room(n)[:len(old)]
	copy(b.bytes, old)
}

// cut gives a block with the first n bytes, which is not to be changed in place; neither is b from now on.
func (b *block) cut(n int, owner *generation) *block {
	if b == nil || n <= 0 {
		return nil
	}
	b.freeze(owner)
	switch {
	case b.length() <= n:
		return b
	case b.interned:
		c := b.clone(nil)
		c.bytes = c.bytes[:n]
		return c
	}
	return &block{bytes: b.bytes[:n:n]}
}

// freeze says that nobody may change a block in place any more. Those of other owners are shared already, and must not be written to.
func (b *block) freeze(owner *generation) {
	if b != nil && b.owner == owner {
		b.owner = nil
	}
}

// smallestShared is the length from which on it is worth while to share blocks.
const smallestShared = 512

// intern shares the bytes of a block that owner has to itself with all equal ones.
func (b *block) intern(owner *generation) {
	if b == nil || b.interned || b.owner != owner || len(b.bytes) < smallestShared {
		return
	}
	b.equal, b.interned = unique.Make(string(b.bytes)), true
	owner.giveBack(b.bytes)
	b.owner, b.bytes = nil, nil
}
