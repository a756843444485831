package vice

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// heldBatch is a batch that a replica has and of which it cannot know that all have it, or has not heard that all know that.
type heldBatch struct {
	batchID
	batchRow
}

// has reports whether an update is one of the batch's.
func (b *heldBatch) has(s coda.StoreID) bool {
	return s.Client == b.client && s.Number >= b.first && s.Number <= b.last && !slices.Contains(b.refused, s.Number)
}

// knowledge is the batches that a replica has, to be asked for single updates.
type knowledge struct {
	batches map[batchID]*heldBatch
	clients map[coda.ClientID]*held
}

// held is the batches of one client in the order of their first records.
type held struct {
	list   []*heldBatch
	latest []uint64 // the largest last record of the batches up to the one with this index
}

func newKnowledge(list []*heldBatch) *knowledge {
	k := &knowledge{batches: map[batchID]*heldBatch{}, clients: map[coda.ClientID]*held{}}
	for _, b := range list {
		k.batches[b.batchID] = b
		c := k.clients[b.client]
		if c == nil {
			c = &held{}
			k.clients[b.client] = c
		}
		c.list = append(c.list, b)
	}
	for _, c := range k.clients {
		slices.SortFunc(c.list, func(x, y *heldBatch) int { return cmp.Compare(x.first, y.first) })
		latest := uint64(0)
		for _, b := range c.list {
			latest = max(latest, b.last)
			c.latest = append(c.latest, latest)
		}
	}
	return k
}

// find gives the batch that an update is of, nil for none.
func (k *knowledge) find(s coda.StoreID) *heldBatch {
	c := k.clients[s.Client]
	if c == nil || s.IsZero() {
		return nil
	}
	i, found := slices.BinarySearchFunc(c.list, s.Number, func(b *heldBatch, n uint64) int { return cmp.Compare(b.first, n) })
	if !found {
		i--
	}
	for ; i >= 0 && c.latest[i] >= s.Number; i-- {
		if c.list[i].has(s) {
			return c.list[i]
		}
	}
	return nil
}

// readBatches reads all batches that the server keeps, in the order of their keys.
func readBatches(r pebble.Reader) ([]*heldBatch, error) {
	var list []*heldBatch
	err := scan(r, []byte{batchPrefix}, func(key, value []byte) error {
		id, err := batchOf(key)
		if err != nil {
			return &coda.Error{Op: "read a batch", Kind: coda.IO, Err: err}
		}
		row, err := decodeBatch(id.volume, value)
		if err != nil {
			return &coda.Error{Op: "read a batch", Kind: coda.IO, Err: err}
		}
		list = append(list, &heldBatch{id, row})
		return nil
	})
	return list, err
}

// compareUpdates orders updates for decisions that have to be the same on all replicas. The order says nothing about time. Settled updates, which
// are zero, come first.
func compareUpdates(a, b coda.StoreID) int {
	return cmp.Or(bytes.Compare(a.Client[:], b.Client[:]), cmp.Compare(a.Number, b.Number))
}
