package venus

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// The first byte of a key says what its value is.
const (
	keyMeta     = 'm' // + name
	keyObject   = 'o' // + fid
	keyEntry    = 'e' // + fid of the directory + name
	keyLog      = 'l' // + number
	keyConflict = 'c' // + number
	keyHoard    = 'h' // + path
)

// appendFid writes a fid so that the keys of one directory's entries stand together.
func appendFid(b []byte, f coda.Fid) []byte {
	b = binary.BigEndian.AppendUint32(b, f.Volume)
	b = binary.BigEndian.AppendUint64(b, f.Vnode)
	return binary.BigEndian.AppendUint64(b, f.Unique)
}

const fidBytes = 20

func parseFid(b []byte) (coda.Fid, error) {
	if len(b) < fidBytes {
		return coda.Fid{}, errors.New("short fid")
	}
	return coda.Fid{Volume: binary.BigEndian.Uint32(b), Vnode: binary.BigEndian.Uint64(b[4:]), Unique: binary.BigEndian.Uint64(b[12:])}, nil
}

func metaKey(name string) []byte { return append([]byte{keyMeta}, name...) }

func objectKey(f coda.Fid) []byte { return appendFid([]byte{keyObject}, f) }

func entryKey(dir coda.Fid, name string) []byte {
	return append(appendFid(append(make([]byte, 0, 1+fidBytes+len(name)), keyEntry), dir), name...)
}

func numberKey(kind byte, n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{kind}, n) }

// A stored value is a header of this package, its length before it, and a message of the protocol.
func seal(header []byte, m proto.Message) ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(header)))
	b = append(b, header...)
	b, err := proto.MarshalOptions{}.MarshalAppend(b, m)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	return b, nil
}

func unseal(b []byte, m proto.Message) (header []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, fmt.Errorf("decode %T: the header breaks off", m)
	}
	header, b = b[used:used+int(n)], b[used+int(n):]
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("decode %T: %w", m, err)
	}
	return header, nil
}

// storedObject is what the store keeps of an object: the server's word.
type storedObject struct {
	Status    coda.Status
	Complete  bool               // of a directory: its entries are stored
	Entries   coda.VersionVector // of a complete directory: the version that they are of, zero when they are of no single one
	Container string             // of a file: the container of its contents, "" when they are not cached
}

func encodeObject(o storedObject) ([]byte, error) {
	header := []byte{0}
	if o.Status.Kind != coda.Directory {
		return seal(append(header, o.Container...), wire.StatusToProto(o.Status))
	}
	if o.Complete {
		header[0] = 1
	}
	if version := wire.VersionToProto(o.Entries); version != nil {
		b, err := proto.Marshal(version)
		if err != nil {
			return nil, fmt.Errorf("encode version: %w", err)
		}
		header = append(header, b...)
	}
	return seal(header, wire.StatusToProto(o.Status))
}

func decodeObject(b []byte) (storedObject, error) {
	var p vicepb.Status
	header, err := unseal(b, &p)
	if err != nil {
		return storedObject{}, err
	}
	if len(header) == 0 || header[0] > 1 {
		return storedObject{}, errors.New("decode object: bad header")
	}
	status, err := wire.StatusFromProto(&p)
	if err != nil {
		return storedObject{}, fmt.Errorf("decode object: %w", err)
	}
	if status.Kind != coda.Directory {
		return storedObject{Status: status, Container: string(header[1:])}, nil
	}
	var version vicepb.VersionVector
	if err := proto.Unmarshal(header[1:], &version); err != nil {
		return storedObject{}, fmt.Errorf("decode version: %w", err)
	}
	entries, err := wire.VersionFromProto(&version)
	if err != nil {
		return storedObject{}, fmt.Errorf("decode object: %w", err)
	}
	return storedObject{Status: status, Complete: header[0] == 1, Entries: entries}, nil
}

func encodeEntry(e coda.Entry) []byte {
	return append(appendFid(nil, e.Fid), byte(e.Kind))
}

func decodeEntry(name string, b []byte) (coda.Entry, error) {
	if len(b) != fidBytes+1 {
		return coda.Entry{}, errors.New("decode entry: bad length")
	}
	f, err := parseFid(b)
	if err != nil {
		return coda.Entry{}, err
	}
	e := coda.Entry{Name: name, Fid: f, Kind: coda.ObjectKind(b[fidBytes])}
	if !e.Kind.Matches(f) {
		return coda.Entry{}, fmt.Errorf("decode entry: %v cannot be a %v", f, e.Kind)
	}
	return e, coda.ValidName(name)
}

// storedRecord is what the store keeps of a log record.
type storedRecord struct {
	Record    coda.Record
	User      coda.Principal // for whom it was made, 0 for nobody
	Container string         // of a store; "" where its contents are lost
	Synced    bool           // the container has been synced: its contents survive a power loss
	Digested  bool           // the digest and length in the record are those of the container
}

const (
	flagSynced = 1 << iota
	flagDigested
	flagUser // behind the flags is a number
)

func encodeRecord(r storedRecord) ([]byte, error) {
	var flags byte
	if r.Synced {
		flags |= flagSynced
	}
	if r.Digested {
		flags |= flagDigested
	}
	header := []byte{flags}
	if r.User != 0 {
		header = binary.AppendVarint([]byte{flags | flagUser}, int64(r.User))
	}
	return seal(append(header, r.Container...), wire.RecordToProto(r.Record))
}

func decodeRecord(b []byte) (storedRecord, error) {
	var p vicepb.Record
	header, err := unseal(b, &p)
	if err != nil {
		return storedRecord{}, err
	}
	if len(header) == 0 || header[0] > flagSynced|flagDigested|flagUser {
		return storedRecord{}, errors.New("decode record: bad header")
	}
	flags, user := header[0], int64(0)
	header = header[1:]
	if flags&flagUser != 0 {
		n, used := binary.Varint(header)
		if used <= 0 || n == 0 || int64(coda.Principal(n)) != n {
			return storedRecord{}, errors.New("decode record: bad user")
		}
		user, header = n, header[used:]
	}
	record, err := wire.RecordFromProto(&p)
	if err != nil {
		return storedRecord{}, fmt.Errorf("decode record: %w", err)
	}
	if _, isStore := record.Operation.(coda.Store); !isStore && len(header) > 0 {
		return storedRecord{}, errors.New("decode record: nothing but a store has a container")
	}
	return storedRecord{
		Record: record, User: coda.Principal(user), Container: string(header), Synced: flags&flagSynced != 0, Digested: flags&flagDigested != 0,
	}, nil
}

// refusedHeader is what the store keeps of a refused record besides the record. People read it, too.
type refusedHeader struct {
	Kind      coda.ErrorKind
	Why       string
	Path      string
	Was       coda.Status // without its target, which need not be UTF-8
	Target    []byte
	ACL       []byte `json:",omitempty"` // of Was
	Directory string // the fid of the place, "" for none
	Name      []byte
	Container string
}

// encodeRefused gives the stored form of a refused record.
func encodeRefused(r *refused) ([]byte, error) {
	h := refusedHeader{Kind: r.kind, Why: r.why, Path: r.path, Was: r.was, Target: []byte(r.was.Target), Name: []byte(r.place.name)}
	h.ACL = []byte(r.was.ACL)
	h.Was.Target, h.Was.ACL = "", ""
	if !r.place.dir.IsZero() {
		h.Directory = r.place.dir.String()
	}
	if r.contents != nil {
		h.Container = r.contents.name
	}
	header, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode refused record: %w", err)
	}
	return seal(header, wire.RecordToProto(r.Record))
}

// decodeRefused reads a refused record, and gives the name of its container, "" for none.
func decodeRefused(b []byte) (r *refused, container string, err error) {
	var p vicepb.Record
	header, err := unseal(b, &p)
	if err != nil {
		return nil, "", err
	}
	var h refusedHeader
	if err := json.Unmarshal(header, &h); err != nil {
		return nil, "", fmt.Errorf("decode refused record: %w", err)
	}
	r = &refused{kind: h.Kind, why: h.Why, path: h.Path, was: h.Was, place: place{name: string(h.Name)}}
	r.was.Target, r.was.ACL = string(h.Target), coda.ACL(h.ACL)
	if r.Record, err = wire.RecordFromProto(&p); err != nil {
		return nil, "", fmt.Errorf("decode refused record: %w", err)
	}
	if h.Directory != "" {
		if r.place.dir, err = coda.ParseFid(h.Directory); err != nil {
			return nil, "", fmt.Errorf("decode refused record: %w", err)
		}
	}
	return r, h.Container, nil
}
