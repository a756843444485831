package simdisk

import (
	"container/list"
	"time"
)

// inode is a file or a directory. Disk.mu guards it.
type inode struct {
	modified time.Time
	links    int // names
	handles  int
	writers  int           // handles that have written
	dirty    *list.Element // of Disk.dirty; nil when everything is safe

	// Of a file.
	now      contents
	before   *contents // what was there before the first of the truncations that are not safe; nil for none
	reserved int64     // bytes that were allocated ahead
	charged  int64     // bytes of the disk that it takes

	// Of a directory.
	names   map[string]*inode // nil for a file
	changes []change          // that are not safe, in order

	twin   *inode      // in the copy that is being made
	twinOf *generation // for which twin was made
}

// change is what happened to a name.
type change struct {
	number  uint64
	name    string
	before  *inode // nil for a free name
	partner *inode // the directory that a rename has the same change of name in; nil for none
}

func (n *inode) isDir() bool { return n.names != nil }

// truncate sets the length of a file.
func (n *inode) truncate(size int64, owner *generation) {
	if size >= n.now.size {
		n.now.grow(size)
		return
	}
	shortened := n.now.shortened(size, owner)
	if n.before == nil {
		before := n.now
		n.before = &before
	}
	n.now = shortened
	n.reserved = min(n.reserved, size)
}

// settle makes everything about an inode safe.
func (n *inode) settle() {
	n.now.settle()
	n.before = nil
	last := uint64(0)
	if len(n.changes) > 0 {
		last = n.changes[len(n.changes)-1].number
	}
	n.settleNames(last)
}

// settleNames makes changes up to a number safe. A rename becomes so in both directories.
func (n *inode) settleNames(upTo uint64) {
	for len(n.changes) > 0 && n.changes[0].number <= upTo {
		c := n.changes[0]
		n.changes = n.changes[1:]
		if c.partner != nil {
			c.partner.settleNames(c.number)
		}
	}
	if len(n.changes) == 0 {
		n.changes = nil
	}
}

// namesAfter gives the names as they were after the change with a number.
func (n *inode) namesAfter(number uint64) map[string]*inode {
	names := make(map[string]*inode, len(n.names))
	for name, child := range n.names {
		names[name] = child
	}
	for i := len(n.changes) - 1; i >= 0 && n.changes[i].number > number; i-- {
		c := n.changes[i]
		if c.before == nil {
			delete(names, c.name)
		} else {
			names[c.name] = c.before
		}
	}
	return names
}
