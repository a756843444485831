package cluster

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/agent/fusemount/fusetest"
)

// attic is a sweeper over things that are only in memory.
type attic struct {
	mu      sync.Mutex
	things  []Leftover
	stuck   bool // nothing can be removed
	missing bool // the place is not available
	away    int  // how often it is still not available, each time after a while
}

func (a *attic) Name() string { return "attic" }

func (a *attic) Available(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.missing {
		return errors.New("there is no attic")
	}
	if a.away > 0 {
		a.away--
		time.Sleep(5 * time.Second) // in a bubble
		return errors.New("the attic is locked")
	}
	return nil
}

func (a *attic) Find(context.Context) ([]Leftover, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.things), nil
}

func (a *attic) Remove(_ context.Context, what []Leftover) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stuck {
		return errors.New("it is stuck")
	}
	a.things = slices.DeleteFunc(a.things, func(one Leftover) bool { return slices.Contains(what, one) })
	return nil
}

// chest is a thing of a run.
func chest(h *hold, runID string) Leftover {
	return Leftover{RunID: runID, Kind: "chest", Name: "chest of " + runID, Lock: h.lockFile()}
}

func TestALockTellsWhetherTheHarnessLives(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	h, err := takeHold("alive")
	require.NoError(t, err)
	require.True(t, Alive(h.lockFile()))
	_, err = takeHold("alive")
	require.Error(t, err, "the name is taken")
	require.NoError(t, h.release())
	require.False(t, Alive(h.lockFile()))
	require.False(t, Alive(filepath.Join(t.TempDir(), "lock")))

	fresh := filepath.Join(os.TempDir(), newPrefix+"1")
	require.NoError(t, os.Mkdir(fresh, 0o755))
	found, err := Leftovers(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Leftover{{RunID: "alive", Kind: kindFolder, Name: h.folder, Lock: h.lockFile()}}, found, "one that is being made is left alone")
	old := time.Now().Add(-2 * settlingTime)
	require.NoError(t, os.Chtimes(fresh, old, old))
	found, err = Leftovers(t.Context())
	require.NoError(t, err)
	require.Len(t, found, 2)
}

func TestCleanRemovesOnlyWhatIsDead(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	own := filepath.Join(os.TempDir(), folderPrefix+"notes")
	require.NoError(t, os.MkdirAll(filepath.Join(own, "of mine"), 0o700))
	alive, err := takeHold("alive")
	require.NoError(t, err)
	defer alive.release() //nolint:errcheck // the test is over
	dead, err := takeHold("dead")
	require.NoError(t, err)
	require.NoError(t, dead.release())
	a := &attic{things: []Leftover{chest(alive, "alive"), chest(dead, "dead")}}

	removed, err := Clean(t.Context(), a, &attic{missing: true, things: []Leftover{chest(dead, "elsewhere")}})
	require.NoError(t, err)
	require.Len(t, removed, 2)
	require.Equal(t, []Leftover{chest(alive, "alive")}, a.things)
	require.NoDirExists(t, dead.folder)
	require.DirExists(t, alive.folder)
	require.DirExists(t, own, "what is no run's is not removed, whatever its name")
	require.Equal(t, "chest chest of dead of run dead", chest(dead, "dead").String())

	removed, err = Clean(t.Context(), a)
	require.NoError(t, err)
	require.Empty(t, removed)
}

func TestWhatCannotBeRemovedIsSaid(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dead, err := takeHold("dead")
	require.NoError(t, err)
	require.NoError(t, dead.release())
	a := &attic{stuck: true, things: []Leftover{chest(dead, "dead")}}
	removed, err := Clean(t.Context(), a)
	require.ErrorContains(t, err, "it is stuck")
	require.NotContains(t, removed, chest(dead, "dead"))
}

// janitorOf runs a janitor to its end.
func janitorOf(t *testing.T, runID, heard string, a *attic) error {
	t.Helper()
	t.Cleanup(func() { signal.Reset(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE) })
	config := `{"run":"` + runID + `","driver":"attic"}`
	return Janitor(t.Context(), strings.NewReader(heard), config, slog.New(slog.DiscardHandler), a)
}

func TestTheJanitor(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dead, err := takeHold("dead")
	require.NoError(t, err)
	require.NoError(t, dead.release())
	other := Leftover{RunID: "other", Kind: "chest", Name: "chest of other", Lock: "/nowhere"}
	a := &attic{things: []Leftover{chest(dead, "dead"), other}}

	require.NoError(t, janitorOf(t, "dead", dismissal, a))
	require.Len(t, a.things, 2, "a dismissed janitor touches nothing")

	require.NoError(t, janitorOf(t, "dead", "", a))
	require.Equal(t, []Leftover{other}, a.things)
	require.NoDirExists(t, dead.folder)

	require.Error(t, Janitor(t.Context(), strings.NewReader(""), "{}", slog.Default()))
	require.Error(t, Janitor(t.Context(), strings.NewReader(""), "", slog.Default()))
}

func TestTheJanitorWaitsForAPlaceThatIsAway(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dead, err := takeHold("dead")
	require.NoError(t, err)
	require.NoError(t, dead.release())
	for _, away := range []int{1, 2, 5} {
		synctest.Test(t, func(t *testing.T) {
			a := &attic{things: []Leftover{chest(dead, "dead")}, away: away}
			require.NoError(t, tidy(t.Context(), "dead", slog.New(slog.DiscardHandler), []Sweeper{a}))
			require.Empty(t, a.things)
		})
	}
}

func TestAJanitorIsDismissed(t *testing.T) {
	spec := validSpec(t)
	script := filepath.Join(t.TempDir(), "janitor")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho for $CODASTRESS_JANITOR; cat\n"), 0o755))
	spec.Binary = script
	hired, err := hireJanitor(spec, "attic")
	require.NoError(t, err)
	require.NoError(t, hired.dismiss())
	log, err := os.Open(filepath.Join(spec.Dir, nodesFolder, "janitor", "janitor.log"))
	require.NoError(t, err)
	defer log.Close() //nolint:errcheck // only read
	said, err := io.ReadAll(log)
	require.NoError(t, err)
	require.Equal(t, `for {"run":"`+spec.RunID+`","driver":"attic"}`+"\ndone\n", string(said))
}

func TestAFolderWithAMountThatHangsIsRemoved(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	folder := filepath.Dir(mount.Path)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "file"), nil, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, removeFolder(ctx, folder))
	require.NoDirExists(t, folder)
	require.NoError(t, removeFolder(ctx, folder), "it is gone")
}
