package workloads

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// hanging is a directory some of whose calls do not return before they are released, and then fail.
type hanging struct {
	Directory
	released chan struct{}
	hangs    func(path string) bool
}

func (h hanging) do(path string, call func() error) error {
	if h.hangs(path) {
		<-h.released
		return syscall.ENOTCONN
	}
	return call()
}

func (h hanging) ReadFile(ctx context.Context, path string, to io.Writer) error {
	return h.do(path, func() error { return h.Directory.ReadFile(ctx, path, to) })
}

func (h hanging) WriteFile(ctx context.Context, path string, content []byte, how How) error {
	return h.do(path, func() error { return h.Directory.WriteFile(ctx, path, content, how) })
}

func (h hanging) EditFile(ctx context.Context, path string, edit Edit, how How) error {
	return h.do(path, func() error { return h.Directory.EditFile(ctx, path, edit, how) })
}

func (h hanging) Remove(ctx context.Context, path string) error {
	return h.do(path, func() error { return h.Directory.Remove(ctx, path) })
}

func (h hanging) MakeDirectory(ctx context.Context, path string) error {
	return h.do(path, func() error { return h.Directory.MakeDirectory(ctx, path) })
}

func (h hanging) RemoveDirectory(ctx context.Context, path string) error {
	return h.do(path, func() error { return h.Directory.RemoveDirectory(ctx, path) })
}

func (h hanging) Rename(ctx context.Context, from, to string) error {
	return h.do(from, func() error { return h.Directory.Rename(ctx, from, to) })
}

func (h hanging) Link(ctx context.Context, path, name string) error {
	return h.do(path, func() error { return h.Directory.Link(ctx, path, name) })
}

func (h hanging) Symlink(ctx context.Context, path, text string) error {
	return h.do(path, func() error { return h.Directory.Symlink(ctx, path, text) })
}

func (h hanging) SetMode(ctx context.Context, path string, mode fs.FileMode) error {
	return h.do(path, func() error { return h.Directory.SetMode(ctx, path, mode) })
}

func (h hanging) SetTime(ctx context.Context, path string, modified time.Time) error {
	return h.do(path, func() error { return h.Directory.SetTime(ctx, path, modified) })
}

func (h hanging) ReadLink(ctx context.Context, path string) (text string, err error) {
	err = h.do(path, func() error { text, err = h.Directory.ReadLink(ctx, path); return err })
	return text, err
}

func (h hanging) List(ctx context.Context, path string) (names []string, err error) {
	err = h.do(path, func() error { names, err = h.Directory.List(ctx, path); return err })
	return names, err
}

func (h hanging) Stat(ctx context.Context, path string) (info Info, err error) {
	err = h.do(path, func() error { info, err = h.Directory.Stat(ctx, path); return err })
	return info, err
}

// hang makes the calls of a bench hang on some paths until the returned function is called.
func (b *bench) hang(hangs func(path string) bool) (release func()) {
	h := hanging{Directory: b.Files, released: make(chan struct{}), hangs: hangs}
	b.Files = h
	return sync.OnceFunc(func() { close(h.released) })
}

func TestACallThatDoesNotReturnIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		release := b.hang(func(path string) bool { return path == "hangs" })
		files := NewFiles(b.Environment)
		process := files.Process()
		require.True(t, process.Write(t.Context(), "works", 600, How{}).OK())
		result := process.Write(t.Context(), "hangs", 600, How{})
		require.Equal(t, Result{Outcome: history.Indeterminate, Errno: syscall.ETIMEDOUT, Err: context.DeadlineExceeded}, result)
		require.Equal(t, 1, files.Stuck())
		require.True(t, process.Read(t.Context(), "works").OK(), "the process goes on")
		release()
		files.Wait()
		require.Zero(t, files.Stuck())

		operations := b.recorded(t)
		require.Len(t, operations, 3)
		abandoned := operations[1]
		require.Equal(t, history.Indeterminate, abandoned.Outcome)
		require.Zero(t, abandoned.Completed)
		require.Equal(t, "hangs", abandoned.Path)
		require.Equal(t, operations[0].Worker, abandoned.Worker)
		require.NotEqual(t, abandoned.Worker, operations[2].Worker, "as another worker")
		require.Equal(t, operations[0].Content, operations[2].Content)
	})
}

func TestAnEndingTaskAbandonsItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		release := b.hang(func(string) bool { return true })
		defer release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		step := tiny(t, MassDelete{}, "delete", "10")[3]
		_, err := MassDelete{}.Do(ctx, step, b.Environment)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, b.recorded(t), 1)
	})
}

func TestOnlySoManyCallsAreAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		release := b.hang(func(string) bool { return true })
		files := NewFiles(b.Environment)
		process := files.Process()
		for range maxStuck {
			require.ErrorIs(t, process.Remove(t.Context(), "file").Err, context.DeadlineExceeded)
		}
		require.ErrorIs(t, process.Remove(t.Context(), "file").Err, ErrStuck)
		require.Len(t, b.recorded(t), maxStuck)
		release()
		files.Wait()
		require.NotErrorIs(t, process.Remove(t.Context(), "file").Err, ErrStuck, "as they returned, calls are made again")
	})
}

// Every task of every workload ends although nothing that it calls returns.
func TestTasksEndOnADirectoryThatHangs(t *testing.T) {
	for _, workload := range All() {
		args := map[string][]string{
			"mass-delete": {"delete", "30", "pages", "100"}, "bulk-overwrite": {"overwrite", "30", "pages", "100"},
			"concurrent-readers": {"readers", "3", "pages", "100"},
			"conflicting-edits":  {"edited", "30", "pages", "100"},
			"hoard-and-travel":   {"edited", "30", "pages", "100"},
		}[workload.Name()]
		for _, step := range tiny(t, workload, args...) {
			t.Run(workload.Name()+" "+step.Task, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t)
					release := b.hang(func(string) bool { return true })
					defer release()
					b.Conflicts, b.Hoard = hangingRepair{}, hangingHoard{}
					b.WebURL = "http://web/"
					b.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					load, err := workload.Do(t.Context(), step, b.Environment)
					require.NoError(t, err)
					require.Zero(t, load.Done)
					require.Positive(t, load.Wanted)
					require.NotEmpty(t, b.recorded(t))
				})
			})
		}
	}
}

// failing is a directory whose removals fail by a list of errors, then succeed.
type failing struct {
	Directory
	removals map[string][]error
}

func (f failing) Remove(ctx context.Context, path string) error {
	if errs := f.removals[path]; len(errs) > 0 {
		f.removals[path] = errs[1:]
		return errs[0]
	}
	return f.Directory.Remove(ctx, path)
}

func TestDeletionsAreRepeatedUntilTheyAreAcknowledged(t *testing.T) {
	b := newBench(t)
	steps := tiny(t, MassDelete{}, "delete", "30")
	_, err := MassDelete{}.Do(t.Context(), steps[0], b.Environment)
	require.NoError(t, err)
	args := arguments{step: steps[0].Args}
	s := siteOf(&args)
	lost := &CallError{Op: "unlink", Errno: syscall.ETIMEDOUT}
	b.Files = failing{b.Files, map[string][]error{
		s.page(0): {lost, lost, syscall.EIO},              // and then it works
		s.page(1): {lost, syscall.ENOENT},                 // it had been carried out
		s.page(2): {syscall.EACCES},                       //
		s.page(3): {syscall.ENOENT, syscall.ENOENT, lost}, // it is there, but cannot be seen for a while
	}}
	done := make(chan history.Load, 1)
	step := steps[3]
	step.Length = time.Hour
	synctest.Test(t, func(t *testing.T) {
		load, err := MassDelete{}.Do(t.Context(), step, b.Environment)
		require.NoError(t, err)
		done <- load
	})
	require.Equal(t, uint64(30), (<-done).Done)
	outcomes := map[string][]history.Outcome{}
	for _, op := range b.recorded(t) {
		if op.Kind == history.Remove {
			outcomes[op.Path] = append(outcomes[op.Path], op.Outcome)
		}
	}
	ok, failed, unknown := history.OK, history.Failed, history.Indeterminate
	require.Equal(t, []history.Outcome{unknown, unknown, unknown, ok}, outcomes[s.page(0)])
	require.Equal(t, []history.Outcome{unknown, failed}, outcomes[s.page(1)])
	require.Equal(t, []history.Outcome{failed, ok}, outcomes[s.page(2)])
	require.Equal(t, []history.Outcome{failed, failed, unknown, ok}, outcomes[s.page(3)])
	require.Equal(t, []history.Outcome{ok}, outcomes[s.page(4)])
}

func TestADeletionEndsWithItsTime(t *testing.T) {
	b := newBench(t)
	step := tiny(t, MassDelete{}, "delete", "30")[3]
	synctest.Test(t, func(t *testing.T) {
		step.Length = time.Minute
		began := time.Now()
		load, err := MassDelete{}.Do(t.Context(), step, b.Environment)
		require.NoError(t, err)
		require.Zero(t, load.Done, "there never was anything to delete")
		require.Equal(t, uint64(30), load.Wanted)
		require.InDelta(t, time.Minute, time.Since(began), float64(lastPause))
	})
	require.Greater(t, count(b.recorded(t), history.Remove, history.Failed), uint64(30*patienceWithFailures))
	require.Less(t, len(b.recorded(t)), 1000, "a person does not run a command that only fails as fast as possible")
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name string
		kind history.Kind
		err  error
		want history.Outcome
	}{
		{"success", history.Write, nil, history.OK},
		{"a read has no effect, whatever happens", history.Read, syscall.EIO, history.Failed},
		{"neither has a listing", history.List, syscall.ETIMEDOUT, history.Failed},
		{"a taken name", history.MakeDirectory, syscall.EEXIST, history.Failed},
		{"nothing to remove", history.Remove, syscall.ENOENT, history.Failed},
		{"an answer that did not come", history.Remove, syscall.ETIMEDOUT, history.Indeterminate},
		{"a daemon that died", history.Rename, syscall.ENOTCONN, history.Indeterminate},
		{"a daemon that died meanwhile", history.Rename, syscall.ECONNABORTED, history.Indeterminate},
		{"a failure without a reason", history.Write, syscall.EIO, history.Indeterminate},
		{"a full file system", history.Write, syscall.ENOSPC, history.Indeterminate},
		{"a signal", history.Symlink, syscall.EINTR, history.Indeterminate},
		{"an error without an errno", history.Link, errors.New("what?"), history.Indeterminate},
		{"a context that ended", history.Link, context.DeadlineExceeded, history.Indeterminate},
		{"refused after it had begun", history.Write, &CallError{Errno: syscall.ENOENT, Effect: Maybe}, history.Indeterminate},
		{"nothing mounted", history.Write, &CallError{Errno: syscall.ENOTCONN, Effect: None}, history.Failed},
		{"refused by its errno", history.Write, &CallError{Errno: syscall.EACCES}, history.Failed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			outcome, errno := outcomeOf(test.kind, test.err)
			require.Equal(t, test.want, outcome)
			require.Equal(t, test.err == nil, errno == 0)
		})
	}
}

func TestEveryKindOfOperationIsRecorded(t *testing.T) {
	b := newBench(t)
	ctx, process := t.Context(), NewFiles(b.Environment).Process()
	require.True(t, process.MakeDirectory(ctx, "a").OK())
	require.True(t, process.Write(ctx, "a/file", 600, How{Exclusive: true, Sync: true}).OK())
	require.True(t, process.Link(ctx, "a/file", "a/link").OK())
	require.True(t, process.Symlink(ctx, "a/symlink", "file").OK())
	names, result := process.List(ctx, "a")
	require.True(t, result.OK())
	require.ElementsMatch(t, []string{"file", "link", "symlink"}, names)
	info, result := process.Stat(ctx, "a/file")
	require.True(t, result.OK())
	require.Equal(t, int64(600), info.Length)
	require.True(t, process.Append(ctx, "a/file", 100, 0, How{Sync: true}).OK())
	require.True(t, process.Edit(ctx, "a/file", Splice{At: 0.5, Length: 10}, How{}).OK())
	require.True(t, process.SetMode(ctx, "a/file", 0o640).OK())
	require.True(t, process.SetTime(ctx, "a/file", time.Unix(1e9, 0)).OK())
	text, result := process.ReadLink(ctx, "a/symlink")
	require.True(t, result.OK())
	require.NotEmpty(t, text)
	require.True(t, process.Rename(ctx, "a/link", "b").OK())
	require.True(t, process.Remove(ctx, "b").OK())
	require.Equal(t, syscall.ENOTEMPTY, process.RemoveDirectory(ctx, "a").Errno)
	require.Equal(t, syscall.EEXIST, process.Write(ctx, "a/file", 600, How{Exclusive: true}).Errno)

	var kinds []history.Kind
	for _, op := range b.recorded(t) {
		kinds = append(kinds, op.Kind)
		if op.Kind == history.Rename || op.Kind == history.Link || op.Kind == history.Symlink {
			require.NotEmpty(t, op.Target)
		}
	}
	require.Equal(t, []history.Kind{
		history.MakeDirectory, history.Write, history.Link, history.Symlink, history.List, history.Stat, history.Append, history.Edit,
		history.SetMode, history.SetTime, history.ReadLink, history.Rename, history.Remove, history.RemoveDirectory, history.Write,
	}, kinds)
	require.True(t, b.recorded(t)[1].Synced)
	require.Equal(t, int64(3), b.recorded(t)[4].Length)
	require.Equal(t, []string{"a/file", "a/link", "a/symlink"}, b.recorded(t)[4].Entries)
	require.Equal(t, int64(600), b.recorded(t)[5].Length)
	require.Equal(t, fs.FileMode(0o644), b.recorded(t)[5].Mode)
	require.True(t, b.recorded(t)[6].Synced)
	require.Equal(t, []history.Nonce{b.recorded(t)[1].Content}, b.recorded(t)[6].Parents)
	require.Equal(t, []history.Nonce{b.recorded(t)[6].Content}, b.recorded(t)[7].Parents)
	require.Equal(t, fs.FileMode(0o640), b.recorded(t)[8].Mode)
	require.Equal(t, "file", b.recorded(t)[10].Target)
}

// BenchmarkRecordedRead shows what the recording costs on top of the calls.
func BenchmarkRecordedRead(b *testing.B) {
	directory := LocalDirectory{Root: b.TempDir()}
	recorder := history.NewRecorder("client1", func([]byte) {})
	defer recorder.Close()
	files := NewFiles(Environment{Node: "client1", Files: directory, Recorder: recorder, Patience: time.Minute})
	process := files.Process()
	if !process.Write(b.Context(), "file", 4096, How{}).OK() {
		b.Fatal("writing")
	}
	b.Run("recorded", func(b *testing.B) {
		for b.Loop() {
			if !process.Read(b.Context(), "file").OK() {
				b.Fatal("reading")
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			var content bytes.Buffer
			if err := directory.ReadFile(b.Context(), "file", &content); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("recorded-stat", func(b *testing.B) {
		for b.Loop() {
			if _, result := process.Stat(b.Context(), "file"); !result.OK() {
				b.Fatal("stat")
			}
		}
	})
	b.Run("bare-stat", func(b *testing.B) {
		for b.Loop() {
			if _, err := directory.Stat(b.Context(), "file"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
