package simdisk

import (
	"maps"
	"slices"
)

// contents is what a file holds, and which of that is safe from a loss of power.
type contents struct {
	size   int64
	blocks []*block    // nil for a hole; what is missing at the end are holes, too
	owner  *generation // the one that may change the slice in place; nil for nobody
	stored int         // blocks that are not holes

	base    int64          // the length that is safe; no less is left
	old     map[int]*block // of blocks below base that have been changed: what is safe of them
	lengths []int64        // that the file has had since, the latest ones
}

// maxLengths is how many lengths are remembered.
const maxLengths = 16

// blocksOf is the number of blocks of so many bytes.
func blocksOf(size int64) int { return int((size + blockSize - 1) / blockSize) }

// at gives a block, nil for a hole.
func (c *contents) at(i int) *block {
	if i < len(c.blocks) {
		return c.blocks[i]
	}
	return nil
}

// safe gives what is safe of a block below base.
func (c *contents) safe(i int, owner *generation) *block {
	b, changed := c.old[i]
	if !changed {
		b = c.at(i)
	}
	return b.cut(int(min(blockSize, c.base-int64(i)*blockSize)), owner)
}

// set puts a block in its place.
func (c *contents) set(i int, b *block, owner *generation) {
	if c.owner != owner {
		c.blocks = append(make([]*block, 0, max(len(c.blocks), i+1)), c.blocks...)
		c.owner = owner
	}
	for len(c.blocks) <= i {
		c.blocks = append(c.blocks, nil)
	}
	if c.blocks[i] != nil {
		c.stored--
	}
	if b != nil {
		c.stored++
	}
	c.blocks[i] = b
}

// mutable gives a block that may be changed from a byte of it on. It keeps what is safe of the one that was there.
func (c *contents) mutable(i, from int, owner *generation) *block {
	b := c.at(i)
	start := int64(i) * blockSize
	if _, kept := c.old[i]; !kept && start+int64(from) < c.base {
		c.keep(i, b)
		b.freeze(owner)
	}
	if b != nil && b.owner == owner {
		return b
	}
	if b == nil {
		b = &block{owner: owner}
	} else {
		b = b.clone(owner)
	}
	c.set(i, b, owner)
	return b
}

// take fills new contents with blocks.
func (c *contents) take(blocks []*block) {
	c.blocks = slices.Clone(blocks)
	for _, b := range blocks {
		if b != nil {
			c.stored++
		}
	}
}

// store puts bytes into a block.
func (c *contents) store(i, from int, p []byte, owner *generation) {
	c.mutable(i, from, owner).write(p, from)
}

// space is how many bytes of the disk the blocks take.
func (c *contents) space() int64 { return int64(c.stored) * blockSize }

// intern shares the blocks that the disk has to itself with all equal ones.
func (c *contents) intern(owner *generation) {
	for _, b := range c.blocks {
		b.intern(owner)
	}
}

// keep notes what is safe of a block. It may have more bytes than are safe.
func (c *contents) keep(i int, b *block) {
	if c.old == nil {
		c.old = map[int]*block{}
	}
	c.old[i] = b
}

// grow makes the file at least so long.
func (c *contents) grow(size int64) {
	if size <= c.size {
		return
	}
	c.size = size
	if len(c.lengths) == maxLengths {
		c.lengths = append(c.lengths[:0], c.lengths[1:]...)
	}
	c.lengths = append(c.lengths, size)
}

// share makes the contents fit for being used in two places.
func (c *contents) share(owner *generation) {
	for _, b := range c.blocks {
		b.freeze(owner)
	}
	c.owner = nil
}

// shortened gives the contents after a truncation to a smaller size has become safe. c is not changed any more.
func (c *contents) shortened(size int64, owner *generation) contents {
	c.share(owner)
	n := contents{size: size, base: size}
	count := blocksOf(size)
	n.take(c.blocks[:min(count, len(c.blocks))])
	if last := len(n.blocks) - 1; last >= 0 && n.blocks[last] != nil {
		n.blocks[last] = n.blocks[last].cut(int(min(blockSize, size-int64(last)*blockSize)), owner)
	}
	for i := range count {
		if _, changed := c.old[i]; !changed && int64(i+1)*blockSize <= c.base {
			continue
		}
		if b := c.safe(i, owner); b != c.at(i) {
			n.keep(i, b)
		}
	}
	return n
}

// settle makes everything safe.
func (c *contents) settle() {
	c.base, c.old, c.lengths = c.size, nil, nil
}

// copied gives the same contents for another disk. The generation of this one must end with that.
func (c *contents) copied() contents {
	n := *c
	n.old, n.lengths = maps.Clone(c.old), slices.Clone(c.lengths)
	return n
}

// survivors gives what a loss of power leaves.
func (c *contents) survivors(l *lottery, owner *generation) contents {
	size := l.length(c)
	n := contents{size: size, base: size}
	n.take(c.blocks[:min(blocksOf(size), len(c.blocks))])
	place := func(i int, b *block) {
		if b != nil || i < len(n.blocks) {
			n.set(i, b, nil)
		}
	}
	last := blocksOf(size) - 1
	// A length that was not safe has become so because the last block was written.
	for _, i := range slices.Sorted(maps.Keys(c.old)) {
		if i <= last && (i < last || size == c.base) && !l.wins() {
			place(i, c.safe(i, owner))
		}
	}
	for i := int(c.base / blockSize); i <= last; i++ {
		if _, changed := c.old[i]; changed && int64(i)*blockSize < c.base {
			continue
		}
		if i < last && !l.wins() {
			place(i, c.safe(i, owner))
		}
	}
	if last >= 0 && last < len(n.blocks) && n.blocks[last] != nil {
		n.blocks[last] = n.blocks[last].cut(int(size-int64(last)*blockSize), owner)
	}
	return n
}
