package venus

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// recover reads the cache into memory. It runs before anything else does, so it needs no lock.
func (v *Venus) recover(ctx context.Context) error {
	if err := v.recoverIdentity(); err != nil {
		return err
	}
	var err error
	if v.containers, err = newContainers(v.cfg, v.store, v.id); err != nil {
		return err
	}
	files, err := v.listContainers()
	if err != nil {
		return err
	}
	if err := v.recoverMeta(); err != nil {
		return err
	}
	if err := v.recoverUsers(); err != nil {
		return err
	}
	if err := v.recoverObjects(files); err != nil {
		return err
	}
	if err := v.recoverEntries(); err != nil {
		return err
	}
	t := v.store.begin()
	rescued, err := v.recoverLog(ctx, t, files)
	if err != nil {
		return err
	}
	if err := v.recoverConflicts(t, files); err != nil {
		return err
	}
	if err := v.recoverHoard(); err != nil {
		return err
	}
	v.skipNumbers(t)
	t.enqueue()
	if err := t.wait(); err != nil {
		return err
	}
	if rescued {
		// Even a power loss must not bring the old containers' names back when they have been removed.
		if err := v.store.sync(); err != nil {
			return err
		}
	}
	for _, o := range v.objects {
		v.tidy(o)
	}
	return v.doomOrphans(files)
}

// recoverIdentity reads who this client is, or makes it up for a new cache.
func (v *Venus) recoverIdentity() error {
	found, err := readMeta(v.store.db, metaIdentity, &v.id)
	if err != nil {
		return err
	}
	if !found {
		v.id = identity{Volume: v.cfg.Volume}
		if v.id.Client, err = newClientID(v.cfg.Entropy); err != nil {
			return err
		}
	}
	if v.id.Volume != v.cfg.Volume {
		return coda.Errorf("open the cache", coda.Invalid, "it is of volume %q, not of %q", v.id.Volume, v.cfg.Volume)
	}
	v.id.Starts++
	if v.id.Boot != v.cfg.Boot || v.cfg.Boot == "" {
		v.id.Boot, v.id.Since = v.cfg.Boot, v.id.Starts
	}
	t := v.store.begin()
	t.meta(metaIdentity, v.id)
	t.enqueue()
	if err := t.wait(); err != nil {
		return err
	}
	// The number of the start makes the names of containers unique, and the client's id must never be another.
	return v.store.sync()
}

// listContainers gives the sizes of the container files that are there.
func (v *Venus) listContainers() (map[string]int64, error) {
	list, err := v.cfg.Disk.Entries(v.containers.dir)
	if err != nil {
		return nil, containerError("list containers", err)
	}
	files := make(map[string]int64, len(list))
	for _, e := range list {
		files[e.Name] = e.Size
	}
	return files, nil
}

func (v *Venus) recoverMeta() error {
	var n numbers
	for name, into := range map[string]any{metaVolume: &v.volume, metaMounts: &v.mounts, metaNumbers: &n, metaGrants: &v.grants, metaFrozen: &v.frozen} {
		if _, err := readMeta(v.store.db, name, into); err != nil {
			return err
		}
	}
	v.log.next, v.log.limit = max(n.Limit, 1), max(n.Limit, 1)
	v.doubtful = v.frozen != frozen{}
	return nil
}

// scan calls f for every key that starts with kind, without that byte.
func (v *Venus) scan(kind byte, f func(key, value []byte) error) error {
	it, err := v.store.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
	if err != nil {
		return fmt.Errorf("read the metadata of the cache: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = f(it.Key()[1:], value)
		}
		if err != nil {
			err = fmt.Errorf("read %c%x of the cache: %w", kind, it.Key()[1:], err) // while the iterator has the key
			_ = it.Close()
			return err
		}
	}
	if err := it.Close(); err != nil {
		return fmt.Errorf("read the metadata of the cache: %w", err)
	}
	return nil
}

func (v *Venus) recoverObjects(files map[string]int64) error {
	return v.scan(keyObject, func(key, value []byte) error {
		s, err := decodeObject(value)
		if err != nil {
			return err
		}
		f, err := parseFid(key)
		if err != nil || f != s.Status.Fid {
			return fmt.Errorf("status of %v under %v", s.Status.Fid, f)
		}
		o := v.object(f)
		o.word = wordOf(s.Status)
		if s.Complete {
			l := o.listing()
			l.complete, l.at = true, s.Entries
		}
		// Contents that the server has are not worth more than a look: they are fetched again if they are gone or not whole.
		if size, ok := files[s.Container]; ok && s.Container != "" && uint64(size) == s.Status.Length {
			o.contents = v.adopt(s.Container, size, size > maxRecheck && v.containers.sameBoot(s.Container))
		}
		o.replay(v.id.Client)
		return nil
	})
}

// maxRecheck is the size in bytes of the largest contents that are compared with their digest in each life of venus, when they are first opened: a call on what is
// cached may take a second. Larger ones are compared only after a loss of power may have overtaken them.
const maxRecheck = 64 << 20

// adopt gives a container that an earlier run made, with one reference.
func (v *Venus) adopt(name string, size int64, checked bool) *container {
	c := v.containers.named(name)
	c.refs, c.checked = 1, checked
	v.resize(c, uint64(size))
	return c
}

func (v *Venus) recoverEntries() error {
	var o *object
	err := v.scan(keyEntry, func(key, value []byte) error {
		dir, err := parseFid(key)
		if err != nil {
			return err
		}
		e, err := decodeEntry(string(key[fidBytes:]), value)
		if err != nil {
			return err
		}
		if o == nil || o.fid != dir {
			o = v.object(dir)
		}
		o.setBaseEntry(e.Name, e)
		return nil
	})
	return err
}

// recoverLog reads the modify log and replays it. It reports whether a record was given another container.
func (v *Venus) recoverLog(ctx context.Context, t *tx, files map[string]int64) (rescued bool, err error) {
	var lost []*record
	err = v.scan(keyLog, func(key, value []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := decodeRecord(value)
		if err != nil {
			return err
		}
		if len(key) != 8 || binary.BigEndian.Uint64(key) != s.Record.Number {
			return fmt.Errorf("record %d under %x", s.Record.Number, key)
		}
		r := &record{Record: s.Record, user: s.User, synced: s.Synced, digested: s.Digested}
		r.frozen = r.Number >= v.frozen.First && r.Number <= v.frozen.Last
		v.log.next = max(v.log.next, r.Number+1)
		if _, isStore := r.Operation.(coda.Store); !isStore {
			v.attach(r)
			return nil
		}
		size, ok := files[s.Container] // not where an earlier start found that the contents are lost
		if ok {
			r.contents = v.adopt(s.Container, size, true)
			r.contents.synced = s.Synced
			moved, err := v.rescue(r)
			if err == nil {
				ok, err = v.recoverContents(t, r, moved, v.containers.sameBoot(s.Container))
			}
			if err != nil {
				return err
			}
			rescued = rescued || moved
		}
		if !ok && r.frozen {
			v.loseContents(t, r)
		}
		v.attach(r)
		if !ok && !r.frozen {
			lost = append(lost, r)
		}
		return nil
	})
	if err != nil {
		return rescued, err
	}
	// Later records are based on what was lost, so all have to be there before it goes.
	for _, r := range lost {
		v.logger.Warn("a store whose contents were never synced was lost with the power", "record", r.Number, "object", r.Operation.Target())
		v.rethread(t, v.object(r.Operation.Target()), r.Number, r.Operation.(coda.Store).Base)
		v.detach(t, r)
	}
	return rescued, nil
}

// loseContents leaves a store without contents, see settleLost.
func (v *Venus) loseContents(t *tx, r *record) {
	if r.contents != nil {
		v.release(r.contents)
		r.contents = nil
	}
	v.writeRecord(t, r)
}

// recoverContents checks the contents of a store, and writes the record anew if they have moved to another container or changed. It reports whether the
// store can be kept.
//
// Contents that are not what the record says were written to after they had been flushed, by a writer that still had the file open. After a crash of
// venus they are what the writer made of them, as in any file system. After a power loss that is so only if they were synced: otherwise
// anything may be missing.
func (v *Venus) recoverContents(t *tx, r *record, moved, sameBoot bool) (bool, error) {
	f, err := r.contents.open(v.cfg.Disk)
	if err != nil {
		return false, err
	}
	defer r.contents.close()
	length, digest, err := v.containers.digest(f)
	if err != nil {
		return false, err
	}
	op := r.Operation.(coda.Store)
	switch {
	case r.digested && op.Length == length && op.Digest == digest:
	case r.frozen:
		if !r.digested || (!sameBoot && !r.synced) {
			return false, nil
		}
	case !sameBoot && !r.synced:
		return false, nil
	default:
		if r.synced {
			// Somebody was promised that the next loss of power leaves what the record says.
			if err := v.syncContainer(f); err != nil {
				return false, err
			}
		}
		op.Length, op.Digest = length, digest
		r.Operation, r.digested, moved = op, true, true
	}
	if moved {
		v.writeRecord(t, r)
	}
	return true, nil
}

// recoverConflicts reads the refused records.
func (v *Venus) recoverConflicts(t *tx, files map[string]int64) error {
	known := map[string]*container{}
	for _, o := range v.objects {
		if o.contents != nil {
			known[o.contents.name] = o.contents
		}
	}
	for r := v.log.head; r != nil; r = r.next {
		if r.contents != nil {
			known[r.contents.name] = r.contents
		}
	}
	return v.scan(keyConflict, func(key, value []byte) error {
		r, container, err := decodeRefused(value)
		if err != nil {
			return err
		}
		if len(key) != 8 || binary.BigEndian.Uint64(key) != r.Number {
			return fmt.Errorf("record %d under %x", r.Number, key)
		}
		v.log.next = max(v.log.next, r.Number+1)
		if size, ok := files[container]; ok && container != "" {
			if k := known[container]; k != nil {
				r.contents = v.retain(k)
			} else if r.contents, err = v.adoptRefused(r, container, size); err != nil {
				return err
			}
			if r.contents != nil {
				known[container] = r.contents
			}
		}
		v.involve(t, r)
		return nil
	})
}

// adoptRefused takes over the container of a refused record, unless a loss of power has left something else in it.
func (v *Venus) adoptRefused(r *refused, name string, size int64) (*container, error) {
	k := v.adopt(name, size, true)
	if v.containers.sameBoot(name) {
		return k, nil
	}
	f, err := k.open(v.cfg.Disk)
	if err != nil {
		return nil, err
	}
	defer k.close()
	_, digest, err := v.containers.digest(f)
	if err != nil {
		return nil, err
	}
	want := r.was.Digest
	if op, ok := r.Operation.(coda.Store); ok {
		want = op.Digest
	}
	if digest == want {
		return k, nil
	}
	v.logger.Warn("contents of a refused record were never synced, and lost with the power", "record", r.Number, "path", r.path)
	v.resize(k, 0)
	return nil, nil
}

// skipNumbers goes on behind every number that may have been used.
func (v *Venus) skipNumbers(t *tx) {
	v.log.limit = v.log.next + numberBlock
	t.meta(metaNumbers, numbers{Limit: v.log.limit})
	v.grants.skip()
	t.meta(metaGrants, v.grants)
}

// doomOrphans has the containers removed that nothing refers to: they belong to write sessions and fetches that the crash ended, or were left over.
func (v *Venus) doomOrphans(files map[string]int64) error {
	if err := v.makeEmpty(files); err != nil {
		return err
	}
	for _, o := range v.objects {
		if o.contents != nil {
			delete(files, o.contents.name)
		}
	}
	for r := v.log.head; r != nil; r = r.next {
		if r.contents != nil {
			delete(files, r.contents.name)
		}
	}
	for _, c := range v.conflicts.all {
		for _, r := range c.records {
			if r.contents != nil {
				delete(files, r.contents.name)
			}
		}
	}
	for _, k := range v.doomed {
		delete(files, k.name) // or its file would be there for the taking twice
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		k := v.containers.named(name)
		// What nothing refers to any more may be what a loss of power would bring back.
		k.size, k.synced = files[name], true
		v.doomed = append(v.doomed, k)
		wake(v.wakeSweep)
	}
	return nil
}
