package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/agent/observe"
	"github.com/codastress/codastress/harness/cluster/simulation"
	"github.com/codastress/codastress/workloads"
)

// simulatedMount is what the kernel is on a real client: it outlives venus, passes calls on to the one that runs, fails those that a killed
// venus leaves unanswered with ECONNABORTED and those made without a venus with ENOTCONN, and keeps all waiting while venus is stopped.
type simulatedMount struct {
	crossing func() time.Duration // draws how long the kernel takes to pass on a call, or an answer

	mu      sync.Mutex
	serving *serving // the last life of venus
}

// serving is a life of venus and its files.
type serving struct {
	life  simulation.Life
	files directFiles
}

var (
	_ workloads.Directory = (*simulatedMount)(nil)
	_ observe.Tree        = simulatedTree{}
)

func (m *simulatedMount) set(s *serving) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serving = s
}

// now gives the life of venus that runs, nil while none does.
func (m *simulatedMount) now() *serving {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.serving == nil {
		return nil
	}
	select {
	case <-m.serving.life.Dead:
		return nil
	default:
		return m.serving
	}
}

// do passes one call on.
func (m *simulatedMount) do(ctx context.Context, op, path string, call func(ctx context.Context, files directFiles) error) error {
	s := m.now()
	if s == nil {
		return &workloads.CallError{Op: op, Path: path, Errno: syscall.ENOTCONN, Effect: workloads.None}
	}
	answered := make(chan error, 1)
	go func() {
		time.Sleep(m.crossing())
		err := s.life.Running(ctx)
		if err == nil {
			err = call(ctx, s.files)
		}
		if waiting := s.life.Running(ctx); err == nil {
			err = waiting // a stopped venus answers when it goes on
		}
		s.life.At(simulation.Answering)
		time.Sleep(m.crossing())
		answered <- err
	}()
	select {
	case <-s.life.Dead:
	case err := <-answered:
		select {
		case <-s.life.Dead: // at the same moment: nobody knows whether the answer came out
		default:
			return err
		}
	}
	return &workloads.CallError{Op: op, Path: path, Errno: syscall.ECONNABORTED, Effect: workloads.Maybe}
}

// value passes on a call that brings something back. What an abandoned call brings goes nowhere.
func value[T any](ctx context.Context, m *simulatedMount, op, path string, call func(context.Context, directFiles) (T, error)) (T, error) {
	answer := make(chan T, 1)
	err := m.do(ctx, op, path, func(ctx context.Context, files directFiles) error {
		got, err := call(ctx, files)
		answer <- got
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return <-answer, nil
}

// ReadFile implements workloads.Directory and observe.Tree. The content is copied when it is whole: an abandoned call must not touch to.
func (m *simulatedMount) ReadFile(ctx context.Context, path string, to io.Writer) error {
	content, _, err := m.Open(ctx, path)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, content)
	return errors.Join(err, content.Close())
}

// Open implements web.Files.
func (m *simulatedMount) Open(ctx context.Context, path string) (io.ReadCloser, int64, error) {
	type opened struct {
		content io.ReadCloser
		length  int64
	}
	got, err := value(ctx, m, "read", path, func(ctx context.Context, files directFiles) (o opened, err error) {
		o.content, o.length, err = files.Open(ctx, path)
		return o, err
	})
	return got.content, got.length, err
}

// WriteFile implements workloads.Directory.
func (m *simulatedMount) WriteFile(ctx context.Context, path string, content []byte, how workloads.How) error {
	return m.do(ctx, "write", path, func(ctx context.Context, files directFiles) error { return files.WriteFile(ctx, path, content, how) })
}

// EditFile implements workloads.Directory.
func (m *simulatedMount) EditFile(ctx context.Context, path string, edit workloads.Edit, how workloads.How) error {
	return m.do(ctx, "edit", path, func(ctx context.Context, files directFiles) error { return files.EditFile(ctx, path, edit, how) })
}

// SetMode implements workloads.Directory.
func (m *simulatedMount) SetMode(ctx context.Context, path string, mode fs.FileMode) error {
	return m.do(ctx, "chmod", path, func(ctx context.Context, files directFiles) error { return files.SetMode(ctx, path, mode) })
}

// SetTime implements workloads.Directory.
func (m *simulatedMount) SetTime(ctx context.Context, path string, modified time.Time) error {
	return m.do(ctx, "utimensat", path, func(ctx context.Context, files directFiles) error { return files.SetTime(ctx, path, modified) })
}

// Remove implements workloads.Directory.
func (m *simulatedMount) Remove(ctx context.Context, path string) error {
	return m.do(ctx, "unlink", path, func(ctx context.Context, files directFiles) error { return files.Remove(ctx, path) })
}

// MakeDirectory implements workloads.Directory.
func (m *simulatedMount) MakeDirectory(ctx context.Context, path string) error {
	return m.do(ctx, "mkdir", path, func(ctx context.Context, files directFiles) error { return files.MakeDirectory(ctx, path) })
}

// RemoveDirectory implements workloads.Directory.
func (m *simulatedMount) RemoveDirectory(ctx context.Context, path string) error {
	return m.do(ctx, "rmdir", path, func(ctx context.Context, files directFiles) error { return files.RemoveDirectory(ctx, path) })
}

// Rename implements workloads.Directory.
func (m *simulatedMount) Rename(ctx context.Context, from, to string) error {
	return m.do(ctx, "rename", from, func(ctx context.Context, files directFiles) error { return files.Rename(ctx, from, to) })
}

// Link implements workloads.Directory.
func (m *simulatedMount) Link(ctx context.Context, path, name string) error {
	return m.do(ctx, "link", path, func(ctx context.Context, files directFiles) error { return files.Link(ctx, path, name) })
}

// Symlink implements workloads.Directory.
func (m *simulatedMount) Symlink(ctx context.Context, path, text string) error {
	return m.do(ctx, "symlink", path, func(ctx context.Context, files directFiles) error { return files.Symlink(ctx, path, text) })
}

// List implements workloads.Directory and observe.Tree.
func (m *simulatedMount) List(ctx context.Context, path string) ([]string, error) {
	return value(ctx, m, "readdir", path, func(ctx context.Context, files directFiles) ([]string, error) { return files.List(ctx, path) })
}

// ReadLink implements workloads.Directory and observe.Tree.
func (m *simulatedMount) ReadLink(ctx context.Context, path string) (string, error) {
	return value(ctx, m, "readlink", path, func(ctx context.Context, files directFiles) (string, error) { return files.ReadLink(ctx, path) })
}

// Stat implements workloads.Directory.
func (m *simulatedMount) Stat(ctx context.Context, path string) (workloads.Info, error) {
	return value(ctx, m, "stat", path, func(ctx context.Context, files directFiles) (workloads.Info, error) { return files.Stat(ctx, path) })
}

// simulatedTree is observe's view of a mount.
type simulatedTree struct{ *simulatedMount }

// Stat implements observe.Tree.
func (t simulatedTree) Stat(ctx context.Context, path string) (observe.Info, error) {
	info, err := t.simulatedMount.Stat(ctx, path)
	return observe.Info(info), err
}
