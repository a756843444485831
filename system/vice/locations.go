package vice

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// Volume is what the servers know of a volume, and say to everybody who asks for it.
type Volume struct {
	ID      uint32
	Name    string
	RootACL coda.ACL // that its root had when it was made
	Quota   Quota
	Locked  bool // changes that clients make are refused as busy
}

// Quota bounds what a volume holds. A field of 0 sets no bound.
type Quota struct {
	Bytes   uint64 // of the contents of all files together
	Objects uint64 // files, directories and symlinks, the root not counted
}

// locations is the volume location database: which volumes the servers have. Every server has all of them. It is never changed: another one takes its
// place, made by the server in slot 0, and the one with the larger version is the newer one.
type locations struct {
	version uint64
	volumes []Volume // by rising ids; the first one that was made, from the configuration, has rootVolume
}

const (
	rootVolume = 1 // the id of the volume that the configuration names
	maxVolumes = 10_000
)

// find gives the volume with an id, nil for none.
func (l *locations) find(id uint32) *Volume {
	if i, ok := slices.BinarySearchFunc(l.volumes, id, func(v Volume, id uint32) int { return cmp.Compare(v.ID, id) }); ok {
		return &l.volumes[i]
	}
	return nil
}

// named gives the volume with a name, nil for none.
func (l *locations) named(name string) *Volume {
	if i := slices.IndexFunc(l.volumes, func(v Volume) bool { return v.Name == name }); i >= 0 {
		return &l.volumes[i]
	}
	return nil
}

// existing finds a volume that must be there.
func (l *locations) existing(name string) (*Volume, error) {
	if v := l.named(name); v != nil {
		return v, nil
	}
	return nil, coda.Errorf("find volume", coda.NotFound, "%q", name)
}

// next begins another database, with the same volumes.
func (l *locations) next() *locations {
	return &locations{version: l.version + 1, volumes: slices.Clone(l.volumes)}
}

// create gives a database with one more volume. Its id is drawn, so that none is given a second time, even where a server has lost its disk.
func (l *locations) create(name string, root coda.ACL, entropy io.Reader) (*locations, error) {
	if err := coda.ValidVolumeName(name); err != nil {
		return nil, err
	}
	switch {
	case l.named(name) != nil:
		return nil, coda.Errorf("create volume", coda.Exists, "%q", name)
	case len(l.volumes) >= maxVolumes:
		return nil, coda.Errorf("create volume", coda.NoSpace, "there are %d", len(l.volumes))
	}
	var id [4]byte
	for binary.BigEndian.Uint32(id[:]) == 0 || l.find(binary.BigEndian.Uint32(id[:])) != nil {
		if _, err := io.ReadFull(entropy, id[:]); err != nil {
			return nil, err
		}
	}
	next := l.next()
	next.volumes = append(next.volumes, Volume{ID: binary.BigEndian.Uint32(id[:]), Name: name, RootACL: root})
	slices.SortFunc(next.volumes, func(a, b Volume) int { return cmp.Compare(a.ID, b.ID) })
	return next, nil
}

// purge gives a database without a volume.
func (l *locations) purge(name string) (*locations, error) {
	v, err := l.existing(name)
	if err != nil {
		return nil, err
	}
	if v.ID == rootVolume {
		return nil, coda.Errorf("purge volume", coda.Invalid, "%q is the one at the root", name)
	}
	next := l.next()
	next.volumes = slices.DeleteFunc(next.volumes, func(v Volume) bool { return v.Name == name })
	return next, nil
}

// change gives a database in which something else is said of a volume.
func (l *locations) change(name string, change func(*Volume)) (*locations, error) {
	next := l.next()
	v, err := next.existing(name)
	if err != nil {
		return nil, err
	}
	change(v)
	return next, nil
}

// newer reports whether l takes the place of another one. Of two with the same version, which only a server in slot 0 can make that has lost its disk right
// after it had told one other, all servers choose the same.
func (l *locations) newer(than *locations) bool {
	if l.version != than.version {
		return l.version > than.version
	}
	return bytes.Compare(l.encode(), than.encode()) > 0
}

func (l *locations) encode() []byte {
	b := binary.AppendUvarint(newRow(), l.version)
	b = binary.AppendUvarint(b, uint64(len(l.volumes)))
	for _, v := range l.volumes {
		b = appendString(binary.AppendUvarint(b, uint64(v.ID)), v.Name)
		b = appendString(b, string(v.RootACL))
		b = binary.AppendUvarint(binary.AppendUvarint(b, v.Quota.Bytes), v.Quota.Objects)
		locked := byte(0)
		if v.Locked {
			locked = 1
		}
		b = append(b, locked)
	}
	return b
}

// decodeLocations also reads what another server sends.
func decodeLocations(b []byte) (*locations, error) {
	r := readRow(b)
	l := &locations{version: r.number()}
	names := map[string]bool{}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		v := Volume{ID: r.number32(), Name: r.string(), RootACL: r.acl(), Quota: Quota{Bytes: r.number(), Objects: r.number()}, Locked: r.byte() != 0}
		if _, err := coda.DecodeACL([]byte(v.RootACL)); r.err != nil || err != nil || v.ID == 0 || names[v.Name] || coda.ValidName(v.Name) != nil ||
			len(l.volumes) > 0 && l.volumes[len(l.volumes)-1].ID >= v.ID {
			r.err = errRow
		}
		names[v.Name] = true
		l.volumes = append(l.volumes, v)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	if l.find(rootVolume) == nil || l.version == 0 {
		return nil, errRow
	}
	return l, nil
}
