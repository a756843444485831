package vice

import (
	"bytes"
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire/peerpb"
)

// Damage changes the store behind the server's back, and lets readers see it.
func (s *Server) Damage(do func(*pebble.Batch) error) error {
	b := s.store.db.NewBatch()
	defer b.Close()
	if err := do(b); err != nil {
		return err
	}
	s.store.commit(b)
	s.promises.mu.Lock()
	defer s.promises.mu.Unlock()
	s.promises.current.release()
	s.promises.current = s.newView()
	return nil
}

// Keys and rows, for Damage.
func VnodeKey(f coda.Fid) []byte                 { return vnodeKey(f) }
func EntryKey(dir coda.Fid, name string) []byte  { return entryKey(dir, name) }
func EntryRow(e coda.Entry) []byte               { return encodeEntry(e) }
func DataKey(sequence uint64) []byte             { return dataKey(contentID{1, sequence}) }
func ReplayKey(v uint32, c coda.ClientID) []byte { return replayKey(v, c) }
func ReplayRow(last, first, refused uint64) []byte {
	return replayRow{last: last, first: first, refusals: []coda.Refusal{{Number: refused, Kind: coda.Conflict}}}.encode()
}

// ChangeVnode gives the row of an object after a change of its status.
func (s *Server) ChangeVnode(f coda.Fid, change func(*coda.Status)) []byte {
	v, err := getVnode(s.store.db, f)
	if err != nil || v == nil {
		return nil
	}
	change(&v.status)
	return v.encode()
}

// ReadFromDisk says how many blocks of the store were not in memory when they were read.
func (s *Server) ReadFromDisk() int64 { return s.store.db.Metrics().BlockCache.Misses }

// Unsettled counts the rows that the server keeps about what is unsettled.
func (s *Server) Unsettled() int {
	n := 0
	v, _, _ := s.promises.read(0)
	defer v.release()
	for _, prefix := range []byte{batchPrefix, unsettledPrefix, renamedPrefix, comparePrefix, fillingPrefix} {
		_ = scan(v, []byte{prefix}, func(_, _ []byte) error {
			n++
			return nil
		})
	}
	return n
}

// JoinFrom has the server join the state of the one in a slot.
func (s *Server) JoinFrom(ctx context.Context, slot int) error {
	p, err := s.peerAt(slot)
	if err != nil {
		return err
	}
	return s.join(ctx, p, nil)
}

// JoinOutdated has the server join the state of the one in a slot, of which much has become outdated meanwhile.
func (s *Server) JoinOutdated(ctx context.Context, slot int, meanwhile func()) error {
	p, err := s.peerAt(slot)
	if err != nil {
		return err
	}
	pool := &fetchedContents{s: s, peer: p, by: map[coda.Fid]upload{}}
	defer pool.discard()
	asked, err := s.ask(ctx, p, &peerpb.UnsettledRequest{})
	if err != nil {
		return err
	}
	meanwhile()
	_, err = s.commitJoin(ctx, asked, pool)
	return err
}

// ErrMovedOn is the failure of a join that has to be tried again.
var ErrMovedOn = errMovedOn

// Settle has the server settle with all others what there is to settle, as its attendants do.
func (s *Server) Settle(ctx context.Context) error {
	for _, p := range s.peers {
		if err := s.settleWith(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// Rows of what is unsettled, by kind, for Damage.
const (
	BatchRows     = batchPrefix
	UnsettledRows = unsettledPrefix
	NameRows      = renamedPrefix
	FillingRows   = fillingPrefix
)

// Rows gives the keys and values of all rows of a kind, in order.
func (s *Server) Rows(kind byte) (keys, values [][]byte) {
	_ = scan(s.store.db, []byte{kind}, func(key, value []byte) error {
		keys, values = append(keys, bytes.Clone(key)), append(values, bytes.Clone(value))
		return nil
	})
	return keys, values
}

// UnsettledKey is the key of what is unsettled of an object.
func UnsettledKey(f coda.Fid) []byte { return unsettledKey(f) }

// CompareKey is the key of with whom the version of an object is to be compared.
func CompareKey(f coda.Fid) []byte { return compareKey(f) }

// AskCell asks all other servers for users, groups and volumes.
func (s *Server) AskCell(ctx context.Context) error {
	var failed error
	for _, p := range s.peers {
		if err := s.askCell(ctx, p); err != nil {
			failed = err
		}
	}
	return failed
}
