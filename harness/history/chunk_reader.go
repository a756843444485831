package history

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"syscall"
)

// A record is one operation as it stands in a chunk. Strings and nonces are numbers that the reader's interner gave them.
type record struct {
	announced             bool // the operation is pending: a later record of its worker may complete it
	kind                  Kind
	outcome               Outcome
	synced                bool
	worker                uint32
	number                uint64
	invoked               Time
	completed             Time
	abandoned             Time
	path, target, problem uint32
	content               uint32
	parents, entries      []uint32 // valid until the next record
	mode                  uint32
	length                int64
	errno                 syscall.Errno
	http                  uint16
}

// An interner gives strings and nonces the numbers that a whole history knows them by. 0 is the empty string and the zero nonce.
type interner interface {
	internString(s []byte) uint32
	internNonce(n Nonce) uint32
}

// A chunkReader reads the records of one chunk after the other.
type chunkReader struct {
	rest     []byte
	node     string
	recorder uint64
	sequence uint64
	count    uint32
	last     bool // no chunk of the recorder follows

	names   interner
	strings []uint32
	text    []byte // the last string
	nonces  []uint32
	parents []uint32
	entries []uint32
	number  uint64
	invoked Time
	err     error
}

// open begins to read a chunk, whose checksum is looked at first.
func (r *chunkReader) open(chunk []byte) error {
	if len(chunk) < chunkFixed+chunkSum || string(chunk[:len(chunkMagic)]) != chunkMagic {
		return damaged("it does not begin as one")
	}
	if version := chunk[2]; version == 0 || version > chunkVersion {
		return damaged("its version %d is not known", version)
	}
	body := chunk[:len(chunk)-chunkSum]
	if binary.LittleEndian.Uint32(chunk[len(body):]) != crc32.Checksum(body, castagnoli()) {
		return damaged("its checksum does not match")
	}
	r.last = chunk[3]&chunkLast != 0
	r.recorder, r.count = binary.LittleEndian.Uint64(chunk[4:]), binary.LittleEndian.Uint32(chunk[12:])
	r.rest, r.err = body[chunkFixed:], nil
	r.sequence = r.uvarint()
	r.node = string(r.bytes(r.uvarint()))
	r.strings, r.nonces, r.text, r.number, r.invoked = r.strings[:0], r.nonces[:0], r.text[:0], 0, 0
	return r.err
}

// next reads a record, and returns false at the end of the chunk or where it is damaged: then r.err says how.
func (r *chunkReader) next(to *record) bool {
	if len(r.rest) == 0 || r.err != nil {
		return false
	}
	head := r.rest[0]
	r.rest = r.rest[1:]
	*to = record{kind: Kind(head & recordKinds), outcome: Outcome(head >> recordOutcome & 3), announced: head&recordAnnounced != 0}
	if to.kind == 0 {
		to.kind = Kind(r.atMost(math.MaxUint8))
	}
	to.worker = uint32(r.atMost(math.MaxUint32))
	r.number += uint64(r.varint())
	r.invoked += Time(r.varint())
	to.number, to.invoked = r.number, r.invoked
	if took := r.uvarint(); took != 0 {
		to.completed = to.invoked + Time(took-1)
	}
	to.path = r.string()
	to.content = r.nonce()
	to.length = int64(r.atMost(math.MaxInt64))
	if head&recordExtra != 0 {
		r.extra(to)
	}
	if r.err == nil && (to.kind < Read || to.kind > ReadLink) {
		r.fail("an operation of the unknown kind %d", to.kind)
	}
	if r.err == nil && to.outcome == 0 && !to.announced {
		r.fail("an operation without an outcome")
	}
	return r.err == nil
}

func (r *chunkReader) extra(to *record) {
	if len(r.rest) == 0 {
		r.fail("it ends within a record")
		return
	}
	flags := r.rest[0]
	r.rest = r.rest[1:]
	if flags&extraTarget != 0 {
		to.target = r.string()
	}
	if flags&extraErrno != 0 {
		to.errno = syscall.Errno(r.atMost(math.MaxUint16))
	}
	if flags&extraHTTP != 0 {
		to.http = uint16(r.atMost(math.MaxUint16))
	}
	if flags&extraParents != 0 {
		r.parents = r.parents[:0]
		for n := r.atMost(uint64(len(r.rest))); n > 0 && r.err == nil; n-- {
			r.parents = append(r.parents, r.nonce())
		}
		to.parents = r.parents
	}
	if flags&extraProblem != 0 {
		to.problem = r.string()
	}
	if flags&extraGivenUp != 0 {
		to.abandoned = to.invoked + Time(r.uvarint())
	}
	if flags&extraMore != 0 {
		r.more(to)
	}
	to.synced = flags&extraSynced != 0
}

// more reads what stands behind the second byte of flags.
func (r *chunkReader) more(to *record) {
	if len(r.rest) == 0 {
		r.fail("it ends within a record")
		return
	}
	flags := r.rest[0]
	r.rest = r.rest[1:]
	if flags&moreMode != 0 {
		to.mode = uint32(r.atMost(math.MaxUint32))
	}
	if flags&moreEntries != 0 {
		r.entries = r.entries[:0]
		for n := r.atMost(uint64(len(r.rest))); n > 0 && r.err == nil; n-- {
			r.entries = append(r.entries, r.string())
		}
		to.entries = r.entries
	}
}

func (r *chunkReader) string() uint32 {
	n, added := r.reference(len(r.strings))
	if added {
		shared := r.atMost(uint64(len(r.text)))
		rest := r.bytes(r.uvarint())
		r.text = append(r.text[:shared], rest...)
		if r.err == nil {
			r.strings = append(r.strings, r.names.internString(r.text))
		}
	}
	return lookUp(r.strings, n)
}

func (r *chunkReader) nonce() uint32 {
	n, added := r.reference(len(r.nonces))
	if added {
		if b := r.bytes(uint64(len(Nonce{}))); r.err == nil {
			r.nonces = append(r.nonces, r.names.internNonce(Nonce(b)))
		}
	}
	return lookUp(r.nonces, n)
}

// reference reads a reference to a table that has some entries, and says whether a new entry follows.
func (r *chunkReader) reference(entries int) (n int, added bool) {
	n = int(r.atMost(uint64(entries) + 1))
	return n, n == entries+1 && r.err == nil
}

func lookUp(table []uint32, n int) uint32 {
	if n == 0 || n > len(table) {
		return 0
	}
	return table[n-1]
}

func (r *chunkReader) uvarint() uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 { // the usual case
		v := uint64(r.rest[0])
		r.rest = r.rest[1:]
		return v
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("it ends within a number")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *chunkReader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *chunkReader) atMost(most uint64) uint64 {
	v := r.uvarint()
	if v > most {
		r.fail("%d where at most %d can be", v, most)
		return 0
	}
	return v
}

func (r *chunkReader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail("it ends within a string")
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// fail notes the first thing that is wrong.
func (r *chunkReader) fail(what string, args ...any) {
	if r.err == nil {
		r.err = damaged(what, args...)
		r.rest = nil
	}
}
