package vice

import (
	"encoding/binary"
	"errors"

	"github.com/codastress/codastress/system/coda"
)

// place says where the contents of a file are.
type place uint8

const (
	nowhere     place = iota // there are none: length 0
	inStore                  // in the store, under dataKey
	inContainer              // in a container file
)

// contentID names contents for ever: the start of the server in which they arrived, and their place among those.
type contentID struct {
	epoch    uint64
	sequence uint64
}

// content says where contents are.
type content struct {
	place place
	id    contentID
}

// vnode is what the server keeps of an object.
type vnode struct {
	status  coda.Status
	content content // of a file
}

// serverRow describes the store.
type serverRow struct {
	id    coda.ClientID // of the server, for the store ids of its own updates
	epoch uint64        // counts the starts of the server
	next  uint64        // the next vnode number to grant, in whatever volume

	slot     int // of this server
	replicas int // servers that hold the volumes, at least 1
}

// replayRow is what the server remembers of a client's last batches.
type replayRow struct {
	last     uint64          // the last record that was answered
	first    uint64          // changed is of the batches from this record on
	refusals []coda.Refusal  // of the records from first on
	changed  []replayChanged // by fid
}

// replayChanged is an object that a batch changed.
type replayChanged struct {
	fid    coda.Fid
	before coda.VersionVector
	after  coda.VersionVector
}

// These are set in the kind of an object that is inconsistent, and of a directory that has an ACL.
const (
	inconsistentBit = 0x80
	aclBit          = 0x40
)

// rowVersion starts every row; another one is from a newer server.
const rowVersion = 1

var errRow = errors.New("a row of the store is damaged or from a newer server")

func newRow() []byte { return append(make([]byte, 0, 128), rowVersion) }

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendVersion(b []byte, v coda.VersionVector) []byte {
	used := 0
	for i, n := range v.Slots {
		if n != 0 {
			used = i + 1
		}
	}
	b = binary.AppendUvarint(b, uint64(used))
	for _, n := range v.Slots[:used] {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, v.Store.Number)
	if v.Store.Number != 0 {
		b = append(b, v.Store.Client[:]...)
	}
	return b
}

func appendObject(b []byte, f coda.Fid) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, f.Vnode), f.Unique)
}

// row reads a row from front to back. The first damage found sticks.
type row struct {
	b   []byte
	err error
}

func readRow(b []byte) *row {
	r := &row{b: b}
	if r.byte() != rowVersion {
		r.err = errRow
	}
	return r
}

func (r *row) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *row) bytes(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.b)) {
		r.err = errRow
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *row) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if r.err != nil || size <= 0 {
		r.err = errRow
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *row) number32() uint32 {
	n := r.number()
	if n > 1<<32-1 {
		r.err = errRow
	}
	return uint32(n)
}

func (r *row) time() coda.Time {
	n, size := binary.Varint(r.b)
	if r.err != nil || size <= 0 {
		r.err = errRow
		return 0
	}
	r.b = r.b[size:]
	return coda.Time(n)
}

func (r *row) string() string { return string(r.bytes(r.number())) }

// acl reads an ACL. Whether it is in its one form is up to fsck: rows are read all the time.
func (r *row) acl() coda.ACL { return coda.ACL(r.bytes(r.number())) }

func (r *row) version() (v coda.VersionVector) {
	used := r.number()
	if used > coda.VersionSlots {
		r.err = errRow
		return v
	}
	for i := range v.Slots[:used] {
		v.Slots[i] = r.number()
	}
	if v.Store.Number = r.number(); v.Store.Number != 0 {
		copy(v.Store.Client[:], r.bytes(uint64(len(v.Store.Client))))
	}
	return v
}

func (r *row) object(volume uint32) coda.Fid {
	f := coda.Fid{Vnode: r.number(), Unique: r.number()}
	if f.Vnode != 0 {
		f.Volume = volume
	}
	return f
}

// end gives the damage found, or that of a row with more in it than was read.
func (r *row) end() error {
	if r.err == nil && len(r.b) > 0 {
		return errRow
	}
	return r.err
}

func (v *vnode) encode() []byte {
	s := &v.status
	kind := byte(s.Kind)
	if s.Inconsistent {
		kind |= inconsistentBit
	}
	if s.ACL != "" {
		kind |= aclBit
	}
	b := append(newRow(), kind)
	b = binary.AppendUvarint(b, uint64(s.Mode))
	b = binary.AppendUvarint(b, s.Length)
	b = binary.AppendUvarint(b, uint64(s.Links))
	b = binary.AppendVarint(b, int64(s.Modified))
	b = binary.AppendUvarint(b, uint64(s.Owner))
	b = appendVersion(b, s.Version)
	b = appendObject(b, s.Parent)
	switch s.Kind {
	case coda.File:
		b = append(b, s.Digest[:]...)
		b = append(b, byte(v.content.place))
		b = binary.AppendUvarint(b, v.content.id.epoch)
		b = binary.AppendUvarint(b, v.content.id.sequence)
	case coda.Directory:
		if s.ACL != "" {
			b = appendString(b, string(s.ACL))
		}
		if !s.Digest.IsZero() {
			b = append(b, s.Digest[:]...)
		}
	case coda.Symlink:
		b = appendString(b, s.Target)
	}
	return b
}

func decodeVnode(f coda.Fid, b []byte) (*vnode, error) {
	r := readRow(b)
	v := &vnode{}
	s := &v.status
	s.Fid = f
	kind := r.byte()
	s.Kind, s.Inconsistent = coda.ObjectKind(kind&^(inconsistentBit|aclBit)), kind&inconsistentBit != 0
	s.Mode = r.number32()
	s.Length = r.number()
	s.Links = r.number32()
	s.Modified = r.time()
	s.Owner = r.number32()
	s.Version = r.version()
	s.Parent = r.object(f.Volume)
	switch s.Kind {
	case coda.File:
		copy(s.Digest[:], r.bytes(uint64(len(s.Digest))))
		v.content = content{place: place(r.byte()), id: contentID{epoch: r.number(), sequence: r.number()}}
	case coda.Directory:
		if kind&aclBit != 0 {
			s.ACL = r.acl()
		}
		if r.err == nil && len(r.b) > 0 {
			copy(s.Digest[:], r.bytes(uint64(len(s.Digest))))
		}
	case coda.Symlink:
		s.Target = r.string()
	}
	if !s.Kind.Matches(f) || v.content.place > inContainer || kind&aclBit != 0 && s.ACL == "" {
		r.err = errRow
	}
	return v, r.end()
}

func encodeEntry(e coda.Entry) []byte {
	return appendObject(append(newRow(), byte(e.Kind)), e.Fid)
}

func decodeEntry(dir coda.Fid, name string, b []byte) (coda.Entry, error) {
	r := readRow(b)
	e := coda.Entry{Name: name, Kind: coda.ObjectKind(r.byte()), Fid: r.object(dir.Volume)}
	if !e.Kind.Matches(e.Fid) {
		r.err = errRow
	}
	return e, r.end()
}

func (s serverRow) encode() []byte {
	b := binary.AppendUvarint(append(newRow(), s.id[:]...), s.epoch)
	return append(binary.AppendUvarint(b, s.next), byte(s.slot), byte(s.replicas))
}

func decodeServer(b []byte) (s serverRow, err error) {
	r := readRow(b)
	copy(s.id[:], r.bytes(uint64(len(s.id))))
	s.epoch, s.next = r.number(), r.number()
	s.slot, s.replicas = int(r.byte()), int(r.byte())
	if s.replicas < 1 || s.replicas > coda.VersionSlots || s.slot >= s.replicas {
		r.err = errRow
	}
	return s, r.end()
}

func (p replayRow) encode() []byte {
	b := binary.AppendUvarint(binary.AppendUvarint(newRow(), p.last), p.first)
	b = binary.AppendUvarint(b, uint64(len(p.refusals)))
	for _, f := range p.refusals {
		b = append(binary.AppendUvarint(b, f.Number), byte(f.Kind))
		b = appendString(b, f.Why)
	}
	b = binary.AppendUvarint(b, uint64(len(p.changed)))
	for _, c := range p.changed {
		b = appendVersion(appendVersion(appendObject(b, c.fid), c.before), c.after)
	}
	return b
}

func decodeReplay(volume uint32, b []byte) (replayRow, error) {
	r := readRow(b)
	p := replayRow{last: r.number(), first: r.number()}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		p.refusals = append(p.refusals, coda.Refusal{Number: r.number(), Kind: coda.ErrorKind(r.byte()), Why: r.string()})
	}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		p.changed = append(p.changed, replayChanged{fid: r.object(volume), before: r.version(), after: r.version()})
	}
	return p, r.end()
}
