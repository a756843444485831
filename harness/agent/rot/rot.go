package rot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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

// A Flip is a bit of a file that was flipped.
type Flip struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"` // of its byte
	Was    byte   `json:"was"`    // the byte, before
	Is     byte   `json:"is"`
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

// Bits flips a bit in each of a share of the files below a folder, and in one of them at least; which, random draws. It returns when the disk gives the other
// bytes. With an error come those that were flipped before it.
func Bits(on Disk, folder string, share float64, random *rand.Rand) (flips []Flip, err error) {
	paths, err := on.Files(folder)
	if err != nil {
		return nil, fmt.Errorf("looking for contents in %s: %w", folder, err)
	}
	slices.Sort(paths)
	random.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	most := max(int(share*float64(len(paths))), 1)
	for _, path := range paths {
		flip, err := flipIn(on, path, random)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, io.EOF):
			continue // it was removed meanwhile, or is empty
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

func flipIn(on Disk, path string, random *rand.Rand) (flip Flip, err error) {
	file, err := on.Open(path)
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
	flip = Flip{Path: path, Offset: random.Int64N(info.Size())}
	if flip.Was, err = byteAt(file, flip.Offset); err != nil {
		return flip, err
	}
	flip.Is = flip.Was ^ 1<<random.IntN(8)
	if _, err := file.WriteAt([]byte{flip.Is}, flip.Offset); err != nil {
		return flip, err
	}
	now, err := byteAt(file, flip.Offset)
	if err == nil && now != flip.Is {
		err = fmt.Errorf("the disk gives %#x of %s at %d, and not %#x that was written", now, path, flip.Offset, flip.Is)
	}
	return flip, err
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
