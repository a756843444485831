package venus

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// makeEmpty makes the container that every file without contents shares.
func (v *Venus) makeEmpty(files map[string]int64) error {
	const name = "empty"
	v.empty = v.containers.named(name)
	v.empty.refs, v.empty.checked = 1, true
	delete(files, name)
	f, err := v.cfg.Disk.OpenFile(v.empty.path(), os.O_RDONLY|os.O_CREATE|os.O_TRUNC)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return containerError("make the empty container", err)
	}
	return nil
}

// room makes sure that so many bytes of contents may be added to the cache, for something that is hoarded with a priority, or 0. It evicts clean contents that
// are wanted less if that helps.
func (v *Venus) room(bytes uint64, priority int) error {
	free, err := v.containers.freeBytes()
	if err != nil {
		return err
	}
	limit := v.cfg.Limits.CacheBytes
	v.mu.Lock()
	full := uint64(max(v.cacheBytes, 0))+bytes > limit
	v.mu.Unlock()
	if full || free < v.cfg.Limits.DiskReserve+bytes {
		v.evictNow(bytes, priority)
		v.mu.Lock()
		full = uint64(max(v.cacheBytes, 0))+bytes > limit
		v.mu.Unlock()
		for more := true; more; {
			more = v.sweep()
			if free, err = v.containers.freeBytes(); err != nil {
				return err
			}
			more = more && free < v.cfg.Limits.DiskReserve+bytes
		}
	}
	switch {
	case full:
		return coda.Errorf("make room in the cache", coda.NoSpace, "%d bytes are needed, the limit is %d", bytes, limit)
	case free < v.cfg.Limits.DiskReserve+bytes:
		return coda.Errorf("make room in the cache", coda.NoSpace, "%d bytes are needed, the disk has %d", bytes, free)
	}
	return nil
}

// sweeper removes the files of doomed containers until the context ends. What is left then, which would take seconds to remove where a large tree has
// just been removed, is left to the next start.
func (v *Venus) sweeper(ctx context.Context) {
	for {
		select {
		case <-v.wakeSweep:
		case <-ctx.Done():
			v.sweep()
			return
		}
		for v.sweep() && ctx.Err() == nil {
		}
	}
}

// sweepSize is how many files are removed at once. Each time the metadata that forget them have to be written first.
const sweepSize = 1024

// sweep removes the files of some doomed containers, and reports whether there are more. Whoever dooms one enqueues the metadata that forget it in the
// same hold of the mutex, so that they are enqueued by the time the list is taken.
func (v *Venus) sweep() (more bool) {
	v.mu.Lock()
	doomed := v.doomed[:min(len(v.doomed), sweepSize)]
	if v.doomed = v.doomed[len(doomed):]; len(v.doomed) == 0 {
		v.doomed = nil
	}
	more = v.doomed != nil
	v.mu.Unlock()
	v.containers.remove(doomed)
	return more
}

// evict evicts whenever the cache has grown beyond its limits.
func (v *Venus) evict(ctx context.Context) {
	for {
		select {
		case <-v.wakeEvict:
			v.evictNow(0, 0)
		case <-ctx.Done():
			return
		}
		// What is in use now may not be soon, but looking through the cache for every single object would cost too much.
		if !pause(ctx, evictPause) {
			return
		}
	}
}

// evictPause is the pause between two looks for what can be evicted.
const evictPause = 50 * time.Millisecond

// eased has the evictor look again when something that was in use is not any more and the cache is beyond its limits. v.mu is held.
func (v *Venus) eased() {
	if len(v.objects) > v.cfg.Limits.CacheObjects || (v.cacheBytes > 0 && uint64(v.cacheBytes) > v.cfg.Limits.CacheBytes) {
		wake(v.wakeEvict)
	}
}

// evictNow brings the cache a sixteenth below its limits, with room for so many bytes more, by dropping what is clean, not in use and least recently used.
// What the log needs stays. What is hoarded stays, too, unless its priority is below that of what needs the room, or all that is hoarded has more than
// fifteen sixteenths of the cache.
func (v *Venus) evictNow(bytes uint64, priority int) (objects, freed uint64) {
	t := v.store.begin()
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		_ = t.abandon(nil)
		return 0, 0
	}
	byteLimit := int64(v.cfg.Limits.CacheBytes)
	byteGoal := byteLimit - byteLimit/16 - int64(min(bytes, v.cfg.Limits.CacheBytes))
	if v.cacheBytes+int64(min(bytes, 1<<62)) <= byteLimit && bytes == 0 {
		byteGoal = byteLimit
	}
	objectGoal := v.cfg.Limits.CacheObjects
	if len(v.objects) >= objectGoal {
		objectGoal -= objectGoal / 16
	}
	if v.cacheBytes > byteGoal || len(v.objects) > objectGoal {
		list := v.evictable()
		hoardedBytes, hoarded := hoardedOf(list)
		for _, o := range list {
			tooManyBytes, tooMany := v.cacheBytes > byteGoal, len(v.objects) > objectGoal
			if p := int(o.mark.priority); p > 0 && p >= priority {
				tooManyBytes, tooMany = hoardedBytes > int64(v.hoardBytes()), hoarded > v.hoardObjects()
			}
			size := o.size()
			if tooManyBytes && size > 0 && o.contents.refs == 1 {
				freed += uint64(size)
				v.dropContents(t, o)
				objects++
				if o.mark.priority > 0 {
					hoardedBytes -= size
				}
			}
			if tooMany {
				if o.mark.priority > 0 {
					hoarded--
				}
				v.dropObject(t, o)
			}
		}
	}
	t.enqueue()
	v.mu.Unlock()
	t.finish(v.logger)
	return objects, freed
}

// hoardedOf sums up what is hoarded of a list.
func hoardedOf(list []*object) (bytes int64, objects int) {
	for _, o := range list {
		if o.mark.priority > 0 {
			bytes += o.size()
			objects++
		}
	}
	return bytes, objects
}

// size is what the contents of the object take in the cache.
func (o *object) size() int64 {
	if o.contents == nil {
		return 0
	}
	return o.contents.size
}

// evictable lists what can be dropped, least wanted and then least recently used first.
func (v *Venus) evictable() []*object {
	var list []*object
	for _, o := range v.objects {
		if o.clean() && !isRoot(o.fid) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *object) int {
		return cmp.Or(cmp.Compare(a.mark.priority, b.mark.priority), cmp.Compare(a.used, b.used))
	})
	return list
}

// clean reports whether the server has all there is to know of the object, and nobody uses it.
func (o *object) clean() bool {
	return o.known() && len(o.pending()) == 0 && len(o.touches()) == 0 && o.users == 0 && o.flight == nil && o.session == nil
}

func (v *Venus) dropContents(t *tx, o *object) {
	v.release(o.contents)
	o.contents = nil
	o.replay(v.id.Client)
	v.saveObject(t, o)
}

// dropObject forgets an object, as if it had never been asked for.
func (v *Venus) dropObject(t *tx, o *object) {
	gone := o.gone
	notices := o.fid
	v.forget(t, o)
	o.gone = gone
	v.notices.object(notices)
}

// flushCache forgets every clean object that is not in use.
func (v *Venus) flushCache() (objects, freed uint64, err error) {
	t := v.store.begin()
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return 0, 0, t.abandon(coda.Errorf("flush the cache", coda.Closed, "venus is stopping"))
	}
	for _, o := range v.evictable() {
		if o.contents != nil {
			freed += uint64(o.contents.size)
		}
		objects++
		v.dropObject(t, o)
	}
	return objects, freed, v.done(t)
}
