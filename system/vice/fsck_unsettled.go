package vice

import (
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// unsettled checks what the server of a replicated volume keeps about batches that other replicas may not have.
func (f *fsck) unsettled() error {
	u := &unsettledCheck{fsck: f, touched: map[coda.Fid]bool{}, of: map[coda.Fid]bool{}}
	for _, step := range []func() error{u.filling, u.batches, u.objects, u.namesOf, u.comparisons} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// unsettledCheck is the part of one check that is about unsettled objects.
type unsettledCheck struct {
	*fsck
	known   []*heldBatch
	touched map[coda.Fid]bool // by a batch
	of      map[coda.Fid]bool // which have an unsettledRow
}

// knows reports whether an update is one of the batches that are kept.
func (u *unsettledCheck) knows(s coda.StoreID) bool {
	return slices.ContainsFunc(u.known, func(b *heldBatch) bool { return b.has(s) })
}

func (u *unsettledCheck) comparisons() error {
	return scan(u.view, []byte{comparePrefix}, func(key, value []byte) error {
		f, err := fidOf(key)
		if err != nil {
			u.problem("comparison: %v", err)
			return nil
		}
		row, err := decodeCompare(value)
		others := u.s.cfg.Replication.all() &^ (1 << u.s.cfg.Replication.Slot)
		if err != nil || row.with == 0 || row.with&^others != 0 {
			u.problem("the version of %v is to be compared with %b: %v", f, row.with, err)
		}
		return nil
	})
}

func (u *unsettledCheck) filling() error {
	if _, _, err := getFilling(u.view); err != nil {
		u.problem("whether the replica has to be filled: %v", err)
	}
	return nil
}

func (u *unsettledCheck) batches() error {
	return scan(u.view, []byte{batchPrefix}, func(key, value []byte) error {
		id, err := batchOf(key)
		if err != nil {
			u.problem("batch: %v", err)
			return nil
		}
		row, err := decodeBatch(id.volume, value)
		if err != nil {
			u.problem("batch %x: %v", key, err)
			return nil
		}
		b := &heldBatch{id, row}
		u.known = append(u.known, b)
		if id.first == 0 || id.first > id.last || !u.s.cfg.Replication.replicated() {
			u.problem("batch %x is of records %d to %d", key, id.first, id.last)
		}
		for _, o := range row.objects {
			u.touched[o.fid] = true
			if o.count == 0 || len(o.numbers) == 0 || o.owed&^u.s.cfg.Replication.all() != 0 {
				u.problem("batch %x: %v has %d updates by %d records, owed by %b", key, o.fid, o.count, len(o.numbers), o.owed)
			}
			for _, n := range o.numbers {
				if !b.has(coda.StoreID{Client: id.client, Number: n}) {
					u.problem("batch %x: %v was changed by record %d", key, o.fid, n)
				}
			}
		}
		return u.ctx.Err()
	})
}

func (u *unsettledCheck) objects() error {
	err := scan(u.view, []byte{unsettledPrefix}, func(key, value []byte) error {
		fid, err := fidOf(key)
		if err != nil {
			u.problem("unsettled object: %v", err)
			return nil
		}
		row, err := decodeUnsettled(fid.Volume, value)
		if err != nil {
			u.problem("unsettled %v: %v", fid, err)
			return nil
		}
		u.of[fid] = true
		object, err := getVnode(u.view, fid)
		switch {
		case err != nil:
			u.problem("unsettled %v: %v", fid, err)
		case object != nil && row.removed != nil:
			u.problem("%v was removed by %v and is there", fid, row.removed.update)
		case object != nil && len(row.acls) > 0 && object.status.ACL != aclOf(row.acls):
			u.problem("%v does not have the ACL that %d changes leave", fid, len(row.acls))
		case len(row.acls) > 0 && !fid.IsDirectory():
			u.problem("%v has an ACL", fid)
		}
		for i, a := range row.acls {
			if _, err := coda.DecodeACL([]byte(a.acl)); err != nil || a.acl == "" || a.update.IsZero() || i > 0 && compareUpdates(row.acls[i-1].update, a.update) >= 0 {
				u.problem("the ACL of %v was changed by %v: %v", fid, a.update, err)
			}
		}
		if !u.touched[fid] {
			u.problem("%v is unsettled, no batch has changed it", fid)
		}
		return u.ctx.Err()
	})
	for fid := range u.touched {
		if !u.of[fid] {
			u.problem("%v was changed by a batch and is not unsettled", fid)
		}
	}
	return err
}

func (u *unsettledCheck) namesOf() error {
	return scan(u.view, []byte{renamedPrefix}, func(key, value []byte) error {
		dir, err := fidOf(key)
		if err != nil {
			u.problem("unsettled name: %v", err)
			return nil
		}
		name := string(key[1+fidSize:])
		row, err := decodeName(dir, name, value)
		if err != nil {
			u.problem("unsettled name %q in %v: %v", name, dir, err)
			return nil
		}
		e, _, err := getEntry(u.view, dir, name)
		switch {
		case err != nil:
			u.problem("unsettled name %q in %v: %v", name, dir, err)
		case e != row.entry:
			u.problem("%q in %v stands for %v, by %v for %v", name, dir, e.Fid, row.update, row.entry.Fid)
		case !u.knows(row.update) && !slices.ContainsFunc(row.also, func(r reason) bool { return u.knows(r.update) || u.knows(r.removal) }) && !u.knows(row.removal):
			u.problem("%q in %v was changed by %v, which is of no batch", name, dir, row.update)
		case !u.of[dir] && !row.derived:
			u.problem("%q in %v is unsettled, and the directory is not", name, dir)
		}
		return u.ctx.Err()
	})
}
