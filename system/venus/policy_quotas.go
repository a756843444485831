package venus

import (
	"sync/atomic"

	"github.com/codastress/codastress/system/coda"
)

// quotas decides whether a change has room in its volume before it is logged. v.mu is held.
type quotas interface {
	// create refuses another object in a volume that may not have more.
	create(c *call, volume uint32) error
	// store refuses contents of a length that would have a volume hold more bytes than it may. What does not grow is not refused.
	store(c *call, o *object, length uint64) error
	// refused is how often they did.
	refused() uint64
}

// unforeseen are the quotas of Coda: venus does not know them. The server refuses what is over them, which a caller hears who waits for the server; otherwise
// it is a conflict.
type unforeseen struct{}

func (unforeseen) create(*call, uint32) error { return nil }

func (unforeseen) store(*call, *object, uint64) error { return nil }

func (unforeseen) refused() uint64 { return 0 }

// foreseen are the quotas of today: while a server is there, venus knows from it what each volume with a quota holds, and refuses what the server would refuse
// as long as nobody else changes the volume. Without a server others may have made room, and nobody knows.
type foreseen struct {
	v     *Venus
	count atomic.Uint64
}

func (q *foreseen) refused() uint64 { return q.count.Load() }

func (q *foreseen) create(c *call, volume uint32) error {
	return q.each(volume, func(room coda.Room) error {
		if room.QuotaObjects == 0 || room.UsedObjects+uint64(q.v.log.count) < room.QuotaObjects { // the log cannot make more than one with each record
			return nil
		}
		logged := q.v.growthOf(room, coda.Store{})
		if uint64(max(int64(room.UsedObjects)+logged.objects+1, 0)) <= room.QuotaObjects {
			return nil
		}
		return c.fail(coda.QuotaExceeded, "the volume has %d objects, %d more are to be sent, and it may have %d", room.UsedObjects, logged.objects, room.QuotaObjects)
	})
}

func (q *foreseen) store(c *call, o *object, length uint64) error {
	if length <= o.local().Length {
		return nil
	}
	return q.each(o.fid.Volume, func(room coda.Room) error {
		if room.QuotaBytes == 0 || room.UsedBytes+uint64(max(q.v.cacheBytes, 0))+length <= room.QuotaBytes { // what is to be sent is in the cache
			return nil
		}
		logged := q.v.growthOf(room, coda.Store{Fid: o.fid, Length: length})
		if uint64(max(int64(room.UsedBytes)+logged.bytes, 0)) <= room.QuotaBytes {
			return nil
		}
		return c.fail(coda.QuotaExceeded, "the volume has %d bytes, would have %d more, and may have %d", room.UsedBytes, logged.bytes, room.QuotaBytes)
	})
}

// each asks about the room of a volume on each server that is there: one that has no room refuses what others take, until they agree.
func (q *foreseen) each(volume uint32, refuses func(coda.Room) error) error {
	g := &q.v.group
	if g.state != linkUp {
		return nil
	}
	for _, r := range g.members(g.available) {
		room, said := r.rooms[volume]
		if !said || !room.Bounded() {
			continue
		}
		if err := refuses(room); err != nil {
			q.count.Add(1)
			return err
		}
	}
	return nil
}

// growth is what records have a volume hold more, or less.
type growth struct{ objects, bytes int64 }

// growthOf is the most that a volume holds, beyond what a server has counted, at any moment while it gets the rest of the log and then one more store. What
// becomes shorter does not count as room yet: its record may be taken out of the log again, when the file is written to once more. Removals stay.
// v.mu is held.
func (v *Venus) growthOf(room coda.Room, last coda.Store) (sum growth) {
	w := weighing{v: v, files: map[coda.Fid]*weight{}}
	for r := v.log.head; r != nil; r = r.next {
		if volumeOf(r.Record) == room.Volume {
			sum.objects += w.weigh(r, r.Number <= room.Counted)
		}
	}
	if !last.Fid.IsZero() {
		w.store(last, false)
	}
	for _, file := range w.files {
		if file.gone {
			sum.bytes -= file.counted
		} else {
			sum.bytes += max(file.most-file.counted, 0)
		}
	}
	return sum
}

// weighing goes through the log in order.
type weighing struct {
	v     *Venus
	files map[coda.Fid]*weight
}

// weight is the length of a file as the server has counted it, and the most that it has later.
type weight struct {
	counted, most int64
	gone          bool
}

// weigh adds a record, and says how many objects there are more, or less, beyond those that are counted.
func (w *weighing) weigh(r *record, counted bool) (objects int64) {
	switch op := r.Operation.(type) {
	case coda.Store:
		w.store(op, counted)
	case coda.Create, coda.MakeDirectory, coda.MakeSymlink:
		objects = 1
	case coda.Remove, coda.RemoveDirectory:
		if w.last(op.Target(), r) {
			objects = -1
			w.remove(op.Target(), counted)
		}
	}
	if counted {
		return 0
	}
	return objects
}

// last reports whether a record takes the last name from an object.
func (w *weighing) last(f coda.Fid, r *record) bool {
	o := w.v.objects[f]
	if o == nil || o.exists() {
		return false
	}
	about := o.pending()
	return len(about) > 0 && about[len(about)-1] == r
}

// file gives the weight of a file, which begins with the server's word.
func (w *weighing) file(f coda.Fid) *weight {
	file := w.files[f]
	if file == nil {
		file = &weight{}
		if o := w.v.objects[f]; o != nil && o.known() && o.base().Kind == coda.File {
			file.counted = int64(o.base().Length)
		}
		w.files[f] = file
	}
	return file
}

func (w *weighing) store(op coda.Store, counted bool) {
	file := w.file(op.Fid)
	if counted {
		file.counted = int64(op.Length)
	} else {
		file.most = max(file.most, int64(op.Length))
	}
}

func (w *weighing) remove(f coda.Fid, counted bool) {
	file := w.file(f)
	if file.gone = true; counted {
		file.counted = 0
	}
}

// takeRoom takes over what a server says of a volume.
func (v *Venus) takeRoom(r *replica, room coda.Room) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r.learn(room)
}

// learn takes over what the server says of a volume, unless something newer is known.
func (r *replica) learn(room coda.Room) {
	if known, said := r.rooms[room.Volume]; !said || known.Number <= room.Number {
		r.rooms[room.Volume] = room
	}
}

// learnRooms takes over what the answers to a batch say of its volume. v.mu is held.
func learnRooms(answers []*delivery) {
	for _, d := range answers {
		if d.answer.Room != nil && d.session == d.to.id {
			d.to.learn(*d.answer.Room)
		}
	}
}

// Bounded is of how many volumes a quota is known from the servers that are there.
func (v *Venus) Bounded() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	bounded := map[uint32]bool{}
	for _, r := range v.group.members(v.group.available) {
		for volume, room := range r.rooms {
			if room.Bounded() {
				bounded[volume] = true
			}
		}
	}
	return len(bounded)
}
