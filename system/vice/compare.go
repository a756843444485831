package vice

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// What a join raised in a version from a count that did not have everything may be too low, and once the batches are settled nothing but another join
// would ever tell. So the objects of batches that were joined are remembered, durably and in the commit that forgets the batches, until their versions
// have been compared with those of each other server. A comparison is a join: it may itself give an object another version, of which the others know
// nothing then. That object is remembered again, and who is behind joins in turn.

// compareLater notes the objects of batches that were joined and are being forgotten.
func (a *amendment) compareLater(gone []*heldBatch) error {
	noted := map[coda.Fid]bool{}
	var errs []error
	for _, b := range gone {
		for _, o := range b.objects {
			if !b.joined || noted[o.fid] {
				continue
			}
			noted[o.fid] = true
			errs = append(errs, a.compareWithAll(a.base, a.batch, o.fid))
		}
	}
	return errors.Join(errs...)
}

// compareWithAll puts into a batch of the store that the version of an object is to be compared with those of all other servers.
func (g ground) compareWithAll(base pebble.Reader, b *pebble.Batch, f coda.Fid) error {
	others := (slots(1)<<g.replicas - 1) &^ (1 << g.slot)
	row, _, err := getCompare(base, f)
	return errors.Join(err, b.Set(compareKey(f), compareRow{with: others, times: row.times + 1}.encode(), nil))
}

// getCompare reads with whom the version of an object is to be compared; false where with nobody.
func getCompare(r pebble.Reader, f coda.Fid) (row compareRow, ok bool, err error) {
	ok, err = get(r, compareKey(f), func(b []byte) (err error) {
		row, err = decodeCompare(b)
		return err
	})
	return row, ok, err
}

// comparison is an object whose version is to be compared.
type comparison struct {
	fid coda.Fid
	row compareRow
}

// compareVersions compares versions with those of another server where that is still to be done, by joining it, and has it join this one where it is
// behind.
func (s *Server) compareVersions(ctx context.Context, p *replica) error {
	list, err := s.comparisons(p.slot)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(list, maxAlso) {
		fids := make([]coda.Fid, len(part))
		for i, c := range part {
			fids[i] = c.fid
		}
		behind, err := s.joinTelling(ctx, p, fids)
		if err != nil {
			return err
		}
		if len(behind) > 0 {
			if err := s.joinedBy(ctx, p, behind); err != nil {
				return err
			}
		}
		if err := s.compared(ctx, p.slot, part); err != nil {
			return err
		}
	}
	return nil
}

// comparisons lists what is to be compared with the server in a slot, in the order of fids.
func (s *Server) comparisons(slot int) (list []comparison, err error) {
	v, _, _ := s.promises.read(0)
	defer v.release()
	err = scan(v, []byte{comparePrefix}, func(key, value []byte) error {
		f, err := fidOf(key)
		if err != nil {
			return err
		}
		row, err := decodeCompare(value)
		if err == nil && row.with.has(slot) {
			list = append(list, comparison{f, row})
		}
		return err
	})
	return list, err
}

// compared notes that versions have been compared, unless another batch was settled since they were listed.
func (s *Server) compared(ctx context.Context, slot int, list []comparison) error {
	return s.amend(ctx, "the comparing of versions", func(a *amendment) error {
		var errs []error
		for _, c := range list {
			row, ok, err := getCompare(a.base, c.fid)
			row.with &^= 1 << slot
			switch {
			case err != nil || !ok || row.times != c.row.times:
				errs = append(errs, err)
			case row.with == 0:
				errs = append(errs, a.batch.Delete(compareKey(c.fid), nil))
			default:
				errs = append(errs, a.batch.Set(compareKey(c.fid), row.encode(), nil))
			}
		}
		return errors.Join(errs...)
	})
}
