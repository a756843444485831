package history

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// A Piece is a part of a content that can be edited: some of the endless bytes that follow from the nonce of the write that it came from. So a
// content tells of each of its bytes which write it is from, although its newest writer wrote only some of them.
type Piece struct {
	Nonce  Nonce
	From   int64 // where it begins in these bytes
	Length int64
}

// PieceSize is what a piece takes in the area of a header, in bytes.
const PieceSize = len(Nonce{}) + 8 + 8

// Body is how many bytes of a content that can be edited stand behind its area.
func (h Header) Body() int64 { return h.Length - int64(h.Area) }

func (h Header) pieces() []Piece {
	if h.Area == 0 || h.Pieces != nil || h.Body() <= 0 {
		return h.Pieces
	}
	return []Piece{{Nonce: h.Nonce, Length: h.Body()}}
}

// Spliced is the header of what a content becomes when some bytes of the new header's own stand at an offset of its body. The length of a content
// that is cut ends with them; of one that is not, what was there goes on behind them. The parent is the content that it was. Only the area and
// the new bytes are others than before.
func (h Header) Spliced(by Header, at, length int64, cut bool) Header {
	by.Area, by.Parents, by.Pieces = h.Area, []Nonce{h.Nonce}, nil
	pieces := partOf(h.pieces(), 0, at)
	if length > 0 {
		pieces = append(pieces, Piece{Nonce: by.Nonce, Length: length})
	}
	if !cut {
		pieces = append(pieces, partOf(h.pieces(), at+length, max(h.Body(), at+length))...)
	}
	by.Length = int64(h.Area)
	for _, piece := range pieces {
		by.Length += piece.Length
	}
	by.Pieces = pieces
	return by
}

// partOf are the pieces of a part of a body.
func partOf(pieces []Piece, from, to int64) []Piece {
	var part []Piece
	at := int64(0)
	for _, piece := range pieces {
		begin, end := max(from, at), min(to, at+piece.Length)
		if begin < end {
			part = append(part, Piece{Nonce: piece.Nonce, From: piece.From + begin - at, Length: end - begin})
		}
		at += piece.Length
	}
	return part
}

// checkPieces says why a header with pieces cannot be written.
func (h Header) checkPieces() error {
	if h.Area == 0 && h.Pieces == nil {
		return nil
	}
	if h.Area < h.needs() || len(h.Pieces) > math.MaxUint16 {
		return fmt.Errorf("%w: its %d pieces have no room in an area of %d bytes", ErrContentLength, len(h.Pieces), h.Area)
	}
	if problem := h.problemOfPieces(); problem != "" {
		return fmt.Errorf("%w: %s", ErrContentLength, problem)
	}
	return nil
}

func (h Header) problemOfPieces() string {
	left := h.Body()
	for _, piece := range h.pieces() {
		if piece.From < 0 || piece.Length <= 0 || piece.Length > left || piece.From > math.MaxInt64-piece.Length {
			return "its header has pieces without measure"
		}
		left -= piece.Length
	}
	if left != 0 {
		return "its header has pieces of another length than its own"
	}
	return ""
}

func putPieces(to []byte, pieces []Piece) {
	little := binary.LittleEndian
	little.PutUint16(to, uint16(len(pieces)))
	to = to[2:]
	for _, piece := range pieces {
		copy(to, piece.Nonce[:])
		little.PutUint64(to[16:], uint64(piece.From))
		little.PutUint64(to[24:], uint64(piece.Length))
		to = to[PieceSize:]
	}
}

// parsePieces reads what stands behind the parents, and says what is wrong with it.
func (h *Header) parsePieces(from []byte) string {
	little := binary.LittleEndian
	count := int(little.Uint16(from))
	if len(from) < 2+count*PieceSize || !isZero(from[2+count*PieceSize:]) {
		return "its header does not have the size that its fields take"
	}
	for piece := range slices.Chunk(from[2:2+count*PieceSize], PieceSize) {
		h.Pieces = append(h.Pieces, Piece{
			Nonce: Nonce(piece[:16]), From: int64(little.Uint64(piece[16:])), Length: int64(little.Uint64(piece[24:])),
		})
	}
	if count == 0 && h.Body() != 0 {
		return "its header has pieces of another length than its own"
	}
	return h.problemOfPieces()
}

// body gives the bytes behind a header one after the other.
type body struct {
	pieces []Piece // what is left; endless where there is no area
	now    *generator
}

func newBody(header Header) *body {
	if header.Area == 0 {
		return &body{pieces: []Piece{{Nonce: header.Nonce, Length: math.MaxInt64}}}
	}
	return &body{pieces: slices.Clone(header.pieces())}
}

// fill gives the next bytes; behind the last piece there are zeros.
func (b *body) fill(to []byte) {
	for len(to) > 0 && len(b.pieces) > 0 {
		piece := &b.pieces[0]
		if b.now == nil {
			b.now = newGenerator(piece.Nonce)
			b.now.skip(piece.From)
		}
		n := min(int64(len(to)), piece.Length)
		b.now.fill(to[:n])
		to, piece.Length = to[n:], piece.Length-n
		if piece.Length == 0 {
			b.pieces, b.now = b.pieces[1:], nil
		}
	}
	clear(to)
}
