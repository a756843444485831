package simdisk

import (
	"math/rand/v2"
)

// Crash gives the disk as kill -9 of the process leaves it: everything that was written is there, synced or not. This disk goes on to work
// for those who still use it, and the copy sees nothing of that. Latency is copied; capacity, faults and what ails the
// disk (SetHealth) go over to the copy; and it is not frozen.
func (d *Disk) Crash() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.successor()
	m := &mirror{of: c.generation, history: true, file: func(from, to *inode) {
		to.now = from.now.copied()
		to.before = from.before
	}}
	m.names = func(n *inode) map[string]*inode { return n.names }
	c.root = m.twin(d.root)
	for e := d.dirty.Front(); e != nil; e = e.Next() {
		w := e.Value.(waiting)
		if w.inode.twinOf != m.of {
			continue // only processes that are gone could reach it
		}
		t := w.inode.twin
		t.dirty = c.dirty.PushBack(waiting{inode: t, since: w.since})
	}
	m.count(c)
	return c
}

// LosePower gives the disk as a loss of power leaves it: what was synced, and a random part of the rest (see the package's documentation).
// All of it is safe on the copy, apart from which this is like Crash.
func (d *Disk) LosePower(random *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := newLottery(random)
	c := d.successor()
	last := d.lastChanges(l)
	left := map[*inode]contents{}
	for e := d.dirty.Front(); e != nil; e = e.Next() {
		n := e.Value.(waiting).inode
		if n.isDir() {
			c.loss.addNames(n, last[n])
			continue
		}
		survivors := n.survivors(l, c.generation)
		left[n] = survivors
		c.loss.addContents(n, &survivors)
	}
	m := &mirror{of: c.generation, file: func(from, to *inode) {
		var dirty bool
		if to.now, dirty = left[from]; !dirty {
			to.now = from.now.copied()
		}
	}}
	m.names = func(n *inode) map[string]*inode {
		if len(n.changes) == 0 {
			return n.names
		}
		return n.namesAfter(last[n])
	}
	c.root = m.twin(d.root)
	m.count(c)
	return c
}

// successor gives a disk with the properties of this one and nothing on it, and ends the generation of this one.
func (d *Disk) successor() *Disk {
	c := New()
	c.changes, c.last, c.clock, c.latency, c.capacity, c.faults, c.course = d.changes, d.last, d.clock, d.latency, d.capacity, d.faults, d.course.PassOn()
	d.capacity, d.faults = 0, nil // this one is healthy from now on
	d.generation = new(generation)
	return c
}

// survivors gives what a loss of power leaves of a file.
func (n *inode) survivors(l *lottery, owner *generation) contents {
	if n.before != nil && !l.wins() {
		return n.before.survivors(l, owner)
	}
	return n.now.survivors(l, owner)
}

// lastChanges draws the last change that survives in each directory. A rename between two of them survives in both.
func (d *Disk) lastChanges(l *lottery) map[*inode]uint64 {
	last := map[*inode]uint64{}
	var dirs []*inode
	together := l.wins() // one journal for all of them, or one for each
	common := uint64(0)
	for e := d.dirty.Front(); e != nil; e = e.Next() {
		n := e.Value.(waiting).inode
		if len(n.changes) == 0 {
			continue
		}
		dirs = append(dirs, n)
		if k := l.some(len(n.changes)); k > 0 {
			last[n] = n.changes[k-1].number
		}
		common = max(common, last[n])
	}
	for _, n := range dirs {
		if together {
			last[n] = common
		}
	}
	for again := true; again; {
		again = false
		for _, n := range dirs {
			for _, c := range n.changes {
				if c.partner != nil && c.number <= last[n] && last[c.partner] < c.number {
					last[c.partner], again = c.number, true
				}
			}
		}
	}
	return last
}

// mirror makes the inodes of a copy.
type mirror struct {
	of      *generation
	all     []*inode
	names   func(*inode) map[string]*inode
	file    func(from, to *inode)
	history bool // what may still be undone is copied, too
}

// twin gives the copy of an inode.
func (m *mirror) twin(n *inode) *inode {
	if n.twinOf == m.of {
		return n.twin
	}
	t := &inode{modified: n.modified, reserved: n.reserved}
	n.twin, n.twinOf = t, m.of
	m.all = append(m.all, t)
	if !n.isDir() {
		m.file(n, t)
		return t
	}
	names := m.names(n)
	t.names = make(map[string]*inode, len(names))
	for name, child := range names {
		c := m.twin(child)
		c.links++
		t.names[name] = c
	}
	if m.history {
		t.changes = m.changes(n)
	}
	return t
}

// changes gives the copies of changes.
func (m *mirror) changes(n *inode) []change {
	if len(n.changes) == 0 {
		return nil
	}
	list := make([]change, len(n.changes))
	for i, c := range n.changes {
		if c.before != nil {
			c.before = m.twin(c.before)
		}
		if c.partner != nil {
			c.partner = m.twin(c.partner)
		}
		list[i] = c
	}
	return list
}

// count counts the space that the copy takes.
func (m *mirror) count(d *Disk) {
	d.root.links = 1
	for _, n := range m.all {
		if !n.isDir() {
			d.charge(n)
		}
	}
}
