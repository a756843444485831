package vice

import (
	"encoding/binary"

	"github.com/codastress/codastress/system/coda"
)

// appendStore appends a store id, which may be zero.
func appendStore(b []byte, s coda.StoreID) []byte {
	b = binary.AppendUvarint(b, s.Number)
	if s.Number != 0 {
		b = append(b, s.Client[:]...)
	}
	return b
}

func (r *row) store() (s coda.StoreID) {
	if s.Number = r.number(); s.Number != 0 {
		copy(s.Client[:], r.bytes(uint64(len(s.Client))))
	}
	return s
}

func (r *row) flag() bool {
	b := r.byte()
	if b > 1 {
		r.err = errRow
	}
	return b == 1
}

func appendFlag(b []byte, set bool) []byte {
	if set {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendNumbers appends numbers that rise.
func appendNumbers(b []byte, numbers []uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(numbers)))
	last := uint64(0)
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n-last)
		last = n
	}
	return b
}

func (r *row) numbers() (list []uint64) {
	last := uint64(0)
	for n := r.number(); n > 0 && r.err == nil; n-- {
		step := r.number()
		if step == 0 || last+step < last {
			r.err = errRow
		}
		last += step
		list = append(list, last)
	}
	return list
}

func (p batchRow) encode() []byte {
	b := binary.AppendUvarint(appendFlag(appendFlag(newRow(), p.everywhere), p.joined), uint64(p.behind))
	b = appendNumbers(b, p.refused)
	b = binary.AppendUvarint(b, uint64(len(p.objects)))
	for _, o := range p.objects {
		b = binary.AppendUvarint(appendObject(b, o.fid), uint64(o.owed))
		b = appendNumbers(binary.AppendUvarint(b, o.count), o.numbers)
	}
	return b
}

func decodeBatch(volume uint32, b []byte) (batchRow, error) {
	r := readRow(b)
	p := batchRow{everywhere: r.flag(), joined: r.flag(), behind: slots(r.number32()), refused: r.numbers()}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		p.objects = append(p.objects, batchObject{fid: r.object(volume), owed: slots(r.number32()), count: r.number(), numbers: r.numbers()})
	}
	return p, r.end()
}

func (c compareRow) encode() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(newRow(), uint64(c.with)), c.times)
}

func decodeCompare(b []byte) (compareRow, error) {
	r := readRow(b)
	c := compareRow{with: slots(r.number32()), times: r.number()}
	return c, r.end()
}

func (u unsettledRow) encode() []byte {
	b := appendFlag(appendStore(newRow(), u.attributes), u.removed != nil)
	if t := u.removed; t != nil {
		b = appendStore(appendVersion(b, t.version), t.update)
		b = appendString(appendObject(b, t.dir), t.name)
	}
	b = binary.AppendUvarint(b, uint64(len(u.heads)))
	for _, h := range u.heads {
		b = appendStore(b, h)
	}
	if len(u.acls) > 0 {
		b = binary.AppendUvarint(b, uint64(len(u.acls)))
		for _, a := range u.acls {
			b = appendString(appendStore(b, a.update), string(a.acl))
			b = binary.AppendUvarint(b, uint64(len(a.seen)))
			for _, s := range a.seen {
				b = appendStore(b, s)
			}
		}
	}
	return b
}

func decodeUnsettled(volume uint32, b []byte) (unsettledRow, error) {
	r := readRow(b)
	u := unsettledRow{attributes: r.store()}
	if r.flag() {
		u.removed = &tombstone{version: r.version(), update: r.store(), dir: r.object(volume), name: r.string()}
	}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		u.heads = append(u.heads, r.store())
	}
	if r.err == nil && len(r.b) > 0 {
		for n := r.number(); n > 0 && r.err == nil; n-- {
			a := aclUpdate{update: r.store(), acl: r.acl()}
			for n := r.number(); n > 0 && r.err == nil; n-- {
				a.seen = append(a.seen, r.store())
			}
			u.acls = append(u.acls, a)
		}
	}
	return u, r.end()
}

func (n nameRow) encode() []byte {
	b := appendObject(append(appendStore(newRow(), n.update), byte(n.entry.Kind)), n.entry.Fid)
	b = appendObject(appendStore(appendFlag(b, n.derived), n.removal), n.originDir)
	b = appendObject(appendString(b, n.originName), n.lost)
	b = binary.AppendUvarint(b, uint64(len(n.also)))
	for _, a := range n.also {
		b = appendStore(appendStore(b, a.update), a.removal)
	}
	return b
}

func decodeName(dir coda.Fid, name string, b []byte) (nameRow, error) {
	r := readRow(b)
	n := nameRow{update: r.store(), entry: coda.Entry{Kind: coda.ObjectKind(r.byte()), Fid: r.object(dir.Volume)}}
	n.derived, n.removal, n.originDir, n.originName = r.flag(), r.store(), r.object(dir.Volume), r.string()
	n.lost = r.object(dir.Volume)
	for count := r.number(); count > 0 && r.err == nil; count-- {
		n.also = append(n.also, reason{r.store(), r.store()})
	}
	switch {
	case n.entry.Fid.IsZero() && n.entry.Kind == 0:
	case !n.entry.Kind.Matches(n.entry.Fid):
		r.err = errRow
	default:
		n.entry.Name = name
	}
	return n, r.end()
}
