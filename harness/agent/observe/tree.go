package observe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/history"
	"golang.org/x/sync/errgroup"
)

// Tree is what can be observed: the files below one root. Paths are slash-separated and relative to the root, which is ".".
// Calls may come from several goroutines and may block for as long as the file system takes.
type Tree interface {
	// List returns the names in a directory without "." and "..", in any order.
	List(ctx context.Context, path string) ([]string, error)
	// Stat does not follow a symlink at the end of the path.
	Stat(ctx context.Context, path string) (Info, error)
	// ReadFile copies a file's content from open to close.
	ReadFile(ctx context.Context, path string, to io.Writer) error
	// ReadLink returns a symlink's text.
	ReadLink(ctx context.Context, path string) (string, error)
}

// Info is what Stat says of an object.
type Info struct {
	Mode   fs.FileMode // type and permission bits
	Length int64       // in bytes
	Links  uint64      // names of the object
}

// Options say how a tree is observed. Zero values stand for the defaults.
type Options struct {
	Root     string        // the directory to look at; "."
	CallTime time.Duration // of one call; 10 s
	Parallel int           // calls at once; 4
}

// HungError says that a call did not return in time and was left behind.
type HungError struct{ history.HungCall }

// Error implements error.
func (e *HungError) Error() string {
	return fmt.Sprintf("%s did not return within %v", e.Call, e.After)
}

// Objects describes everything below the root of a tree, or below another directory of it, sorted by path; the root itself has no name and is left out. What is wrong with one
// object, an error of a call on it included, is its Problem. The error is a HungError, the context's, or why the root cannot be listed.
func Objects(ctx context.Context, tree Tree, options Options) ([]history.Object, error) {
	if options.CallTime == 0 {
		options.CallTime = 10 * time.Second
	}
	if options.Parallel == 0 {
		options.Parallel = 4
	}
	if options.Root == "" {
		options.Root = "."
	}
	w := walk{tree: tree, options: options}
	objects := []history.Object{}
	folders := []string{options.Root}
	for len(folders) > 0 {
		level, err := w.level(ctx, folders)
		if err != nil {
			return nil, fmt.Errorf("observing a tree: %w", err)
		}
		folders = folders[:0]
		for _, object := range level {
			if object.Kind == directory && object.Problem == "" {
				folders = append(folders, object.Path)
			}
		}
		objects = append(objects, level...)
	}
	slices.SortFunc(objects, func(a, b history.Object) int { return strings.Compare(a.Path, b.Path) })
	return w.withUnlisted(objects), nil
}

// The kinds of objects.
const (
	file      = "file"
	directory = "directory"
	symlink   = "symlink"
)

// conflictForm is the target of the symlink that a Coda client shows in the place of an object that is in conflict.
var conflictForm = regexp.MustCompile(`^@[0-9a-f]{8,16}\.[0-9a-f]{8,16}\.[0-9a-f]{8,16}@[^/]*\.$`)

// walk is one observation.
type walk struct {
	tree     Tree
	options  Options
	unlisted map[string]string // the problems of directories that cannot be listed
}

// level lists folders and describes what is in them.
func (w *walk) level(ctx context.Context, folders []string) ([]history.Object, error) {
	names := make([][]string, len(folders))
	problems := make([]error, len(folders))
	err := w.each(ctx, len(folders), func(ctx context.Context, i int) error {
		var err error
		names[i], err = within(ctx, w, "readdir", folders[i], func(ctx context.Context) ([]string, error) { return w.tree.List(ctx, folders[i]) })
		problems[i] = err
		return fatal(err)
	})
	if err != nil {
		return nil, err
	}
	var paths []string
	for i, folder := range folders {
		if problems[i] != nil && folder == w.options.Root {
			return nil, problems[i]
		}
		if problems[i] != nil {
			if w.unlisted == nil {
				w.unlisted = make(map[string]string)
			}
			w.unlisted[folder] = "list: " + problems[i].Error()
		}
		for _, name := range names[i] {
			paths = append(paths, path.Join(folder, name))
		}
	}
	objects := make([]history.Object, len(paths))
	err = w.each(ctx, len(paths), func(ctx context.Context, i int) error {
		objects[i] = history.Object{Path: paths[i]}
		err := w.describe(ctx, &objects[i])
		if err != nil {
			objects[i].Problem = err.Error()
		}
		return fatal(err)
	})
	return objects, err
}

// withUnlisted adds the problems that were found after their directories had been described.
func (w *walk) withUnlisted(objects []history.Object) []history.Object {
	for i := range objects {
		if problem := w.unlisted[objects[i].Path]; problem != "" {
			objects[i].Problem = problem
		}
	}
	return objects
}

// describe looks at one object.
func (w *walk) describe(ctx context.Context, object *history.Object) error {
	info, err := within(ctx, w, "stat", object.Path, func(ctx context.Context) (Info, error) { return w.tree.Stat(ctx, object.Path) })
	if err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	object.Mode = uint32(info.Mode.Perm())
	switch info.Mode.Type() {
	case fs.ModeDir:
		object.Kind = directory // its length and links are counted differently by every front end
		return nil
	case fs.ModeSymlink:
		object.Kind, object.Length, object.Links = symlink, info.Length, uint32(info.Links)
		object.Digest, err = within(ctx, w, "readlink", object.Path, func(ctx context.Context) (string, error) {
			return w.tree.ReadLink(ctx, object.Path)
		})
		if err != nil {
			return fmt.Errorf("readlink: %w", err)
		}
		if conflictForm.MatchString(object.Digest) {
			// What the link says of itself is another client's affair each time.
			*object = history.Object{Path: object.Path, Kind: history.KindConflict, Digest: object.Digest}
		}
		return nil
	case 0:
		object.Kind, object.Length, object.Links = file, info.Length, uint32(info.Links)
		return w.read(ctx, object)
	default:
		return fmt.Errorf("neither a file nor a directory nor a symlink, but %v", info.Mode.Type())
	}
}

// read fills in what is known of a file by its content.
func (w *walk) read(ctx context.Context, object *history.Object) error {
	type seen struct {
		header  history.Header
		problem string
		digest  string
		length  int64
	}
	content, err := within(ctx, w, "read", object.Path, func(ctx context.Context) (seen, error) {
		sum, checker := sha256.New(), history.NewContentChecker(object.Path)
		length := counter(0)
		err := w.tree.ReadFile(ctx, object.Path, io.MultiWriter(sum, checker, &length))
		header, problem := checker.Finish()
		return seen{header, problem, hex.EncodeToString(sum.Sum(nil)), int64(length)}, err
	})
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	object.Digest, object.Content, object.Problem = content.digest, content.header.Nonce, content.problem
	if content.length != object.Length && object.Problem == "" {
		object.Problem = fmt.Sprintf("stat says that it has %d bytes, and it has %d", object.Length, content.length)
	}
	return nil
}

// counter counts bytes.
type counter int64

func (c *counter) Write(piece []byte) (int, error) {
	*c += counter(len(piece))
	return len(piece), nil
}

// each calls do for every index, some at a time, until one fails.
func (w *walk) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, calling := errgroup.WithContext(ctx)
	group.SetLimit(w.options.Parallel)
	for i := range n {
		if calling.Err() != nil {
			break
		}
		group.Go(func() error { return do(calling, i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// fatal keeps an error that ends the whole observation.
func fatal(err error) error {
	if _, hung := errors.AsType[*HungError](err); hung || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// within calls do and waits for it for a time; after that it is left behind.
func within[T any](ctx context.Context, w *walk, call, path string, do func(ctx context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	calling, cancel := context.WithTimeout(ctx, w.options.CallTime)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		value, err := do(calling)
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-calling.Done():
		var none T
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		return none, &HungError{history.HungCall{Call: call + " " + path, After: w.options.CallTime}}
	}
}
