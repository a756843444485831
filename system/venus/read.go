package venus

import (
	"context"

	"github.com/codastress/codastress/system/coda"
)

// Root gives the volume's root directory.
func (v *Venus) Root(ctx context.Context) (coda.Status, error) {
	ctx, c, err := v.upcall(ctx, "root", coda.Fid{}, "", observing)
	if err != nil {
		return coda.Status{}, err
	}
	defer c.leave()
	root, err := v.root(ctx, c)
	if err != nil {
		return coda.Status{}, err
	}
	return v.attributes(ctx, c, root)
}

// root gives the fid of the root, once it is known.
func (v *Venus) root(ctx context.Context, c *call) (coda.Fid, error) {
	for {
		v.mu.Lock()
		root, state, changed, closed, err := v.volume.Root, v.group.state, v.group.changed, v.closed, v.group.why()
		v.mu.Unlock()
		switch {
		case closed:
			return coda.Fid{}, c.fail(coda.Closed, "venus is stopping")
		case !root.IsZero():
			return root, nil
		case state == linkDown:
			return coda.Fid{}, c.fail(coda.TimedOut, "the server has not been reached yet: %w", orUnknown(err))
		}
		if err := c.wait(ctx, changed, "the server"); err != nil {
			return coda.Fid{}, err
		}
	}
}

// Lookup finds a name in a directory. A free name gives coda.NotFound, and a mount link the root of the volume, if there is such a volume.
func (v *Venus) Lookup(ctx context.Context, dir coda.Fid, name string) (coda.Status, error) {
	ctx, c, err := v.upcall(ctx, "lookup", dir, name, observing)
	if err != nil {
		return coda.Status{}, err
	}
	defer c.leave()
	if err := v.permit(ctx, c, dir, coda.Lookup); err != nil {
		return coda.Status{}, err
	}
	o, err := v.child(ctx, c, dir, name, needStatus)
	if err != nil {
		return coda.Status{}, err
	}
	s := o.status()
	v.mu.Unlock()
	return v.cross(ctx, c, place{dir, name}, s)
}

// child finds what a name stands for, fit for a need. On success it returns with v.mu held.
func (v *Venus) child(ctx context.Context, c *call, dir coda.Fid, name string, n need) (*object, error) {
	if len(name) > coda.MaxNameLength {
		return nil, c.fail(coda.NameTooLong, "%d bytes", len(name))
	}
	for {
		d, err := v.directory(ctx, c, dir)
		if err != nil {
			return nil, err
		}
		e, ok := v.entry(c, d, name)
		if !ok {
			v.mu.Unlock()
			return nil, c.fail(coda.NotFound, "no such name")
		}
		if o := v.objects[e.Fid]; o != nil && o.exists() && v.judge(o, n) == useCache {
			v.use(o)
			o.saw(place{dir, name})
			return o, nil
		}
		v.mu.Unlock()
		o, err := v.ensure(ctx, c, e.Fid, n, siblings{dir: d, after: name})
		switch {
		case err == nil:
			if again, ok := v.entry(c, d, name); ok && again.Fid == e.Fid {
				o.saw(place{dir, name})
				return o, nil
			}
			v.mu.Unlock() // the name changed meanwhile
		case coda.KindOf(err) != coda.NotFound:
			return nil, err
		}
		if err := v.settleName(ctx, c, d, name, e); err != nil {
			return nil, err
		}
	}
}

// settleName waits until a directory no longer has an entry for an object that is gone: the directory's change is on its way.
func (v *Venus) settleName(ctx context.Context, c *call, d *object, name string, e coda.Entry) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if again, ok := v.entry(c, d, name); !ok || again.Fid != e.Fid {
		return nil
	}
	// What a client had put into a directory of its own, which the server refused, is not settled any more.
	if d.madeUp || len(d.touches()[name]) > 0 || ctx.Err() != nil || c.overdue() || v.group.state != linkUp {
		return c.fail(coda.NotFound, "the object that the name stands for is gone")
	}
	v.voidPromise(d)
	d.listing().at = coda.VersionVector{}
	return nil
}

// directory waits until the names of a directory can be used. On success it returns with v.mu held.
func (v *Venus) directory(ctx context.Context, c *call, dir coda.Fid) (*object, error) {
	if !dir.IsDirectory() {
		return nil, c.fail(coda.NotDirectory, "%v is none", dir)
	}
	return v.ensure(ctx, c, dir, needEntries, siblings{})
}

// GetAttributes gives the status of an object. Of a file that is open for writing on this client it has the length and time of the data written
// so far.
func (v *Venus) GetAttributes(ctx context.Context, f coda.Fid) (coda.Status, error) {
	ctx, c, err := v.upcall(ctx, "getattr", f, "", observing)
	if err != nil {
		return coda.Status{}, err
	}
	defer c.leave()
	if err := v.permit(ctx, c, f, coda.Lookup); err != nil {
		return coda.Status{}, err
	}
	return v.attributes(ctx, c, f)
}

func (v *Venus) attributes(ctx context.Context, c *call, f coda.Fid) (coda.Status, error) {
	o, err := v.ensure(ctx, c, f, needStatus, siblings{})
	if err != nil {
		return coda.Status{}, err
	}
	defer v.mu.Unlock()
	return o.status(), nil
}

// ReadDirectory gives the names in a directory at one moment, in order.
func (v *Venus) ReadDirectory(ctx context.Context, f coda.Fid) ([]coda.Entry, error) {
	ctx, c, err := v.upcall(ctx, "readdir", f, "", observing)
	if err != nil {
		return nil, err
	}
	defer c.leave()
	if err := v.permit(ctx, c, f, coda.Lookup); err != nil {
		return nil, err
	}
	d, err := v.directory(ctx, c, f)
	if err != nil {
		return nil, err
	}
	defer v.mu.Unlock()
	return v.entriesOf(d), nil
}

// ReadLink gives the target of a symlink.
func (v *Venus) ReadLink(ctx context.Context, f coda.Fid) (string, error) {
	ctx, c, err := v.upcall(ctx, "readlink", f, "", observing)
	if err != nil {
		return "", err
	}
	defer c.leave()
	if err := v.permit(ctx, c, f, coda.Lookup); err != nil {
		return "", err
	}
	s, err := v.attributes(ctx, c, f)
	if err != nil {
		return "", err
	}
	if s.Kind != coda.Symlink {
		return "", c.fail(coda.Invalid, "it is a %v", s.Kind)
	}
	return s.Target, nil
}

// StatFS describes the space of the cache, as Coda does: the server's is not known.
type StatFS struct {
	BlockSize   uint64 // bytes
	Blocks      uint64 // of the cache
	FreeBlocks  uint64
	Objects     uint64 // that the cache can hold
	FreeObjects uint64
}

// StatFS gives the space of the cache.
func (v *Venus) StatFS(ctx context.Context) (StatFS, error) {
	_, c, err := v.upcall(ctx, "statfs", coda.Fid{}, "", observing)
	if err != nil {
		return StatFS{}, err
	}
	defer c.leave()
	const block = 4096
	free, err := v.containers.freeBytes()
	if err != nil {
		return StatFS{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	left := uint64(0)
	if used := uint64(max(v.cacheBytes, 0)); used < v.cfg.Limits.CacheBytes {
		left = min(v.cfg.Limits.CacheBytes-used, free)
	}
	return StatFS{
		BlockSize: block, Blocks: v.cfg.Limits.CacheBytes / block, FreeBlocks: left / block,
		Objects: uint64(v.cfg.Limits.CacheObjects), FreeObjects: uint64(max(v.cfg.Limits.CacheObjects-len(v.objects), 0)),
	}, nil
}
