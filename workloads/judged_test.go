package workloads

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/codastress/codastress/checks"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// A sound file system for several nodes on this machine: all see one directory, and each session is a step of its own. Beyond that it does what its
// defects say.
type common struct {
	LocalDirectory
	sessions *sync.RWMutex
	defect   *defect
}

// A defect is something that a file system does wrong from its first chance on, each third time.
type defect struct {
	losesWrites   bool // it acknowledges what it does not write to a file that is there
	losesFiles    bool // it acknowledges files that it does not make
	keepsRemoved  bool // it acknowledges removals, and takes no name away
	keepsRenamed  bool // of what it renames the old name stays, too
	mu            sync.Mutex
	chances, done int
}

func (d *defect) String() string {
	switch {
	case d.losesWrites:
		return "loses writes"
	case d.losesFiles:
		return "loses files"
	case d.keepsRemoved:
		return "keeps what was removed"
	}
	return "keeps old names"
}

// strikes says whether it does it wrong this time.
func (d *defect) strikes(kind bool) bool {
	if !kind {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chances++
	if d.chances%3 != 0 {
		return false
	}
	d.done++
	return true
}

func (c common) ReadFile(ctx context.Context, path string, to io.Writer) error {
	c.sessions.RLock()
	defer c.sessions.RUnlock()
	return c.LocalDirectory.ReadFile(ctx, path, to)
}

func (c common) WriteFile(ctx context.Context, path string, content []byte, how How) error {
	c.sessions.Lock()
	defer c.sessions.Unlock()
	_, err := c.Stat(ctx, path)
	if c.defect.strikes(err == nil && !how.Exclusive && c.defect.losesWrites || err != nil && c.defect.losesFiles) {
		return nil
	}
	return c.LocalDirectory.WriteFile(ctx, path, content, how)
}

func (c common) EditFile(ctx context.Context, path string, edit Edit, how How) error {
	c.sessions.Lock()
	defer c.sessions.Unlock()
	lost := c.defect.strikes(c.defect.losesWrites)
	return c.LocalDirectory.EditFile(ctx, path, func(content []byte) ([]Change, error) {
		changes, err := edit(content)
		if lost {
			changes = nil
		}
		return changes, err
	}, how)
}

func (c common) Remove(ctx context.Context, path string) error {
	if _, err := c.Stat(ctx, path); err == nil && c.defect.strikes(c.defect.keepsRemoved) {
		return nil
	}
	return c.LocalDirectory.Remove(ctx, path)
}

func (c common) Rename(ctx context.Context, from, to string) error {
	if info, err := c.Stat(ctx, from); err == nil && info.Mode.IsRegular() && from != to && c.defect.strikes(c.defect.keepsRenamed) {
		if err := c.Link(ctx, from, to); err == nil {
			return nil
		}
	}
	return c.LocalDirectory.Rename(ctx, from, to)
}

// A judged run of a workload on a plain directory.
type judged struct {
	run   *history.Run
	loads []history.Load
}

// carryOutTogether carries a workload out for two clients that share a directory, and has its record judged. It ends before its time where it is through.
func carryOutTogether(t *testing.T, workload Workload, steps []history.Step, wrong *defect) judged {
	t.Helper()
	root := t.TempDir()
	directory := common{LocalDirectory{Root: root}, &sync.RWMutex{}, wrong}
	benches := map[string]*bench{}
	for _, node := range []string{"client1", "client2"} {
		b := newBench(t)
		b.root, b.Files, b.Node = root, directory, node
		b.Recorder = history.NewRecorder(node, func(chunk []byte) { *b.chunks = append(*b.chunks, chunk) })
		b.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			directory.sessions.RLock()
			defer directory.sessions.RUnlock()
			http.FileServer(http.Dir(root)).ServeHTTP(w, r)
		}))
		benches[node] = b
	}
	var all judged
	var mu sync.Mutex
	var loading sync.WaitGroup
	for i, step := range steps {
		step.Number = i + 1
		for _, node := range step.Nodes {
			do := func() {
				load, err := workload.Do(t.Context(), step, benches[node].Environment)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("%s on %s: %v", step.Task, node, err)
				}
				all.loads = append(all.loads, load)
			}
			if step.Phase == prepare {
				do()
			} else {
				loading.Go(do)
			}
		}
	}
	loading.Wait()
	var chunks [][]byte
	for _, b := range benches {
		b.Recorder.Close()
		chunks = append(chunks, *b.chunks...)
	}
	operations, err := history.Chunks(chunks...)
	require.NoError(t, err)
	all.run = &history.Run{
		Meta: history.Meta{Clients: []string{"client1", "client2"}, Servers: []string{"server1"}, Limits: history.Limits{Hang: time.Minute, Converge: time.Minute}},
		Plan: steps, Operations: operations, Loads: all.loads,
	}
	now := history.Now()
	for _, node := range all.run.Meta.Clients {
		all.run.Observations = append(all.run.Observations, history.Observation{Node: node, Source: history.SourceMount, Time: now, Objects: objects(t, root)})
	}
	all.run.Observations = append(all.run.Observations, history.Observation{Node: "server1", Source: history.SourceServer, Time: now, Objects: objects(t, root)})
	return all
}

// objects is the tree of a directory.
func objects(t *testing.T, root string) (objects []history.Object) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		object := history.Object{Path: name, Kind: "directory"}
		switch {
		case entry.Type()&fs.ModeSymlink != 0:
			object.Kind = "symlink"
			object.Digest, err = os.Readlink(path)
		case entry.Type().IsRegular():
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			sum := sha256.Sum256(content)
			header, problem := history.CheckContent(content, name)
			object.Kind, object.Length, object.Digest = "file", int64(len(content)), hex.EncodeToString(sum[:])
			object.Content, object.Problem = header.Nonce, problem
		}
		objects = append(objects, object)
		return err
	})
	require.NoError(t, err)
	slices.SortFunc(objects, func(a, b history.Object) int { return cmp.Compare(a.Path, b.Path) })
	return objects
}

// failures are the verdicts of checks that fail, and nothing is undecided but what asks for faults and daemons.
func failures(t *testing.T, run *history.Run) (failed []string) {
	t.Helper()
	for _, check := range checks.All() {
		switch verdict := check.Run(run); {
		case verdict.Result == history.Fail:
			t.Log(check.Name, verdict.Summary)
			failed = append(failed, check.Name)
		case verdict.Result == history.Undecided && (check.Name == "no-lost-data" || check.Name == "own-names" || check.Name == "session-reads"):
			t.Errorf("%s is undecided: %s", check.Name, verdict.Summary)
		}
	}
	return failed
}
