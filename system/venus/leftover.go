package venus

import "github.com/codastress/codastress/system/disk"

// rescue gives a record that the log held before the last crash another container if anybody may still write to its own: a program that had the file
// open for writing when venus was killed goes on writing, and must not change what was acknowledged to it and to others. The old container is never
// used again. It reports whether it has put another one in its place, which the metadata do not know yet.
//
// What the program writes before the copy is made, and meanwhile, is in it or not, as with any write that a crash overtakes. Where there is no space
// for a copy the record keeps its container, since a cache that cannot be opened would lose more.
func (v *Venus) rescue(r *record) (bool, error) {
	old := r.contents
	from, err := old.open(v.cfg.Disk)
	if err != nil {
		return false, err
	}
	defer old.close()
	written, err := v.containers.hasWriters(from)
	if err == nil && !written {
		return false, nil
	}
	v.logger.Info("contents that a program may still write to are copied", "record", r.Number, "container", old.name, "error", err)
	k, size, err := v.copyOf(from, r.synced)
	if err != nil {
		v.logger.Error("contents that a program may still write to could not be copied", "record", r.Number, "error", err)
		return false, nil
	}
	k.synced = r.synced
	v.resize(k, uint64(size))
	r.contents = v.retain(k)
	v.release(old)
	return true, nil
}

// copyOf makes a container with the contents of a file, and syncs it where that is asked for.
func (v *Venus) copyOf(from disk.File, synced bool) (k *container, size int64, err error) {
	k, to, err := v.containers.create()
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		_ = to.Close() // what can fail has been asked for
		if err != nil {
			_ = v.cfg.Disk.Remove(k.path())
		}
	}()
	if err := to.CopyFrom(from); err != nil {
		return nil, 0, containerError("copy into container "+k.name, err)
	}
	if synced {
		if err := v.syncContainer(to); err != nil {
			return nil, 0, err
		}
	}
	info, err := to.Stat()
	if err != nil {
		return nil, 0, containerError("look at container "+k.name, err)
	}
	return k, info.Size(), nil
}
