package vice

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// join is the transaction that makes this replica's state the join of its own and another one's. docs/replication.md has its rules. What comes out is
// a function of the updates that both have seen together, and so the same wherever and in whatever order replicas are joined.
type join struct {
	*transaction
	local  *knowledge
	remote *peerState

	batches map[batchID]*heldBatch // rows to be written
	names   map[location]nameRow   // rows to be written

	moves        map[coda.Fid]map[location]int  // +1: the object has got the name, -1: it has lost it
	length       map[coda.Fid]int               // by how many entries a directory has grown
	heads        map[coda.Fid][]coda.StoreID    // of files in conflict
	derivations  map[coda.Fid][]derivation      // in a directory
	aliases      map[location]map[location]bool // places that are, or were, an alias of a name
	theirAliases map[location]map[location]bool
	after        map[coda.Fid]bool // objects whose existence and place have to be looked at

	contents map[coda.Fid]upload // that have been fetched
	wanted   map[coda.Fid]coda.Status
	out      outcome
}

// derivation is a row that resolution has derived.
type derivation struct {
	at  location
	row nameRow
}

// update stands for the derivation in the digest of its directory: it is the same on all replicas.
func (d derivation) update() coda.StoreID {
	b := append(appendFid([]byte("derived "), d.at.dir), d.at.name...)
	sum := sha256.Sum256(append(b, d.row.shown()...))
	return coda.StoreID{Client: coda.ClientID(sum[:16]), Number: binary.BigEndian.Uint64(sum[16:])}
}

// newJoin makes a join on top of a view. contents are what has been fetched of the other replica so far.
func newJoin(base pebble.Reader, g ground, remote *peerState, contents map[coda.Fid]upload) (*join, error) {
	batches, err := readBatches(base)
	if err != nil {
		return nil, err
	}
	return &join{
		transaction: newTransaction(base, g, batchID{}, nil), local: newKnowledge(batches), remote: remote,
		batches: map[batchID]*heldBatch{}, names: map[location]nameRow{},
		moves: map[coda.Fid]map[location]int{}, length: map[coda.Fid]int{}, heads: map[coda.Fid][]coda.StoreID{}, derivations: map[coda.Fid][]derivation{}, aliases: map[location]map[location]bool{}, theirAliases: map[location]map[location]bool{}, after: map[coda.Fid]bool{},
		contents: contents, wanted: map[coda.Fid]coda.Status{},
	}, nil
}

// work works the join out.
func (j *join) work() error {
	for _, step := range []func() error{j.joinNames, j.joinObjects, j.joinBatches, j.settlePlaces, j.breakCycles, j.finish} {
		if err := step(); err != nil {
			return fmt.Errorf("join the replica in slot %d: %w", j.remote.slot, err)
		}
	}
	return nil
}

// news reports whether an update of the other replica is one that this one has not seen. What all have, this one has forgotten; but a replica that is
// being filled, and asks for everything, may have lost it.
func (j *join) news(s coda.StoreID) bool {
	b := j.remote.known.find(s)
	return b != nil && (!b.everywhere || j.remote.everything) && j.local.find(s) == nil
}

// known reports whether the other replica has seen an update of this one.
func (j *join) known(s coda.StoreID) bool {
	if s.IsZero() || j.remote.known.find(s) != nil {
		return true
	}
	b := j.local.find(s)
	return b == nil || b.everywhere
}

// joinBatches notes what this replica knows after the join, and what of the other one's updates is counted in the versions that it takes over.
func (j *join) joinBatches() error {
	for id, theirs := range j.remote.known.batches {
		mine := j.local.batches[id]
		if mine == nil {
			if theirs.everywhere && !j.remote.everything {
				continue // this replica had it, and has forgotten it since all know that it is settled
			}
			row := heldBatch{id, theirs.batchRow}
			j.batches[id] = &row
			for _, o := range row.objects {
				j.after[o.fid] = true
			}
			continue
		}
		row := &heldBatch{id, batchRow{everywhere: mine.everywhere || theirs.everywhere, behind: mine.behind, objects: slices.Clone(mine.objects)}}
		for _, n := range mine.refused {
			if slices.Contains(theirs.refused, n) {
				row.refused = append(row.refused, n)
			}
		}
		row.objects = joinUpdates(row.objects, theirs.objects)
		j.batches[id] = row
	}
	return nil
}

// joinUpdates gives the updates of a batch that one of two replicas has.
func joinUpdates(mine, theirs []batchObject) []batchObject {
	for _, o := range theirs {
		i, found := slices.BinarySearchFunc(mine, o.fid, func(m batchObject, f coda.Fid) int { return m.fid.Compare(f) })
		if !found {
			mine = slices.Insert(mine, i, batchObject{fid: o.fid, count: o.count, numbers: o.numbers})
			continue
		}
		numbers := append(slices.Clone(mine[i].numbers), o.numbers...)
		slices.Sort(numbers)
		mine[i].numbers = slices.Compact(numbers)
	}
	return mine
}
