package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/agent/observe"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus/direct"
	"github.com/codastress/codastress/system/venusfs"
	"github.com/codastress/codastress/workloads"
)

// directFiles are the files of a client whose venus has no kernel mount: what workloads, the web server and observations work on. Errors carry
// the errno that the kernel would give.
type directFiles struct {
	venus direct.Files
	pages *sync.Pool // of *page
}

func newDirectFiles(venus direct.Files) directFiles {
	pages := &sync.Pool{}
	pages.New = func() any { return &page{pages: pages} }
	return directFiles{venus, pages}
}

// page is contents that were read whole. Its memory is used again when it is closed.
type page struct {
	bytes.Buffer
	pages *sync.Pool
}

// Close implements io.Closer. Only one call is allowed.
func (p *page) Close() error {
	p.Reset()
	p.pages.Put(p)
	return nil
}

// inVolume is a path below the root as venus's socket wants it, where the root has no name.
func inVolume(path string) string {
	if path == "." {
		return ""
	}
	return path
}

func errno(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &workloads.CallError{Op: op + " (" + err.Error() + ")", Path: path, Errno: venusfs.Errno(err)}
}

// ReadFile implements workloads.Directory and observe.Tree.
func (d directFiles) ReadFile(ctx context.Context, path string, to io.Writer) error {
	_, err := d.venus.CopyFile(ctx, path, to)
	return errno("read", path, err)
}

// WriteFile implements workloads.Directory.
func (d directFiles) WriteFile(ctx context.Context, path string, content []byte, how workloads.How) error {
	_, err := d.venus.WriteFile(ctx, path, bytes.NewReader(content), direct.Write{Mode: 0o644, Create: true, Exclusive: how.Exclusive, Sync: how.Sync})
	if err == nil {
		return nil
	}
	// Venus does not say whether it had begun.
	return &workloads.CallError{Op: "write (" + err.Error() + ")", Path: path, Errno: venusfs.Errno(err), Effect: workloads.Maybe}
}

// EditFile implements workloads.Directory.
func (d directFiles) EditFile(ctx context.Context, path string, edit workloads.Edit, how workloads.How) error {
	begun := false
	_, err := d.venus.EditFile(ctx, path, func(contents []byte) ([]direct.Change, error) {
		changes, err := edit(contents)
		begun = err == nil
		made := make([]direct.Change, len(changes))
		for i, change := range changes {
			made[i] = direct.Change(change)
		}
		return made, err
	}, how.Sync)
	if err == nil {
		return nil
	}
	failed := &workloads.CallError{Op: "edit (" + err.Error() + ")", Path: path, Errno: venusfs.Errno(err), Effect: workloads.None}
	if begun {
		failed.Effect = workloads.Maybe
	}
	return failed
}

// SetMode implements workloads.Directory.
func (d directFiles) SetMode(ctx context.Context, path string, mode fs.FileMode) error {
	bits := uint32(mode.Perm())
	_, err := d.venus.SetAttributes(ctx, path, direct.Attributes{Mode: &bits})
	return errno("chmod", path, err)
}

// SetTime implements workloads.Directory.
func (d directFiles) SetTime(ctx context.Context, path string, modified time.Time) error {
	_, err := d.venus.SetAttributes(ctx, path, direct.Attributes{Modified: &modified})
	return errno("utimensat", path, err)
}

// Remove implements workloads.Directory.
func (d directFiles) Remove(ctx context.Context, path string) error {
	return errno("unlink", path, d.venus.Remove(ctx, path))
}

// MakeDirectory implements workloads.Directory.
func (d directFiles) MakeDirectory(ctx context.Context, path string) error {
	_, err := d.venus.MakeDirectory(ctx, path, 0o755)
	return errno("mkdir", path, err)
}

// RemoveDirectory implements workloads.Directory.
func (d directFiles) RemoveDirectory(ctx context.Context, path string) error {
	return errno("rmdir", path, d.venus.RemoveDirectory(ctx, path))
}

// Rename implements workloads.Directory.
func (d directFiles) Rename(ctx context.Context, from, to string) error {
	return errno("rename", from, d.venus.Rename(ctx, from, to))
}

// Link implements workloads.Directory.
func (d directFiles) Link(ctx context.Context, path, name string) error {
	_, err := d.venus.Link(ctx, path, name)
	return errno("link", path, err)
}

// Symlink implements workloads.Directory.
func (d directFiles) Symlink(ctx context.Context, path, text string) error {
	_, err := d.venus.MakeSymlink(ctx, path, text)
	return errno("symlink", path, err)
}

// List implements workloads.Directory and observe.Tree.
func (d directFiles) List(ctx context.Context, path string) ([]string, error) {
	entries, err := d.venus.ReadDirectory(ctx, inVolume(path))
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name)
	}
	return names, errno("readdir", path, err)
}

// ReadLink implements workloads.Directory and observe.Tree.
func (d directFiles) ReadLink(ctx context.Context, path string) (string, error) {
	status, err := d.venus.Stat(ctx, path)
	return status.Target, errno("readlink", path, err)
}

// Stat implements workloads.Directory.
func (d directFiles) Stat(ctx context.Context, path string) (workloads.Info, error) {
	status, err := d.venus.Stat(ctx, inVolume(path))
	return workloads.Info{Mode: modeOf(status), Length: int64(status.Length), Links: uint64(status.Links)}, errno("stat", path, err)
}

// Open implements web.Files: a page is one session, so it is read whole.
func (d directFiles) Open(ctx context.Context, path string) (io.ReadCloser, int64, error) {
	content := d.pages.Get().(*page)
	if _, err := d.venus.CopyFile(ctx, path, content); err != nil {
		_ = content.Close() // it never fails
		return nil, 0, errno("read", path, err)
	}
	return content, int64(content.Len()), nil
}

// directTree is observe's view: the two packages know each other's types no more than workloads and agents do.
type directTree struct{ directFiles }

// Stat implements observe.Tree.
func (d directTree) Stat(ctx context.Context, path string) (observe.Info, error) {
	info, err := d.directFiles.Stat(ctx, path)
	return observe.Info(info), err
}

// modeOf is an object's type and permissions as package fs has them.
func modeOf(status coda.Status) fs.FileMode {
	mode := fs.FileMode(status.Mode & 0o777)
	switch status.Kind {
	case coda.Directory:
		mode |= fs.ModeDir
	case coda.Symlink:
		mode |= fs.ModeSymlink
	}
	return mode
}
