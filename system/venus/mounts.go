package venus

import (
	"context"
	"slices"
	"strings"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Volumes are mounted in others by symlinks of a certain form (coda.MountLink): a lookup that comes to one gives the root of the volume in its place. Which
// volume has the name is asked of the servers, once in a session with them, and remembered for when none can be reached.

// mounts are the volumes that were seen mounted, by their names. Guarded by v.mu.
type mounts map[string]*mounted

// mounted is a volume and where it was seen last. The exported fields are durable.
type mounted struct {
	Volume uint32
	Dir    coda.Fid
	Name   string

	asked bool // since the last session began
}

// doubt has the servers asked again what the names stand for.
func (m mounts) doubt() {
	for _, at := range m {
		at.asked = false
	}
}

// place is where a volume was seen last.
func (m mounts) place(volume uint32) (dir coda.Fid, name string, ok bool) {
	for _, at := range m {
		if at.Volume == volume {
			return at.Dir, at.Name, true
		}
	}
	return coda.Fid{}, "", false
}

// isRoot reports whether f is the root of a volume.
func isRoot(f coda.Fid) bool { return f == coda.RootFid(f.Volume) }

// volumeOf is the volume that a record is about.
func volumeOf(r coda.Record) uint32 { return r.Operation.Target().Volume }

// cross gives the root of the volume that a mount link leads to; for everything else, and for a link that leads nowhere, what was looked up.
func (v *Venus) cross(ctx context.Context, c *call, at place, found coda.Status) (coda.Status, error) {
	name, mounts := coda.MountedVolume(found.Target)
	if !mounts {
		return found, nil
	}
	volume, err := v.volumeNamed(ctx, c, name)
	if coda.KindOf(err) == coda.NotFound {
		return found, nil
	}
	if err != nil {
		return coda.Status{}, err
	}
	if err := v.seeMounted(name, volume, at); err != nil {
		return coda.Status{}, err
	}
	root, err := v.attributes(ctx, c, coda.RootFid(volume))
	if coda.KindOf(err) == coda.NotFound {
		return found, nil // the volume has just been purged
	}
	return root, err
}

// volumeNamed gives the id of a volume. Where the servers cannot be asked it is what they said last.
func (v *Venus) volumeNamed(ctx context.Context, c *call, name string) (uint32, error) {
	v.mu.Lock()
	known, up := v.mounts[name], v.group.state == linkUp
	var volume uint32
	if known != nil {
		volume = known.Volume
	}
	sure := known != nil && (known.asked || !up)
	v.mu.Unlock()
	switch {
	case sure:
		return volume, nil
	case !up:
		return 0, c.fail(coda.TimedOut, "no server can be asked about volume %s", name)
	}
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timing.Idle)
	defer cancel()
	reply, err := v.preferred().vice.Volume(ctx, &vicepb.VolumeRequest{Name: name})
	if err = wire.FromError("look up volume "+name, err); err != nil {
		if kind := coda.KindOf(err); known != nil && (kind == coda.TimedOut || kind == coda.Busy) {
			return volume, nil
		}
		return 0, c.wrap(err)
	}
	if reply.Volume == 0 {
		return 0, c.fail(coda.Invalid, "the server says that volume %s has no id", name)
	}
	return reply.Volume, nil
}

// seeMounted remembers, durably, that a volume was seen mounted.
func (v *Venus) seeMounted(name string, volume uint32, at place) error {
	v.mu.Lock()
	known := v.mounts[name]
	if known != nil && known.Volume == volume && known.Dir == at.dir && known.Name == at.name {
		known.asked = known.asked || v.group.state == linkUp
		v.mu.Unlock()
		return nil
	}
	t := v.store.begin()
	v.mounts[name] = &mounted{Volume: volume, Dir: at.dir, Name: at.name, asked: v.group.state == linkUp}
	t.meta(metaMounts, v.mounts)
	return v.done(t)
}

// through gives the root of the volume that an object mounts, as far as the cache knows it, and everything else as it is. v.mu is held.
func (v *Venus) through(o *object) *object {
	if o == nil {
		return nil
	}
	name, mounts := coda.MountedVolume(o.local().Target)
	if at := v.mounts[name]; mounts && at != nil {
		return v.objects[coda.RootFid(at.Volume)]
	}
	return o
}

// Listed gives what an entry of a listing is: the root of the volume that it mounts, and 0 for the kind where only a lookup can tell whether it mounts one.
func (v *Venus) Listed(e coda.Entry) coda.Entry {
	if role, _ := unshadow(e.Fid); e.Kind != coda.Symlink || role != 0 {
		return e
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	o := v.objects[e.Fid]
	if o == nil || !o.known() && !o.ours() {
		e.Kind = 0
		return e
	}
	if name, mounts := coda.MountedVolume(o.local().Target); mounts {
		e.Kind = 0
		if at := v.mounts[name]; at != nil && v.objects[coda.RootFid(at.Volume)] != nil {
			e.Fid, e.Kind = coda.RootFid(at.Volume), coda.Directory
		}
	}
	return e
}

// Mount mounts a volume at a free name. It is done when the servers have it, and they are needed.
func (v *Venus) Mount(ctx context.Context, dir coda.Fid, name, volume string) error {
	if err := coda.ValidVolumeName(volume); err != nil {
		return err
	}
	return v.changeMount(ctx, "mkmount", place{dir, name}, func(ctx context.Context, c *call) error {
		if _, err := v.volumeNamed(ctx, c, volume); err != nil {
			return err
		}
		t := v.store.begin().by(c.user(v))
		o, err := v.make(ctx, c, t, dir, name, coda.Symlink, func(f coda.Fid) coda.Operation {
			return coda.MakeSymlink{Parent: dir, Name: name, Fid: f, PointsTo: coda.MountLink(volume)}
		})
		if err != nil {
			return t.abandon(err)
		}
		return v.concludeNow(ctx, c, t, o.pending()[len(o.pending())-1])
	})
}

// Unmount removes a mount link; the volume stays. It is done when the servers have it, and they are needed.
func (v *Venus) Unmount(ctx context.Context, dir coda.Fid, name string) error {
	return v.changeMount(ctx, "rmmount", place{dir, name}, func(ctx context.Context, c *call) error {
		o, err := v.child(ctx, c, dir, name, needStatus)
		if err != nil {
			return err
		}
		_, mounts := coda.MountedVolume(o.local().Target)
		v.mu.Unlock()
		if !mounts {
			return c.fail(coda.Invalid, "it is no mount link")
		}
		return v.removeBy(ctx, c, dir, name, v.concludeNow)
	})
}

// changeMount makes or removes a mount link while a server is in reach.
func (v *Venus) changeMount(ctx context.Context, op string, at place, change func(context.Context, *call) error) error {
	ctx, c, err := v.upcall(ctx, op, at.dir, at.name, mutating)
	if err != nil {
		return err
	}
	defer c.leave()
	c.mounts = true
	if err := v.permit(ctx, c, at.dir, coda.Lookup); err != nil {
		return err
	}
	if _, err := v.reached(ctx, c, at.dir); err != nil {
		return err
	}
	v.mu.Unlock()
	// The kernel, which has not asked for this, may know what was at the name before.
	defer v.notices.object(at.dir)
	defer v.notices.entry(at.dir, at.name)
	return change(ctx, c)
}

// concludeNow ends a change whose record has been logged when the server has answered it: a refusal is the caller's, and no conflict. It is called with v.mu
// held and returns without.
func (v *Venus) concludeNow(ctx context.Context, c *call, t *tx, r *record) error {
	if r == nil {
		return v.done(t)
	}
	r.connected = true
	if err := v.done(t); err != nil {
		return err
	}
	return connected{v}.await(ctx, c, r)
}

// MountedVolume is a volume that was seen mounted.
type MountedVolume struct {
	Name       string
	ID         uint32
	Path       string // where, from the root
	LogRecords int    // of the modify log that are about it
}

// MountedVolumes lists the volumes that were seen mounted, by their paths.
func (v *Venus) MountedVolumes() []MountedVolume {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.mounts) == 0 {
		return nil
	}
	records := map[uint32]int{}
	for r := v.log.head; r != nil; r = r.next {
		records[volumeOf(r.Record)]++
	}
	list := make([]MountedVolume, 0, len(v.mounts))
	for name, at := range v.mounts {
		path := strings.TrimPrefix(v.pathOf(at.Dir)+"/"+printablePath("", at.Name), "/")
		list = append(list, MountedVolume{Name: name, ID: at.Volume, Path: path, LogRecords: records[at.Volume]})
	}
	slices.SortFunc(list, func(a, b MountedVolume) int { return strings.Compare(a.Path, b.Path) })
	return list
}
