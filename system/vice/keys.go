package vice

import (
	"encoding/binary"
	"fmt"

	"github.com/codastress/codastress/system/coda"
)

// The first byte of a key says what it is. Numbers in keys are big-endian, so that keys sort as their numbers do.
const (
	serverPrefix    = 'S' // -> serverRow
	locationsPrefix = 'V' // -> locations
	vnodePrefix     = 'N' // fid -> vnode
	entryPrefix     = 'E' // fid of the directory, name -> fid and kind
	dataPrefix      = 'D' // content id -> contents of a small file
	replayPrefix    = 'R' // volume, client -> replayRow

	protectionPrefix = 'P' // -> the users and groups (package auth), as soon as there are any

	// Of replicated volumes.
	batchPrefix     = 'B' // volume, client, first, last -> batchRow
	unsettledPrefix = 'U' // fid -> unsettledRow
	renamedPrefix   = 'M' // fid of the directory, name -> nameRow
	comparePrefix   = 'C' // fid -> compareRow
	fillingPrefix   = 'F' // -> fillingRow, while there is something to fill
)

const fidSize = 4 + 8 + 8

func appendFid(b []byte, f coda.Fid) []byte {
	b = binary.BigEndian.AppendUint32(b, f.Volume)
	b = binary.BigEndian.AppendUint64(b, f.Vnode)
	return binary.BigEndian.AppendUint64(b, f.Unique)
}

// fidOf reads the fid that a key has after its prefix.
func fidOf(key []byte) (coda.Fid, error) {
	if len(key) < 1+fidSize {
		return coda.Fid{}, fmt.Errorf("key %x is too short", key)
	}
	return coda.Fid{
		Volume: binary.BigEndian.Uint32(key[1:]),
		Vnode:  binary.BigEndian.Uint64(key[5:]),
		Unique: binary.BigEndian.Uint64(key[13:]),
	}, nil
}

func serverKey() []byte { return []byte{serverPrefix} }

func locationsKey() []byte { return []byte{locationsPrefix} }

// inVolume is the common start of the keys of a kind that are about a volume.
func inVolume(prefix byte, volume uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefix}, volume)
}

func vnodeKey(f coda.Fid) []byte { return appendFid([]byte{vnodePrefix}, f) }

func entryKey(dir coda.Fid, name string) []byte { return append(entriesKey(dir), name...) }

// entriesKey is the common start of the keys of a directory's entries.
func entriesKey(dir coda.Fid) []byte { return appendFid([]byte{entryPrefix}, dir) }

func dataKey(id contentID) []byte {
	b := binary.BigEndian.AppendUint64([]byte{dataPrefix}, id.epoch)
	return binary.BigEndian.AppendUint64(b, id.sequence)
}

// contentOf reads the content id of a dataKey.
func contentOf(key []byte) (contentID, error) {
	if len(key) != 1+8+8 {
		return contentID{}, fmt.Errorf("key %x has a wrong length", key)
	}
	return contentID{epoch: binary.BigEndian.Uint64(key[1:]), sequence: binary.BigEndian.Uint64(key[9:])}, nil
}

func replayKey(volume uint32, client coda.ClientID) []byte {
	return append(inVolume(replayPrefix, volume), client[:]...)
}

func batchKey(b batchID) []byte {
	k := append(inVolume(batchPrefix, b.volume), b.client[:]...)
	k = binary.BigEndian.AppendUint64(k, b.first)
	return binary.BigEndian.AppendUint64(k, b.last)
}

// batchOf reads the id of a batchKey.
func batchOf(key []byte) (b batchID, err error) {
	if len(key) != 1+4+len(b.client)+8+8 {
		return b, fmt.Errorf("key %x has a wrong length", key)
	}
	b.volume = binary.BigEndian.Uint32(key[1:])
	key = key[5:]
	copy(b.client[:], key)
	key = key[len(b.client):]
	b.first, b.last = binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])
	return b, nil
}

func protectionKey() []byte { return []byte{protectionPrefix} }

func fillingKey() []byte { return []byte{fillingPrefix} }

func unsettledKey(f coda.Fid) []byte { return appendFid([]byte{unsettledPrefix}, f) }

func compareKey(f coda.Fid) []byte { return appendFid([]byte{comparePrefix}, f) }

func renamedKey(dir coda.Fid, name string) []byte { return append(renamedsKey(dir), name...) }

// renamedsKey is the common start of the keys of a directory's nameRows.
func renamedsKey(dir coda.Fid) []byte { return appendFid([]byte{renamedPrefix}, dir) }

// after gives the first key behind all that start with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
