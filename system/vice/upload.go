package vice

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// uploads takes in the contents that come with one batch, before the batch has its turn. Small ones stay in memory, larger ones
// go to container files, which are synced in parallel with the arrival of the next.
type uploads struct {
	store    *store
	epoch    uint64
	sequence *atomic.Uint64 // of the server
	limits   Limits

	memory  int               // bytes held by arrived
	arrived map[uint64]upload // by record number
	dirs    map[uint64]bool   // directories with new containers
	syncs   errgroup.Group
	current *incoming
}

// upload is contents that have arrived whole.
type upload struct {
	fid     coda.Fid
	content content
	inline  []byte      // of contents in the store
	digest  coda.Digest // of contents that were fetched for a join
}

// incoming is contents that are arriving.
type incoming struct {
	number uint64
	store  coda.Store
	got    uint64
	sum    hash.Hash
	inline []byte    // for the store
	file   disk.File // for a container; nil for the store
	id     contentID
}

func newUploads(s *store, epoch uint64, sequence *atomic.Uint64, limits Limits) *uploads {
	u := &uploads{store: s, epoch: epoch, sequence: sequence, limits: limits, arrived: map[uint64]upload{}, dirs: map[uint64]bool{}}
	u.syncs.SetLimit(parallelSyncs)
	return u
}

// begin starts the contents of the store with this record number.
func (u *uploads) begin(number uint64, o coda.Store) error {
	if o.Length > u.limits.FileLength {
		return coda.Errorf(fmt.Sprintf("store %v", o.Fid), coda.NoSpace, "%d bytes, at most %d are allowed", o.Length, u.limits.FileLength)
	}
	in := &incoming{number: number, store: o, sum: sha256.New(), id: contentID{epoch: u.epoch, sequence: u.sequence.Add(1)}}
	if o.Length > uint64(u.limits.Inline) || u.memory+int(o.Length) > u.limits.InlineBatch {
		file, err := u.store.containers.create(o.Fid, in.id)
		if err != nil {
			return err
		}
		in.file = file
		u.dirs[in.id.sequence%spread] = true
	}
	if in.file == nil {
		in.inline = make([]byte, 0, o.Length)
	}
	u.current = in
	return nil
}

// write takes the next bytes of the contents that began last.
func (u *uploads) write(p []byte) error {
	in := u.current
	if in == nil {
		return coda.Errorf("receive contents", coda.Invalid, "they follow no store")
	}
	if in.got += uint64(len(p)); in.got > in.store.Length {
		return coda.Errorf(fmt.Sprintf("store %v", in.store.Fid), coda.Invalid, "more than the %d bytes that were announced", in.store.Length)
	}
	in.sum.Write(p)
	if in.file == nil {
		in.inline = append(in.inline, p...)
		return nil
	}
	if _, err := in.file.Write(p); err != nil {
		return diskError(fmt.Sprintf("write the container of %v", in.store.Fid), err)
	}
	return nil
}

// end closes the contents that began last, if there are any, and checks that they are what was announced.
func (u *uploads) end() error {
	in := u.current
	if in == nil {
		return nil
	}
	op := fmt.Sprintf("store %v", in.store.Fid)
	if in.got != in.store.Length {
		return coda.Errorf(op, coda.Invalid, "%d bytes of %d arrived", in.got, in.store.Length)
	}
	if got := coda.Digest(in.sum.Sum(nil)); got != in.store.Digest {
		return coda.Errorf(op, coda.Invalid, "the contents have digest %v and not %v", got, in.store.Digest)
	}
	arrived := upload{fid: in.store.Fid}
	switch {
	case in.file != nil:
		arrived.content = content{place: inContainer, id: in.id}
		u.syncs.Go(func() error { return errors.Join(in.file.Sync(), in.file.Close()) })
	case in.got > 0:
		arrived.content = content{place: inStore, id: in.id}
		arrived.inline = in.inline
		u.memory += len(arrived.inline)
	}
	u.arrived[in.number] = arrived
	u.current = nil
	return nil
}

// sync returns when all containers that arrived are durable.
func (u *uploads) sync() error {
	if err := u.syncs.Wait(); err != nil {
		return diskError("sync containers", err)
	}
	return u.store.containers.syncDirectories(u.dirs)
}

// hand gives contents over to the objects that have taken them.
func (u *uploads) hand(taken map[uint64]upload) {
	for number, a := range taken {
		delete(u.arrived, number)
		if a.content.place == inContainer {
			u.store.containers.settle(a.fid, a.content.id)
		}
	}
}

// discard removes the containers of all contents that were not handed over.
func (u *uploads) discard() error {
	err := u.syncs.Wait()
	if in := u.current; in != nil && in.file != nil {
		err = errors.Join(err, in.file.Close(), u.store.containers.remove(in.store.Fid, in.id))
	}
	for _, a := range u.arrived {
		if a.content.place == inContainer {
			err = errors.Join(err, u.store.containers.remove(a.fid, a.content.id))
		}
	}
	u.arrived, u.current = nil, nil
	return err
}
