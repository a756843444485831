package simdisk

import "bytes"

// A Loss is what a loss of power took: contents of files and changes of names, each file and each change counted once.
type Loss struct {
	Unsynced int // that were not safe
	Lost     int // of them, in part or as a whole
}

// Loss gives what the loss of power took that left this disk; nothing where none did.
func (d *Disk) Loss() Loss {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.loss
}

// Unsynced says whether a loss of power may take something of this disk.
func (d *Disk) Unsynced() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for e := d.dirty.Front(); e != nil; e = e.Next() {
		if n := e.Value.(waiting).inode; len(n.changes) > 0 || n.hasUnsynced() {
			return true
		}
	}
	return false
}

// hasUnsynced says whether a file that somebody could still read has contents that are not safe.
func (n *inode) hasUnsynced() bool { return n.links > 0 && (n.before != nil || !n.now.isSafe()) }

// addNames counts what has become of the changes of a directory's names.
func (l *Loss) addNames(n *inode, last uint64) {
	l.Unsynced += len(n.changes)
	for _, c := range n.changes {
		if c.number > last {
			l.Lost++
		}
	}
}

// addContents counts what has become of a file's contents.
func (l *Loss) addContents(n *inode, left *contents) {
	if !n.hasUnsynced() {
		return
	}
	l.Unsynced++
	if !left.equals(&n.now) {
		l.Lost++
	}
}

// isSafe says whether nothing was written since the last sync.
func (c *contents) isSafe() bool { return len(c.old) == 0 && len(c.lengths) == 0 }

// equals says whether two files read the same.
func (c *contents) equals(other *contents) bool {
	if c.size != other.size {
		return false
	}
	var one, two [blockSize]byte
	for i := range blocksOf(c.size) {
		if c.at(i) == other.at(i) {
			continue
		}
		c.at(i).read(one[:], 0)
		other.at(i).read(two[:], 0)
		if !bytes.Equal(one[:], two[:]) {
			return false
		}
	}
	return true
}
