package checks

import (
	"syscall"

	"github.com/codastress/codastress/harness/history"
)

// halves are the contents of which a write can have left a half. One that is refused in the middle, by a disk that is full or fails, tells its application
// so and leaves what it had written, in a file of its own or in the one that it was editing, as write(2) does on any file system. What was edited in
// place after that keeps the damage.
type halves struct {
	contents map[uint32]history.Time // since when
	paths    map[uint32]history.Time // where a file can have been left that does not say what it is, and since when
}

// newHalves looks for writes that were refused.
func newHalves(operations *history.Packed) *halves {
	h := &halves{contents: map[uint32]history.Time{}, paths: map[uint32]history.Time{}}
	for _, row := range operations.Rows() {
		if !row.Kind.Writes() || !refused(row) {
			continue
		}
		earliest(h.contents, row.Content, row.Invoked)
		if row.Kind != history.Write { // the header may be that of before
			for _, parent := range operations.Parents(row) {
				earliest(h.contents, parent, row.Invoked)
			}
		}
		earliest(h.paths, row.Path, row.Invoked)
	}
	delete(h.contents, 0)
	for grown := len(h.contents) > 0; grown; {
		grown = false
		for _, row := range operations.Rows() {
			if row.Kind != history.Append && row.Kind != history.Edit || row.Content == 0 {
				continue
			}
			if _, known := h.contents[row.Content]; known {
				continue
			}
			for _, parent := range operations.Parents(row) {
				if _, half := h.contents[parent]; half {
					h.contents[row.Content], grown = row.Invoked, true
				}
			}
		}
	}
	return h
}

// earliest keeps the first moment of each number.
func earliest(of map[uint32]history.Time, number uint32, at history.Time) {
	if since, known := of[number]; !known || at < since {
		of[number] = at
	}
}

// refused says whether a disk kept an operation from its end. A close that is refused comes after everything was written, and cannot be told apart.
func refused(row *history.Row) bool {
	if row.Outcome != history.Indeterminate {
		return false
	}
	switch syscall.Errno(row.Errno) {
	case syscall.EIO, syscall.ENOSPC, syscall.EDQUOT:
		return true
	}
	return false
}

// damages says whether what is wrong with a content that was seen at a path can be the work of a write that was refused. What has no header has no
// number.
func (h *halves) damages(content uint32, seen history.Time, paths ...uint32) bool {
	if content != 0 {
		since, known := h.contents[content]
		return known && since < seen
	}
	for _, path := range paths {
		if since, known := h.paths[path]; known && since < seen {
			return true
		}
	}
	return false
}
