package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// hookIn writes a hook into a folder. Its faults are there while a file of their name and client is.
func hookIn(t *testing.T, folder, text string) string {
	t.Helper()
	path := filepath.Join(folder, "hook")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\ncd "+folder+"\necho \"$*\" >>calls\n"+text), 0o700))
	return path
}

const soundHook = `
case "$1" in
list) echo "freeze one the server's answers are late"; echo; echo "cut all" ;;
inject) echo "$CODASTRESS_MOUNTS" >"$2-$3" ;;
verify) if [ "$2" = injected ]; then echo; echo "seen on $(cat "$3-$4")"; else test ! -e "$3-$4"; fi ;;
heal) rm -f "$2-$3" ;;
esac
`

func TestAHookInjectsItsFaults(t *testing.T) {
	folder := t.TempDir()
	hooks, err := Hooks(t.Context(), hookIn(t, folder, soundHook))
	require.NoError(t, err)
	require.Len(t, hooks, 2)
	freeze, cut := hooks[0], hooks[1]
	require.Equal(t, "the server's answers are late", freeze.Doc())
	mounts := Topology{Mounts: []string{"client1", "client2"}}
	require.Equal(t, [][]string{{"client1"}, {"client2"}}, freeze.Targets(mounts))
	require.Equal(t, [][]string{{"client1", "client2"}}, cut.Targets(mounts))
	require.Error(t, freeze.Applies(threeClients))

	freeze.Mounts, cut.Mounts = []string{"/mnt/a", "/mnt/b"}, []string{"/mnt/a", "/mnt/b"}
	injection, err := freeze.Prepare(nil, history.Step{Number: 7, Name: "freeze", Nodes: []string{"client2"}, Seed: 5})
	require.NoError(t, err)
	record := carry(t, injection, time.Millisecond)
	require.Empty(t, record.Problem)
	require.Equal(t, "seen on /mnt/b; healed: the hook's verify healed ended with status 0", record.Proof)
	require.Equal(t, []history.Cut{{Node: "client2"}}, record.Cuts)

	injection, err = cut.Prepare(nil, history.Step{Number: 8, Name: "cut", Nodes: []string{"client1", "client2"}})
	require.NoError(t, err)
	require.Empty(t, carry(t, injection, 0).Problem)
	_, err = cut.Prepare(nil, history.Step{Number: 8, Name: "cut", Nodes: []string{"client3"}})
	require.ErrorContains(t, err, "there is no mount of client3")

	calls, err := os.ReadFile(filepath.Join(folder, "calls"))
	require.NoError(t, err)
	require.Equal(t, "list\ninject freeze client2\nverify injected freeze client2\nheal freeze client2\nverify healed freeze client2\n"+
		"inject cut client1 client2\nverify injected cut client1 client2\nheal cut client1 client2\nverify healed cut client1 client2\n", string(calls))
}

func TestAHookThatFailsIsAProblemOfTheRecord(t *testing.T) {
	hooks := map[string]string{} // written before any is called: a file that is open for writing cannot be executed
	tests := map[string]struct{ text, problem string }{
		"inject": {`[ "$1" != inject ] || { echo starting; echo no such server; exit 3; }`, "injecting: the hook's inject: exit status 3: no such server"},
		"heal":   {`[ "$1" != heal ] || exit 4`, "healing: the hook's heal: exit status 4"},
		"no effect": {
			`[ "$1 $2" != "verify injected" ] || { echo still fast; exit 1; }`, "no effect was seen: the hook's verify injected: exit status 1: still fast",
		},
		"not healed": {`[ "$1 $2" != "verify healed" ] || exit 1`, "healing was not seen: the hook's verify healed: exit status 1"},
	}
	for name, test := range tests {
		hooks[name] = hookIn(t, t.TempDir(), test.text)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hook := Hook{Command: hooks[name], Fault: "freeze", Mounts: []string{"/mnt/a"}}
			injection, err := hook.Prepare(nil, history.Step{Name: "freeze", Nodes: []string{"client1"}})
			require.NoError(t, err)
			require.Contains(t, carry(t, injection, 0).Problem, test.problem)
		})
	}
}

// What a hook starts must not keep who waits for it, and a hook that hangs is ended with all that it has started.
func TestAHookThatHangsIsEnded(t *testing.T) {
	folder := t.TempDir()
	hook := hookIn(t, folder, "sleep 1000 &\necho $! >child\nwait\n")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for ctx.Err() == nil {
			if text, err := os.ReadFile(filepath.Join(folder, "child")); err == nil && len(text) > 0 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := call(ctx, hook, nil, "inject", "freeze", "client1")
	require.ErrorIs(t, err, context.Canceled)
	child, err := os.ReadFile(filepath.Join(folder, "child"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 10*time.Second, time.Millisecond)
}

func TestAHookThatCannotBeUsedSaysWhy(t *testing.T) {
	folder := t.TempDir()
	_, err := Hooks(t.Context(), filepath.Join(folder, "none"))
	require.ErrorIs(t, err, ErrHook)
	require.ErrorContains(t, err, "name an executable file")
	for text, says := range map[string]string{
		"exit 2":                           "list: exit status 2",
		"echo I am lost; exit 2":           "list: exit status 2: I am lost",
		"true":                             "printed no fault",
		"echo freeze":                      `printed "freeze": each line has to be NAME one|all WHAT`,
		"echo freeze some of it":           "each line has to be NAME one|all WHAT",
		"echo Freeze one":                  `printed the name "Freeze"`,
		"echo freeze one; echo freeze all": "printed freeze twice",
	} {
		_, err := Hooks(t.Context(), hookIn(t, t.TempDir(), text))
		require.ErrorIs(t, err, ErrHook)
		require.ErrorContains(t, err, says, fmt.Sprint(text))
	}
}
