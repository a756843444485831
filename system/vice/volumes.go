package vice

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Probe answers at once.
func (s *Server) Probe(context.Context, *vicepb.ProbeRequest) (*vicepb.ProbeReply, error) {
	return &vicepb.ProbeReply{ServerEpoch: s.row.epoch}, nil
}

// Volume describes a volume.
func (s *Server) Volume(ctx context.Context, request *vicepb.VolumeRequest) (*vicepb.VolumeReply, error) {
	v, err := s.look(ctx, func(l *locations) *Volume {
		if request.Name == "" {
			return l.find(request.Volume)
		}
		return l.named(request.Name)
	})
	if err == nil && v == nil {
		err = coda.Errorf("find volume", coda.NotFound, "%q", request.Name)
	}
	if err != nil {
		return nil, err
	}
	return s.volumeReply(*v), nil
}

func (s *Server) volumeReply(v Volume) *vicepb.VolumeReply {
	used := s.used.of(v.ID)
	reply := &vicepb.VolumeReply{
		Volume: v.ID, Name: v.Name, Root: wire.FidToProto(coda.RootFid(v.ID)),
		QuotaBytes: v.Quota.Bytes, QuotaObjects: v.Quota.Objects, UsedBytes: used.Bytes, UsedObjects: used.Objects, Locked: v.Locked,
	}
	if r := s.cfg.Replication; r.replicated() {
		reply.Slot, reply.Replicas = uint32(r.Slot), uint32(r.replicas())
	}
	return reply
}

// known gives a volume, and refuses one that there is not.
func (s *Server) known(ctx context.Context, id uint32) (Volume, error) {
	v, err := s.look(ctx, func(l *locations) *Volume { return l.find(id) })
	if err == nil && v == nil {
		err = coda.Errorf("find volume", coda.NotFound, "%x", id)
	}
	if err != nil {
		return Volume{}, err
	}
	return *v, nil
}

// look finds a volume, nil where there is none. A volume may be new and this server not have heard of it: then the others are asked, and where one of them
// cannot be reached nobody knows.
func (s *Server) look(ctx context.Context, find func(*locations) *Volume) (*Volume, error) {
	if v := find(s.locations.Load()); v != nil {
		return v, nil
	}
	waiting(ctx, "the other servers' word on a volume")
	defer waiting(ctx, "")
	err := s.eachPeer(ctx, s.askCell)
	v := find(s.locations.Load())
	if v == nil && err != nil {
		return nil, coda.Errorf("find volume", coda.Busy, "this server has not heard of it, and not all others can be asked: %w", err)
	}
	return v, nil
}

// Volumes lists the volumes, by their ids.
func (s *Server) Volumes() []Volume { return slices.Clone(s.locations.Load().volumes) }

// CreateVolume makes a volume on all servers. Its root has an ACL, or that of the configuration where root is "". Like everything that changes volumes it is
// done on the server in slot 0, and is durable there when it returns; the others are told, and those that cannot be reached ask later.
func (s *Server) CreateVolume(ctx context.Context, name string, root coda.ACL) error {
	if root == "" {
		root = s.cfg.RootACL
	}
	return s.changeVolumes(ctx, func(l *locations) (*locations, error) { return l.create(name, root, s.cfg.Entropy) })
}

// PurgeVolume removes a volume with everything in it. What clients have not sent of their work in it they keep as conflicts.
func (s *Server) PurgeVolume(ctx context.Context, name string) error {
	return s.changeVolumes(ctx, func(l *locations) (*locations, error) { return l.purge(name) })
}

// LockVolume has changes that clients make in a volume refused as busy, or ends that. They keep them and try again.
func (s *Server) LockVolume(ctx context.Context, name string, locked bool) error {
	return s.changeVolumes(ctx, func(l *locations) (*locations, error) {
		return l.change(name, func(v *Volume) { v.Locked = locked })
	})
}

// SetQuota bounds what a volume may hold. One that holds more already keeps it.
func (s *Server) SetQuota(ctx context.Context, name string, q Quota) error {
	return s.changeVolumes(ctx, func(l *locations) (*locations, error) {
		return l.change(name, func(v *Volume) { v.Quota = q })
	})
}

// changeVolumes has another volume location database take the place of the one that there is, and tells the other servers. Volumes that are not in it any
// more are removed.
func (s *Server) changeVolumes(ctx context.Context, change func(*locations) (*locations, error)) error {
	if err := s.mayMake("volumes"); err != nil {
		return err
	}
	if err := s.relocating.take(ctx, "a change"); err != nil {
		return err
	}
	defer s.relocating.give()
	next, err := change(s.locations.Load())
	if err == nil {
		err = s.storeLocations(ctx, next)
	}
	if err != nil {
		return err
	}
	s.tellCell(ctx)
	return nil
}

// takeLocations takes the database of another server over if it is newer.
func (s *Server) takeLocations(ctx context.Context, l *locations) error {
	if !l.newer(s.locations.Load()) {
		return nil
	}
	if err := s.relocating.take(ctx, "the word of another server"); err != nil {
		return err
	}
	defer s.relocating.give()
	if !l.newer(s.locations.Load()) {
		return nil
	}
	return s.storeLocations(ctx, l)
}

// storeLocations makes a database durable together with the roots of new volumes and without what was in those that are gone, and then the present one. The
// caller has the turn.
func (s *Server) storeLocations(ctx context.Context, next *locations) error {
	if err := s.writer.take(ctx, "a change of volumes"); err != nil {
		return err
	}
	defer s.writer.give()
	base, _, _ := s.promises.read(0)
	defer base.release()
	b := s.store.db.NewBatch()
	defer b.Close()
	now := s.locations.Load()
	if err := b.Set(locationsKey(), next.encode(), nil); err != nil {
		return err
	}
	for _, v := range next.volumes {
		if now.find(v.ID) == nil {
			if err := s.makeRoot(b, v); err != nil {
				return err
			}
		}
	}
	var garbage []upload
	purged := false
	for _, v := range now.volumes {
		if next.find(v.ID) != nil {
			continue
		}
		purged = true
		contents, err := purge(ctx, base, b, v.ID)
		if err != nil {
			return fmt.Errorf("purge volume %s: %w", v.Name, err)
		}
		garbage = append(garbage, contents...)
	}
	s.store.commit(b)
	s.retire(garbage, func() {
		s.locations.Store(next)
		s.used.keep(next)
		s.promises.advance(s.newView())
		for _, v := range next.volumes {
			if was := now.find(v.ID); was != nil && was.Quota != v.Quota {
				s.promises.tellRoom(s.room(v.ID), 0)
			}
		}
		if purged {
			s.promises.dismiss("a volume was purged")
		}
	})
	s.cfg.Log.Info("volumes have changed", "version", next.version, "volumes", len(next.volumes))
	return nil
}

// makeRoot makes the root of a volume, the same on all servers.
func (s *Server) makeRoot(b *pebble.Batch, v Volume) error {
	root := vnode{status: coda.Status{Fid: coda.RootFid(v.ID), Kind: coda.Directory, Mode: 0o755, Links: 1, ACL: v.RootACL}}
	r := s.cfg.Replication
	for i := range r.replicas() {
		root.status.Version.Slots[i] = 1
	}
	root.status.Version.Store = rootStore(v)
	if r.replicated() {
		root.status.Digest = coda.Digest{}.After(root.status.Version.Store)
	}
	if v.RootACL != "" {
		s.restricted.Store(true)
	}
	return b.Set(vnodeKey(root.status.Fid), root.encode(), nil)
}

// purge removes everything about a volume, and lists the contents of its files.
func purge(ctx context.Context, base pebble.Reader, b *pebble.Batch, volume uint32) (garbage []upload, err error) {
	err = scanVnodes(base, inVolume(vnodePrefix, volume), func(v *vnode) error {
		if v.content.place != nowhere {
			garbage = append(garbage, upload{fid: v.status.Fid, content: v.content})
		}
		if v.content.place == inStore {
			return b.Delete(dataKey(v.content.id), nil)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	for _, prefix := range []byte{vnodePrefix, entryPrefix, replayPrefix, batchPrefix, unsettledPrefix, renamedPrefix, comparePrefix} {
		start := inVolume(prefix, volume)
		if err := b.DeleteRange(start, after(start), nil); err != nil {
			return nil, err
		}
	}
	return garbage, nil
}

// usages says how much of their quotas volumes have used.
type usages struct {
	mu      sync.Mutex
	by      map[uint32]growth
	changes uint64 // how often something was changed, quotas included
}

// growth is how much a volume holds, or has more than before.
type growth struct {
	bytes, objects int64
}

// of gives what a volume has used.
func (u *usages) of(volume uint32) Quota {
	u.mu.Lock()
	defer u.mu.Unlock()
	g := u.by[volume]
	return Quota{Bytes: uint64(max(g.bytes, 0)), Objects: uint64(max(g.objects, 0))}
}

// found notes an object that there is.
func (u *usages) found(v *vnode) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.add(v, 1)
}

// changed notes what a transaction has done.
func (u *usages) changed(t *transaction) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.changes++
	for _, o := range t.vnodes {
		if o.before != o.now {
			u.add(o.before, -1)
			u.add(o.now, 1)
		}
	}
}

func (u *usages) add(v *vnode, sign int64) {
	if v == nil || v.status.Parent.IsZero() {
		return
	}
	g := u.by[v.status.Fid.Volume]
	g.objects += sign
	if v.status.Kind == coda.File {
		g.bytes += sign * int64(v.status.Length)
	}
	u.by[v.status.Fid.Volume] = g
}

// keep forgets all volumes that are not in a database.
func (u *usages) keep(l *locations) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.changes++
	for id := range u.by {
		if l.find(id) == nil {
			delete(u.by, id)
		}
	}
}

// within tells a transaction which volume it is in, and what that has used.
func (t *transaction) within(v Volume, used Quota) {
	t.quota, t.used = v.Quota, growth{bytes: int64(used.Bytes), objects: int64(used.Objects)}
}

// room refuses a record that would have the volume hold more than it may. What takes nothing more is not refused.
func (t *transaction) room(objects, bytes int64) error {
	if q := t.quota.Objects; q > 0 && objects > 0 && uint64(max(t.used.objects+objects, 0)) > q {
		return refuse(coda.QuotaExceeded, "the volume has %d objects and may have %d", t.used.objects, q)
	}
	if q := t.quota.Bytes; q > 0 && bytes > 0 && uint64(max(t.used.bytes+bytes, 0)) > q {
		return refuse(coda.QuotaExceeded, "the volume has %d bytes and may have %d, %d more are asked for", t.used.bytes, q, bytes)
	}
	return nil
}
