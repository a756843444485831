package history

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// What fuzz targets need of the insides.
var (
	ParsePlan   = parsePlan
	AppendFrame = appendFrame
)

const FileMagic = fileMagic

// FixChecksum makes the checksum of a chunk right, so that a fuzzer gets behind it.
func FixChecksum(chunk []byte) {
	if n := len(chunk) - chunkSum; n >= 0 {
		binary.LittleEndian.PutUint32(chunk[n:], crc32.Checksum(chunk[:n], castagnoli()))
	}
}

// ReadFrom reads the file history.
func ReadFrom(file []byte) (*Run, error) {
	var run Run
	return &run, run.read(bytes.NewReader(file), int64(len(file)))
}
