package rot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Disk has files.
type Disk interface {
	// Files lists the paths of all files below a folder, in any order.
	Files(folder string) ([]string, error)
	// Open opens a file for reading and writing. The error is fs.ErrNotExist where there is none.
	Open(path string) (File, error)
}

// A File is open.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// A Content is a file of which a bit may be flipped.
type Content struct {
	Path   string `json:"path"`
	Digest []byte `json:"digest,omitempty"` // the SHA-256 of what it must have, so that it is not taken for one that has got other contents; nil where its name says enough
}

// A Flip is a bit of a file that was flipped.
type Flip struct {
	Content
	Offset int64 `json:"offset"` // of its byte
	Was    byte  `json:"was"`    // the byte, before
	Is     byte  `json:"is"`
}

// State is what has become of a flipped bit.
type State string

// The states.
const (
	Flipped State = "flipped"
	Right   State = "right" // as it was before
	Gone    State = "gone"  // there is no such file any more, or no such byte in it
)

// ErrNothing says that there is no file of which a bit could be flipped.
var ErrNothing = errors.New("there are no contents that could rot")

// In gives the files below a folder.
func In(on Disk, folder string) (all []Content, err error) {
	paths, err := on.Files(folder)
	if err != nil {
		return nil, fmt.Errorf("looking for contents in %s: %w", folder, err)
	}
	for _, path := range paths {
		all = append(all, Content{Path: path})
	}
	return all, nil
}

// Bits flips a bit in each of a share of some files, and in one of them at least; which, random draws. It returns when the disk gives the other bytes. With an
// error come those that were flipped before it.
func Bits(on Disk, among []Content, share float64, random *rand.Rand) (flips []Flip, err error) {
	among = slices.SortedFunc(slices.Values(among), func(a, b Content) int { return strings.Compare(a.Path, b.Path) })
	random.Shuffle(len(among), func(i, j int) { among[i], among[j] = among[j], among[i] })
	most := max(int(share*float64(len(among))), 1)
	for _, content := range among {
		flip, err := flipIn(on, content, random)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, io.EOF), errors.Is(err, errOther):
			continue // it was removed meanwhile, is empty, or has got other contents
		case err != nil:
			return flips, err
		}
		if flips = append(flips, flip); len(flips) == most {
			break
		}
	}
	if len(flips) == 0 {
		return nil, ErrNothing
	}
	return flips, nil
}

// errOther says that a file does not have the contents that were meant.
var errOther = errors.New("it has other contents")

func flipIn(on Disk, content Content, random *rand.Rand) (flip Flip, err error) {
	file, err := on.Open(content.Path)
	if err != nil {
		return flip, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return flip, err
	case info.Size() == 0:
		return flip, io.EOF
	}
	flip = Flip{Content: content, Offset: random.Int64N(info.Size())}
	if flip.Was, err = byteAt(file, flip.Offset); err != nil {
		return flip, err
	}
	if err := flip.check(file, info.Size()); err != nil {
		return flip, err
	}
	flip.Is = flip.Was ^ 1<<random.IntN(8)
	if _, err := file.WriteAt([]byte{flip.Is}, flip.Offset); err != nil {
		return flip, err
	}
	now, err := byteAt(file, flip.Offset)
	if err == nil && now != flip.Is {
		err = fmt.Errorf("the disk gives %#x of %s at %d, and not %#x that was written", now, flip.Path, flip.Offset, flip.Is)
	}
	return flip, err
}

// check says whether a file has the contents that were meant, were it not for the bit.
func (f Flip) check(file File, size int64) error {
	if f.Digest == nil {
		return nil
	}
	contents := make([]byte, size)
	if _, err := file.ReadAt(contents, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	contents[f.Offset] = f.Was
	if got := sha256.Sum256(contents); !bytes.Equal(got[:], f.Digest) {
		return errOther
	}
	return nil
}

func byteAt(file File, offset int64) (byte, error) {
	one := make([]byte, 1)
	_, err := file.ReadAt(one, offset)
	return one[0], err
}

// Look says how many of flipped bits are in which state. Before, it flips those back that are still flipped, where that is wanted.
func Look(on Disk, flips []Flip, back bool) (map[State]int, error) {
	states := map[State]int{}
	var failures []error
	for _, flip := range flips {
		state, err := look(on, flip, back)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		states[state]++
	}
	return states, errors.Join(failures...)
}

func look(on Disk, flip Flip, back bool) (state State, err error) {
	file, err := on.Open(flip.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Gone, nil
	}
	if err != nil {
		return "", fmt.Errorf("looking at %s: %w", flip.Path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	now, err := byteAt(file, flip.Offset)
	switch {
	case errors.Is(err, io.EOF):
		return Gone, nil
	case err != nil:
		return "", fmt.Errorf("reading %s: %w", flip.Path, err)
	case now == flip.Was:
		return Right, nil
	case now != flip.Is:
		return Gone, nil // it has other contents
	}
	info, err := file.Stat()
	if err == nil {
		err = flip.check(file, info.Size())
	}
	switch {
	case errors.Is(err, errOther):
		return Gone, nil // and just this byte is the same
	case err != nil:
		return "", fmt.Errorf("reading %s: %w", flip.Path, err)
	case !back:
		return Flipped, nil
	}
	if _, err := file.WriteAt([]byte{flip.Was}, flip.Offset); err != nil {
		return "", fmt.Errorf("writing %s: %w", flip.Path, err)
	}
	return Right, nil
}

// Machine is the disk of this machine.
type Machine struct{}

var _ Disk = Machine{}

// Files implements Disk.
func (Machine) Files(folder string) (paths []string, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	return paths, err
}

// Open implements Disk.
func (Machine) Open(path string) (File, error) { return os.OpenFile(path, os.O_RDWR, 0) }
