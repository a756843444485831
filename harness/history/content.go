package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
)

// A Header stands at the begin of each content that a workload writes and says where the content comes from. Every byte after it
// follows from its nonce, so that content which is torn, truncated or mixed shows itself wherever it is read.
type Header struct {
	Nonce   Nonce
	Node    string
	Worker  uint32
	Number  uint64 // of the operation that wrote it
	Path    string
	Length  int64   // of the whole content, in bytes
	Parents []Nonce // what the worker had read of that file before

	// Area is how many bytes the header of a content that can be edited in place has for itself; 0 for a content that cannot, whose header has
	// just what it needs.
	Area int
	// Pieces are what stands behind the area; with nil it is one piece, of the header's own nonce. See Spliced.
	Pieces []Piece
}

// The layout of a header, all numbers little-endian: magic, size of the header, CRC-32C of the header without the checksum itself,
// nonce, number, length, worker, the lengths of node and path, the number of parents, version; then node, path, parents. A header with an
// area has another version, and then the number of pieces, the pieces, and zeros up to its size.
const (
	contentMagic   = "\xc0dastrs\n"
	headerFixed    = 60
	headerVersion  = 1
	piecesVersion  = 2
	headerMost     = headerFixed + 2*math.MaxUint16 + math.MaxUint16*len(Nonce{}) + 2 + math.MaxUint16*PieceSize
	headerChecksum = 12 // its place
)

// ErrContentLength says that a content would be too short for its own header, or that the header has fields without measure.
var ErrContentLength = errors.New("content cannot hold its header")

// Size is how many bytes the header takes: the shortest content that it can describe.
func (h Header) Size() int { return max(h.Area, h.needs()) }

// needs is how many bytes the fields take.
func (h Header) needs() int {
	size := headerFixed + len(h.Node) + len(h.Path) + len(h.Parents)*len(Nonce{})
	if h.Area != 0 {
		size += 2 + PieceSize*len(h.pieces())
	}
	return size
}

// MakeContent makes a content of header.Length bytes that describes itself. A length below header.Size() is ErrContentLength.
func MakeContent(header Header) ([]byte, error) { return MakeContentIn(nil, header) }

// MakeContentIn is MakeContent in the memory of a content that nobody needs any more, as long as that is enough.
func MakeContentIn(memory []byte, header Header) ([]byte, error) {
	size := header.Size()
	if header.Length < int64(size) {
		return nil, fmt.Errorf("%w: %d bytes for %s, of which its header takes %d", ErrContentLength, header.Length, header.Path, size)
	}
	if len(header.Node) > math.MaxUint16 || len(header.Path) > math.MaxUint16 || len(header.Parents) > math.MaxUint16 {
		return nil, fmt.Errorf("%w: its node, path or list of parents is too long", ErrContentLength)
	}
	if err := header.checkPieces(); err != nil {
		return nil, err
	}
	content := slices.Grow(memory[:0], int(header.Length))[:header.Length]
	clear(content[:size])
	header.put(content[:size])
	newBody(header).fill(content[size:])
	return content, nil
}

func (h Header) put(to []byte) {
	little := binary.LittleEndian
	copy(to, contentMagic)
	little.PutUint32(to[8:], uint32(len(to)))
	copy(to[16:], h.Nonce[:])
	little.PutUint64(to[32:], h.Number)
	little.PutUint64(to[40:], uint64(h.Length))
	little.PutUint32(to[48:], h.Worker)
	little.PutUint16(to[52:], uint16(len(h.Node)))
	little.PutUint16(to[54:], uint16(len(h.Path)))
	little.PutUint16(to[56:], uint16(len(h.Parents)))
	little.PutUint16(to[58:], headerVersion)
	if h.Area != 0 {
		little.PutUint16(to[58:], piecesVersion)
	}
	rest := to[headerFixed:]
	rest = rest[copy(rest, h.Node):]
	rest = rest[copy(rest, h.Path):]
	for _, parent := range h.Parents {
		rest = rest[copy(rest, parent[:]):]
	}
	if h.Area != 0 {
		putPieces(rest, h.pieces())
	}
	little.PutUint32(to[headerChecksum:], checksumOfHeader(to))
}

func checksumOfHeader(header []byte) uint32 {
	sum := crc32.Update(0, castagnoli(), header[:headerChecksum])
	return crc32.Update(sum, castagnoli(), header[headerChecksum+4:])
}

// parseHeader reads a header that is complete, and says what is wrong with it.
func parseHeader(from []byte) (Header, string) {
	little := binary.LittleEndian
	if little.Uint32(from[headerChecksum:]) != checksumOfHeader(from) {
		return Header{}, "its header is damaged"
	}
	version := little.Uint16(from[58:])
	if version != headerVersion && version != piecesVersion {
		return Header{}, fmt.Sprintf("its header has the unknown version %d", version)
	}
	var h Header
	copy(h.Nonce[:], from[16:])
	h.Number, h.Length, h.Worker = little.Uint64(from[32:]), int64(little.Uint64(from[40:])), little.Uint32(from[48:])
	node, path, parents := int(little.Uint16(from[52:])), int(little.Uint16(from[54:])), int(little.Uint16(from[56:]))
	size := headerFixed + node + path + parents*len(Nonce{})
	if len(from) != size && version == headerVersion || len(from) < size+2 && version == piecesVersion {
		return Header{}, "its header does not have the size that its fields take"
	}
	rest := from[headerFixed:]
	h.Node, rest = string(rest[:node]), rest[node:]
	h.Path, rest = string(rest[:path]), rest[path:]
	for ; parents > 0; parents-- {
		h.Parents, rest = append(h.Parents, Nonce(rest[:len(Nonce{})])), rest[len(Nonce{}):]
	}
	if version == piecesVersion {
		h.Area = len(from)
		return h, h.parsePieces(rest)
	}
	return h, ""
}

// ReadHeader reads the header at the begin of a content of which perhaps not all is there, and says what is wrong with the header: "" where
// nothing is.
func ReadHeader(content []byte) (Header, string) {
	checker := NewContentChecker("")
	rest := checker.takeHeader(content)
	if checker.body == nil && checker.problem == "" {
		checker.problem = fmt.Sprintf("it is truncated to %d bytes, within its header", len(content)-len(rest))
	}
	return checker.header, checker.problem
}

// CheckContent says where a content comes from and what is wrong with it: "" where nothing is. The header is the zero one where it cannot
// be read. The path is where the content was found; "" where any is right, as after a rename.
func CheckContent(content []byte, path string) (Header, string) {
	checker := NewContentChecker(path)
	_, _ = checker.Write(content) // a checker takes everything
	return checker.Finish()
}

// A ContentChecker does what CheckContent does, for a content that comes in pieces.
type ContentChecker struct {
	path    string
	head    []byte // what came of the header
	header  Header
	body    *body // nil until the header is complete
	length  int64 // that came
	nonzero bool  // something but zeros came
	problem string
}

// NewContentChecker makes a checker of a content that was found at path, or, with "", anywhere.
func NewContentChecker(path string) *ContentChecker { return &ContentChecker{path: path} }

// Write takes the next piece. It never fails: what is wrong is told by Finish.
func (c *ContentChecker) Write(piece []byte) (int, error) {
	n := len(piece)
	c.length += int64(n)
	c.nonzero = c.nonzero || !isZero(piece)
	if c.body == nil && c.problem == "" {
		piece = c.takeHeader(piece)
	}
	if c.body != nil && c.problem == "" {
		offset := c.length - int64(len(piece))
		c.compare(piece[:min(int64(len(piece)), max(0, c.header.Length-offset))], offset)
	}
	return n, nil
}

// takeHeader takes what belongs to the header and returns the rest.
func (c *ContentChecker) takeHeader(piece []byte) []byte {
	for _, need := range []func() int{func() int { return headerChecksum + 4 }, c.headerSize} {
		size := need()
		if c.problem != "" {
			return nil
		}
		n := min(max(0, size-len(c.head)), len(piece))
		c.head, piece = append(c.head, piece[:n]...), piece[n:]
		if len(c.head) < size {
			return nil
		}
	}
	if c.header, c.problem = parseHeader(c.head); c.problem == "" {
		c.body = newBody(c.header)
	}
	return piece
}

// headerSize is what the first bytes say.
func (c *ContentChecker) headerSize() int {
	if string(c.head[:len(contentMagic)]) != contentMagic {
		c.problem = "it does not begin with a header"
		return 0
	}
	size := binary.LittleEndian.Uint32(c.head[8:])
	if size < headerFixed || size > uint32(headerMost) {
		c.problem = "its header is damaged"
		return 0
	}
	return int(size)
}

// compare holds a piece of the body that begins at an offset of the content against what it should be.
func (c *ContentChecker) compare(piece []byte, offset int64) {
	var block [1024]byte
	for len(piece) > 0 {
		n := min(len(piece), len(block))
		want := block[:n]
		c.body.fill(want)
		if !bytes.Equal(want, piece[:n]) {
			c.problem = difference(want, piece, offset)
			return
		}
		piece, offset = piece[n:], offset+int64(n)
	}
}

// difference describes where a body is not what it should be.
func difference(want, piece []byte, offset int64) string {
	at := 0
	for want[at] == piece[at] {
		at++
	}
	offset += int64(at)
	switch rest := piece[at:]; {
	case isZero(rest):
		return fmt.Sprintf("it has zeros from byte %d on", offset)
	case bytes.Contains(rest, []byte(contentMagic)):
		return fmt.Sprintf("it is mixed with another content from byte %d on", offset)
	default:
		return fmt.Sprintf("it is torn: from byte %d on it is not what was written", offset)
	}
}

// Finish says where the content comes from and what is wrong with it, as CheckContent does.
func (c *ContentChecker) Finish() (Header, string) {
	switch {
	case c.length == 0:
		return c.header, emptyContent
	case !c.nonzero:
		return c.header, fmt.Sprintf("it is %d zeros", c.length)
	case c.problem != "":
		return c.header, c.problem
	case c.body == nil:
		return c.header, fmt.Sprintf("it is truncated to %d bytes, within its header", c.length)
	case c.length < c.header.Length:
		return c.header, fmt.Sprintf("it is truncated to %d of %d bytes", c.length, c.header.Length)
	case c.length > c.header.Length:
		return c.header, fmt.Sprintf("%d bytes follow its end", c.length-c.header.Length)
	case c.path != "" && c.path != c.header.Path:
		return c.header, misplaced + c.header.Path
	}
	return c.header, ""
}

const (
	misplaced    = "it is misplaced: it was written to "
	emptyContent = "it is empty"
)

// IsEmpty says whether a problem of a content is only that there is none, which the creation of a file explains.
func IsEmpty(problem string) bool { return problem == emptyContent }

// IsMisplaced says whether a problem of a content is only that it was found at another path than it was written to, which a rename or a
// link explains.
func IsMisplaced(problem string) bool { return strings.HasPrefix(problem, misplaced) }

func isZero(piece []byte) bool {
	for _, b := range piece {
		if b != 0 {
			return false
		}
	}
	return true
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
