package workloads

import (
	"context"
	"errors"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A Process does one operation after the other, as a process on the node would. It is for one goroutine.
type Process struct {
	files  *Files
	worker *history.Worker
	nonces mathrand.Source
	buffer []byte                   // for reading
	wrote  []byte                   // the content that was written last, whose memory is used again
	known  map[string]history.Nonce // the version of each file that it read or wrote last
	area   int                      // of the headers of the contents that it writes
}

// EditableArea is the room that the headers of contents have which can be edited in place. It holds the names of a deep path and half a dozen pieces.
const EditableArea = 512

// Process returns a new process.
func (f *Files) Process() *Process {
	return &Process{
		files: f, worker: f.recorder.Worker(), nonces: f.nonces(), buffer: make([]byte, readSize),
		known: map[string]history.Nonce{},
	}
}

// A Result is how an operation ended.
type Result struct {
	Outcome history.Outcome
	Errno   syscall.Errno // of Failed and Indeterminate
	Err     error         // nil with OK; ErrStuck, or the context's, with an operation that was not begun and is not recorded
}

// OK says whether the operation took effect.
func (r Result) OK() bool { return r.Outcome == history.OK }

// do makes one call.
func (p *Process) do(ctx context.Context, kind history.Kind, path, target string, call func(context.Context) answer) (answer, Result) {
	pending, err := p.files.begin(ctx, p.worker, kind, path, target)
	if err != nil {
		return answer{}, Result{Outcome: history.Failed, Err: err}
	}
	return p.finish(ctx, kind, pending, call)
}

// finish makes the call of an operation that was begun. After one that was abandoned the process goes on as another worker.
func (p *Process) finish(ctx context.Context, kind history.Kind, pending *history.Pending, call func(context.Context) answer) (answer, Result) {
	got, result, returned := p.files.finish(ctx, kind, pending, call)
	if !returned {
		p.worker, p.buffer = p.files.recorder.Worker(), make([]byte, readSize) // the call may still use those of before
	}
	return got, result
}

// simple makes one call that brings nothing back.
func (p *Process) simple(ctx context.Context, kind history.Kind, path, target string, call func(context.Context) error) Result {
	_, result := p.do(ctx, kind, path, target, func(ctx context.Context) answer { return answer{err: call(ctx)} })
	return result
}

// Read reads a file and checks its content.
func (p *Process) Read(ctx context.Context, path string) Result {
	content := newSeen(path, p.buffer)
	got, result := p.do(ctx, history.Read, path, "", func(ctx context.Context) answer {
		if err := p.files.directory.ReadFile(ctx, path, content); err != nil {
			return answer{err: err}
		}
		return answer{end: content.end()}
	})
	if result.OK() {
		p.known[path] = got.end.Content
	}
	return result
}

// Write replaces a file's content, or makes the file, with a content that describes itself. It has a length in bytes, or what its header takes
// where that is more. Its parent is the version that the process read or wrote last.
func (p *Process) Write(ctx context.Context, path string, length int, how How) Result {
	var parents []history.Nonce
	if parent := p.known[path]; !parent.IsZero() {
		parents = append(parents, parent)
	}
	return p.write(ctx, path, parents, length, func(ctx context.Context, content []byte) answer {
		return answer{end: history.End{Synced: how.Sync}, err: p.files.directory.WriteFile(ctx, path, content, how)}
	})
}

// write makes the call that puts a new content at a path.
func (p *Process) write(
	ctx context.Context, path string, parents []history.Nonce, length int, put func(ctx context.Context, content []byte) answer,
) Result {
	pending, err := p.files.begin(ctx, p.worker, history.Write, path, "")
	if err != nil {
		return Result{Outcome: history.Failed, Err: err}
	}
	header := history.Header{
		Nonce: history.NewNonce(p.nonces), Node: p.files.node, Worker: p.worker.Number(), Number: pending.Number(), Path: path,
		Parents: parents,
	}
	header.Area = p.area
	header.Length = int64(max(length, header.Size()))
	content, err := history.MakeContentIn(p.wrote, header)
	p.wrote = nil // whoever fails may still be at it
	if err == nil {
		pending.Writes(header)
	}
	_, result := p.finish(ctx, history.Write, pending, func(ctx context.Context) answer {
		if err != nil {
			return answer{err: &CallError{Op: "make content for", Path: path, Errno: syscall.ENAMETOOLONG, Effect: None}}
		}
		return put(ctx, content)
	})
	if result.OK() {
		p.known[path], p.wrote = header.Nonce, content
	}
	return result
}

// A Splice says which part of a content an edit replaces.
type Splice struct {
	At     float64       // where the new bytes begin, as a part of the body: 1 is its end
	Length int           // of the new bytes
	Cut    bool          // nothing follows them
	Hold   time.Duration // how long the file is open before it is changed
}

// Append adds to the end of a file, in a session that reads it first.
func (p *Process) Append(ctx context.Context, path string, length int, hold time.Duration, how How) Result {
	return p.change(ctx, history.Append, path, Splice{At: 1, Length: length, Hold: hold}, how)
}

// Edit changes a part of a file, in a session that reads it first. What cannot be edited is replaced as a whole in the same session.
func (p *Process) Edit(ctx context.Context, path string, splice Splice, how How) Result {
	return p.change(ctx, history.Edit, path, splice, how)
}

func (p *Process) change(ctx context.Context, kind history.Kind, path string, splice Splice, how How) Result {
	pending, err := p.files.begin(ctx, p.worker, kind, path, "")
	if err != nil {
		return Result{Outcome: history.Failed, Err: err}
	}
	by := history.Header{
		Nonce: history.NewNonce(p.nonces), Node: p.files.node, Worker: p.worker.Number(), Number: pending.Number(), Path: path, Area: max(EditableArea, p.area),
	}
	pending.Writes(by)
	_, result := p.finish(ctx, kind, pending, func(ctx context.Context) answer {
		seen := make(chan history.End, 1) // the file system may go on with an edit after it gave up the call
		err := p.files.directory.EditFile(ctx, path, func(content []byte) ([]Change, error) {
			end, changes, err := splice.apply(by, content)
			seen <- end
			pauseFor(ctx, splice.Hold)
			return changes, err
		}, how)
		select {
		case end := <-seen:
			end.Synced = how.Sync
			return answer{end: end, err: err}
		default:
			return answer{err: err}
		}
	})
	if result.OK() {
		p.known[path] = by.Nonce
	}
	return result
}

// Merge is Write for a file that is in conflict: the new content follows all versions that were found.
func (p *Process) Merge(ctx context.Context, path string, versions []history.Nonce, length int, conflicts Conflicts) Result {
	return p.write(ctx, path, versions, length, func(ctx context.Context, content []byte) answer {
		return answer{err: conflicts.Repair(ctx, path, content)}
	})
}

// Remove unlinks anything but a directory.
func (p *Process) Remove(ctx context.Context, path string) Result {
	delete(p.known, path)
	return p.simple(ctx, history.Remove, path, "", func(ctx context.Context) error { return p.files.directory.Remove(ctx, path) })
}

// MakeDirectory makes a directory.
func (p *Process) MakeDirectory(ctx context.Context, path string) Result {
	return p.simple(ctx, history.MakeDirectory, path, "", func(ctx context.Context) error {
		return p.files.directory.MakeDirectory(ctx, path)
	})
}

// RemoveDirectory removes an empty directory.
func (p *Process) RemoveDirectory(ctx context.Context, path string) Result {
	return p.simple(ctx, history.RemoveDirectory, path, "", func(ctx context.Context) error {
		return p.files.directory.RemoveDirectory(ctx, path)
	})
}

// Rename gives an object another name.
func (p *Process) Rename(ctx context.Context, from, to string) Result {
	delete(p.known, from)
	delete(p.known, to)
	return p.simple(ctx, history.Rename, from, to, func(ctx context.Context) error { return p.files.directory.Rename(ctx, from, to) })
}

// Link gives a file a second name.
func (p *Process) Link(ctx context.Context, path, name string) Result {
	return p.simple(ctx, history.Link, path, name, func(ctx context.Context) error { return p.files.directory.Link(ctx, path, name) })
}

// ReadLink reads the text of a symlink.
func (p *Process) ReadLink(ctx context.Context, path string) (string, Result) {
	got, result := p.do(ctx, history.ReadLink, path, "", func(ctx context.Context) answer {
		text, err := p.files.directory.ReadLink(ctx, path)
		return answer{end: history.End{Target: text}, err: err}
	})
	return got.end.Target, result
}

// SetMode changes permission bits.
func (p *Process) SetMode(ctx context.Context, path string, mode fs.FileMode) Result {
	_, result := p.do(ctx, history.SetMode, path, "", func(ctx context.Context) answer {
		return answer{end: history.End{Mode: mode}, err: p.files.directory.SetMode(ctx, path, mode)}
	})
	return result
}

// SetTime changes when an object is said to have been modified.
func (p *Process) SetTime(ctx context.Context, path string, modified time.Time) Result {
	return p.simple(ctx, history.SetTime, path, "", func(ctx context.Context) error {
		return p.files.directory.SetTime(ctx, path, modified)
	})
}

// Symlink makes a symlink at path.
func (p *Process) Symlink(ctx context.Context, path, text string) Result {
	return p.simple(ctx, history.Symlink, path, text, func(ctx context.Context) error { return p.files.directory.Symlink(ctx, path, text) })
}

// List returns the names in a directory.
func (p *Process) List(ctx context.Context, path string) ([]string, Result) {
	got, result := p.do(ctx, history.List, path, "", func(ctx context.Context) answer {
		names, err := p.files.directory.List(ctx, path)
		return answer{end: history.End{Length: int64(len(names)), Entries: entries(path, names)}, names: names, err: err}
	})
	return got.names, result
}

// Stat describes an object and does not follow a symlink at the end of the path.
func (p *Process) Stat(ctx context.Context, path string) (Info, Result) {
	got, result := p.do(ctx, history.Stat, path, "", func(ctx context.Context) answer {
		info, err := p.files.directory.Stat(ctx, path)
		return answer{end: history.End{Length: info.Length, Mode: info.Mode}, info: info, err: err}
	})
	return got.info, result
}

// readSize is how many bytes are read at a time.
const readSize = 32 << 10

// seen looks at a content as it comes.
type seen struct {
	*history.ContentChecker
	length int64
	buffer []byte
}

var _ io.ReaderFrom = (*seen)(nil)

func newSeen(path string, buffer []byte) *seen {
	return &seen{ContentChecker: history.NewContentChecker(path), buffer: buffer}
}

// Write implements io.Writer and takes everything.
func (s *seen) Write(piece []byte) (int, error) {
	s.length += int64(len(piece))
	return s.ContentChecker.Write(piece)
}

// ReadFrom implements io.ReaderFrom, so that io.Copy needs no buffer of its own.
func (s *seen) ReadFrom(from io.Reader) (n int64, err error) {
	for {
		length, err := from.Read(s.buffer)
		n += int64(length)
		_, _ = s.Write(s.buffer[:length]) // it takes everything
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// end is what the content tells of itself.
func (s *seen) end() history.End {
	header, problem := s.Finish()
	return history.End{Content: header.Nonce, Length: s.length, Problem: problem}
}
