package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A chunk is what travels from a recorder to the history of a run: some records of operations of one node. Its format, with all numbers
// of fixed size little-endian:
//
//	magic (2 bytes), version, flags, recorder (8), number of completed operations (4), then as uvarints the chunk's place in
//	the sequence of its recorder and the length of the node's name; the name; the records; CRC-32C of all that (4)
//
// A record begins with its kind and outcome, see chunkWriter.add. Paths and nonces stand in tables that grow with the records: a reference
// is 0 for none, n for the n-th entry, or the next free number, which the entry itself follows.
const (
	chunkMagic   = "\xc0h"
	chunkVersion = 2  // 1 had only kinds up to Page and no extraMore
	chunkFixed   = 16 // bytes before the first uvarint
	chunkLast    = 1  // flag: the recorder was closed after this chunk
	chunkSum     = 4

	recordOutcome   = 4      // its place in a record's first byte
	recordAnnounced = 1 << 6 // the operation is still pending
	recordExtra     = 1 << 7 // a byte with the flags below follows the length

	extraTarget  = 1 << 0
	extraErrno   = 1 << 1
	extraHTTP    = 1 << 2
	extraParents = 1 << 3
	extraProblem = 1 << 4
	extraSynced  = 1 << 5
	extraGivenUp = 1 << 6
	extraMore    = 1 << 7 // a byte with the flags below follows

	moreMode    = 1 << 0
	moreEntries = 1 << 1

	recordKinds = 15 // the bits of a record's first byte that have its kind; 0 says that the kind follows
)

// ErrChunk says that a chunk is damaged or not one.
var ErrChunk = errors.New("damaged chunk")

// CountOperations says whose operations a chunk holds and how many of them were completed. It looks at nothing else.
func CountOperations(chunk []byte) (node string, completed int, err error) {
	var r chunkReader
	if err := r.open(chunk); err != nil {
		return "", 0, err
	}
	return r.node, int(r.count), nil
}

// chunkWriter builds one chunk after the other.
type chunkWriter struct {
	buf      []byte
	size     int // of the chunk before
	recorder uint64
	sequence uint64
	node     string
	count    uint32 // completed operations in the chunk
	records  int

	strings map[string]uint64
	last    string // added to strings
	nonces  map[Nonce]uint64
	number  uint64 // of the record before
	invoked Time   // of the record before
}

func newChunkWriter(node string, recorder uint64) *chunkWriter {
	w := &chunkWriter{node: node, recorder: recorder, strings: map[string]uint64{}, nonces: map[Nonce]uint64{}}
	w.begin()
	return w
}

// begin starts an empty chunk.
func (w *chunkWriter) begin() {
	w.buf = make([]byte, 0, min(w.size+w.size/4+256, chunkSize+chunkSize/8)) // as one chunk is, so is the next one mostly
	w.buf = append(w.buf, chunkMagic...)
	w.buf = append(w.buf, chunkVersion, 0)
	w.buf = binary.LittleEndian.AppendUint64(w.buf, w.recorder)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, 0) // the count, see seal
	w.buf = binary.AppendUvarint(w.buf, w.sequence)
	w.buf = binary.AppendUvarint(w.buf, uint64(len(w.node)))
	w.buf = append(w.buf, w.node...)
	w.count, w.records, w.last, w.number, w.invoked = 0, 0, "", 0, 0
	clear(w.strings)
	clear(w.nonces)
}

// seal completes the chunk, returns it and starts the next one.
func (w *chunkWriter) seal(last bool) []byte {
	if last {
		w.buf[3] |= chunkLast
	}
	binary.LittleEndian.PutUint32(w.buf[12:], w.count)
	chunk := binary.LittleEndian.AppendUint32(w.buf, crc32.Checksum(w.buf, castagnoli()))
	w.size = len(chunk)
	w.sequence++
	w.begin()
	return chunk
}

// add writes one record. Announced says that the operation is pending: it may be completed by a later record.
func (w *chunkWriter) add(op *Operation, announced bool) {
	extra := extraOf(op)
	head := byte(op.Outcome) << recordOutcome
	if op.Kind <= recordKinds {
		head |= byte(op.Kind)
	}
	took := uint64(0) // never returned
	if announced {
		head |= recordAnnounced
	} else {
		w.count++
	}
	if op.Completed != 0 {
		took = uint64(op.Completed-op.Invoked) + 1
	}
	if extra != 0 {
		head |= recordExtra
	}
	b := append(w.buf, head)
	if op.Kind > recordKinds {
		b = append(b, byte(op.Kind))
	}
	b = binary.AppendUvarint(b, uint64(op.Worker))
	b = binary.AppendVarint(b, int64(op.Number-w.number))
	b = binary.AppendVarint(b, int64(op.Invoked-w.invoked))
	b = binary.AppendUvarint(b, took)
	b = w.appendString(b, op.Path)
	b = w.appendNonce(b, op.Content)
	b = binary.AppendUvarint(b, uint64(op.Length))
	if extra != 0 {
		b = w.appendExtra(b, op, extra)
	}
	w.buf, w.number, w.invoked = b, op.Number, op.Invoked
	w.records++
}

func extraOf(op *Operation) (extra byte) {
	for _, part := range [...]struct {
		there bool
		flag  byte
	}{
		{op.Target != "", extraTarget},
		{op.Errno != 0, extraErrno},
		{op.HTTP != 0, extraHTTP},
		{len(op.Parents) > 0, extraParents},
		{op.Problem != "", extraProblem},
		{op.Synced, extraSynced},
		{op.Abandoned != 0, extraGivenUp},
		{op.Mode != 0 || len(op.Entries) > 0, extraMore},
	} {
		if part.there {
			extra |= part.flag
		}
	}
	return extra
}

func (w *chunkWriter) appendExtra(b []byte, op *Operation, extra byte) []byte {
	b = append(b, extra)
	if extra&extraTarget != 0 {
		b = w.appendString(b, op.Target)
	}
	if extra&extraErrno != 0 {
		b = binary.AppendUvarint(b, uint64(op.Errno))
	}
	if extra&extraHTTP != 0 {
		b = binary.AppendUvarint(b, uint64(op.HTTP))
	}
	if extra&extraParents != 0 {
		b = binary.AppendUvarint(b, uint64(len(op.Parents)))
		for _, parent := range op.Parents {
			b = w.appendNonce(b, parent)
		}
	}
	if extra&extraProblem != 0 {
		b = w.appendString(b, op.Problem)
	}
	if extra&extraGivenUp != 0 {
		b = binary.AppendUvarint(b, uint64(op.Abandoned-op.Invoked))
	}
	if extra&extraMore != 0 {
		b = w.appendMore(b, op)
	}
	return b
}

func (w *chunkWriter) appendMore(b []byte, op *Operation) []byte {
	at := len(b)
	b = append(b, 0)
	if op.Mode != 0 {
		b[at] |= moreMode
		b = binary.AppendUvarint(b, uint64(op.Mode))
	}
	if len(op.Entries) > 0 {
		b[at] |= moreEntries
		b = binary.AppendUvarint(b, uint64(len(op.Entries)))
		for _, entry := range op.Entries {
			b = w.appendString(b, entry)
		}
	}
	return b
}

// appendString writes a reference. A new entry is written as how much of the entry before it begins with, and the rest.
func (w *chunkWriter) appendString(b []byte, s string) []byte {
	if s == "" {
		return append(b, 0)
	}
	if n, ok := w.strings[s]; ok {
		return binary.AppendUvarint(b, n)
	}
	n := uint64(len(w.strings) + 1)
	w.strings[s] = n
	shared := 0
	for shared < min(len(s), len(w.last)) && s[shared] == w.last[shared] {
		shared++
	}
	w.last = s
	b = binary.AppendUvarint(b, n)
	b = binary.AppendUvarint(b, uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(s)-shared))
	return append(b, s[shared:]...)
}

func (w *chunkWriter) appendNonce(b []byte, nonce Nonce) []byte {
	if nonce.IsZero() {
		return append(b, 0)
	}
	if n, ok := w.nonces[nonce]; ok {
		return binary.AppendUvarint(b, n)
	}
	n := uint64(len(w.nonces) + 1)
	w.nonces[nonce] = n
	b = binary.AppendUvarint(b, n)
	return append(b, nonce[:]...)
}

func damaged(what string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrChunk, fmt.Sprintf(what, args...))
}
