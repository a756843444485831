package venus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// journal makes changes of the metadata survive kill -9 without waiting for anybody: whoever waits for a change writes it, and all others that are
// enqueued, to the kernel himself. Pebble's own log is written by a goroutine that would have to be woken and waited for, twice for each
// small file; it follows a moment later, and then the journal begins anew.
//
// Changes are numbered. Each one stores its number in Pebble as well, so that after a crash those that Pebble has lost, and no others, are
// applied again. The journal is never synced: what a power loss must not take is synced in Pebble's log.
type journal struct {
	fs  vfs.FS
	dir string

	mu     sync.Mutex // guards what follows
	buffer []byte     // enqueued and not written
	number uint64     // of the last change in the buffer, or before it

	writing sync.Mutex // held by who writes; guards what follows
	file    vfs.File
	index   int
	size    int
	written uint64 // number of the last change that has been written
	spare   []byte // the buffer that was written last
	failed  error  // the journal could not be written: changes wait for Pebble's log instead
}

// journalSize is the length at which the journal begins anew.
const journalSize = 4 << 20

// journalHeader is length, checksum and number of an entry.
const journalHeader = 4 + 4 + 8

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// journalPrefix starts the names of journals.
const journalPrefix = "journal-"

func journalName(index int) string { return fmt.Sprintf("%s%012d", journalPrefix, index) }

// appendEntry adds an entry to a buffer.
func appendEntry(b []byte, number uint64, change []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(change)))
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, number)
	b = append(b, change...)
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(b[start+8:], castagnoli()))
	return b
}

// parseEntry takes the first entry off a buffer; ok is false where it breaks off or is damaged.
func parseEntry(b []byte) (number uint64, change, rest []byte, ok bool) {
	if len(b) < journalHeader {
		return 0, nil, nil, false
	}
	length := uint64(binary.LittleEndian.Uint32(b))
	if uint64(len(b)-journalHeader) < length {
		return 0, nil, nil, false
	}
	end := journalHeader + int(length)
	if crc32.Checksum(b[8:end], castagnoli()) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, nil, nil, false
	}
	return binary.LittleEndian.Uint64(b[8:]), b[journalHeader:end], b[end:], true
}

// replayJournal calls apply for the changes after number that follow without a gap, in order, and gives the number of the last.
func replayJournal(fs vfs.FS, dir string, number uint64, apply func(number uint64, change []byte) error) (last uint64, files []string, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return 0, nil, fmt.Errorf("list %s: %w", dir, err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, journalPrefix) {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	for _, name := range files {
		b, err := readAll(fs, fs.PathJoin(dir, name))
		if err != nil {
			return 0, nil, err
		}
		for {
			n, change, rest, ok := parseEntry(b)
			if !ok || n > number+1 {
				break
			}
			if n == number+1 {
				if err := apply(n, change); err != nil {
					return 0, nil, fmt.Errorf("replay change %d of %s: %w", n, name, err)
				}
				number = n
			}
			b = rest
		}
	}
	return number, files, nil
}

func readAll(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	b, err := io.ReadAll(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b, nil
}

// newJournal starts a journal for the changes after number.
func newJournal(fs vfs.FS, dir string, index int, number uint64) (*journal, error) {
	j := &journal{fs: fs, dir: dir, index: index, number: number, written: number}
	return j, j.create()
}

func (j *journal) create() error {
	f, err := j.fs.Create(j.fs.PathJoin(j.dir, journalName(j.index)), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("make a journal: %w", err)
	}
	j.file, j.size = f, 0
	return nil
}

// enqueue adds a change, which Pebble must have taken already, and which follows the one before.
func (j *journal) enqueue(number uint64, change []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buffer = appendEntry(j.buffer, number, change)
	j.number = number
}

// last is the number of the last change.
func (j *journal) last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.number
}

// flush returns when the changes up to number have been handed to the kernel. After an error the journal is of no use any more. Once in a while the
// journal begins anew; saved makes sure that Pebble's log has been handed to the kernel.
func (j *journal) flush(number uint64, saved func() error) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.written >= number || j.failed != nil {
		return j.failed
	}
	j.mu.Lock()
	b, last := j.buffer, j.number
	j.buffer = j.spare[:0]
	j.mu.Unlock()
	if _, err := j.file.Write(b); err != nil {
		j.failed = fmt.Errorf("write the journal: %w", err)
		return j.failed
	}
	j.spare, j.size, j.written = b, j.size+len(b), last
	if j.size > journalSize {
		// The change that was waited for is safe, whether or not this works.
		j.failed = j.rotate(saved)
	}
	return nil
}

// rotate begins anew.
func (j *journal) rotate(saved func() error) error {
	if err := saved(); err != nil {
		return err
	}
	old, name := j.file, journalName(j.index)
	j.index++
	if err := j.create(); err != nil {
		return err
	}
	return errors.Join(old.Close(), j.fs.Remove(j.fs.PathJoin(j.dir, name)))
}

func (j *journal) close() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	return j.file.Close()
}
