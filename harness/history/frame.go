package history

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The file history of a run directory is a magic line and then frames: the kind of the frame (1 byte), the length of what it holds (4, little-endian), that,
// and CRC-32C of all these (4). A chunk is held as it is, everything else as JSON.
const (
	fileName  = "history"
	fileMagic = "codastress history 1\n"

	frameChunk       = 'c'
	frameFault       = 'f'
	frameEvent       = 'e'
	frameLoad        = 'l'
	frameStall       = 's'
	frameObservation = 'o'
	frameStatus      = 't'

	frameHead = 5
	frameSum  = 4
	frameMost = 1 << 30 // bytes that a frame can hold
)

// errBroken says that the rest of a file is not frames: the writer was killed within one, or the file is damaged.
var errBroken = errors.New("broken frame")

// appendFrame makes a frame.
func appendFrame(b []byte, kind byte, payload []byte) []byte {
	start := len(b)
	b = append(b, kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, payload...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli()))
}

// A frameReader reads one frame after the other.
type frameReader struct {
	from   *bufio.Reader
	left   int64 // bytes of the file that were not read
	offset int64 // of the next frame
	frame  []byte
}

// next reads a frame, whose payload is valid until the next call. io.EOF is the end of the last whole frame, errBroken anything else
// that is not a frame.
func (r *frameReader) next() (kind byte, payload []byte, err error) {
	if r.left == 0 {
		return 0, nil, io.EOF
	}
	if r.left < frameHead+frameSum {
		return 0, nil, fmt.Errorf("%w: %d bytes are left", errBroken, r.left)
	}
	head, err := r.from.Peek(frameHead)
	if err != nil {
		return 0, nil, fmt.Errorf("reading a frame: %w", err)
	}
	length := int64(binary.LittleEndian.Uint32(head[1:]))
	size := frameHead + length + frameSum
	if length > frameMost || size > r.left {
		return 0, nil, fmt.Errorf("%w: it should have %d bytes and %d are left", errBroken, size, r.left)
	}
	if int64(cap(r.frame)) < size {
		r.frame = make([]byte, size)
	}
	frame := r.frame[:size]
	if _, err := io.ReadFull(r.from, frame); err != nil {
		return 0, nil, fmt.Errorf("reading a frame: %w", err)
	}
	r.left -= size
	body := frame[:size-frameSum]
	if binary.LittleEndian.Uint32(frame[len(body):]) != crc32.Checksum(body, castagnoli()) {
		return 0, nil, fmt.Errorf("%w: its checksum does not match", errBroken)
	}
	r.offset += size
	return frame[0], body[frameHead:], nil
}
