package main

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// with starts codastress with another container engine than this process has.
func with(t *testing.T, engine, codastressed string, args ...string) *invocation {
	t.Helper()
	return begin(t, "env", append([]string{"DOCKER_HOST=" + engine, codastressed}, args...)...)
}

// TestTheEngineIsLost takes the container engine away in the middle of a run. The nodes live in it, and the harness reaches their agents without it.
func TestTheEngineIsLost(t *testing.T) {
	needsEngine(t)
	codastressed := clean(t)
	for _, loss := range []struct {
		what      string
		take      func(*relay)
		giveBack  func(*testing.T, *relay)
		complaint string
	}{
		{"it dies", (*relay).cut, func(t *testing.T, r *relay) { r.open(t) }, "cluster: lost: the container engine does not answer any more"},
		{"it stands still", (*relay).freeze, func(_ *testing.T, r *relay) { r.thaw() }, "cluster: ending it: "},
	} {
		t.Run(loss.what, func(t *testing.T) {
			engine := relayTo(t, "unix", filepath.Join(t.TempDir(), "engine")) // it outlives what is left of the run
			dir := filepath.Join(ground(t), "run")
			run := with(t, engine.host(), codastressed, "run", small, "--runtime", "containers", "--seed", "3", "--dir", dir)
			require.Eventually(t, func() bool { return strings.Contains(run.stderr.String(), "  fault: ") }, time.Minute, 20*time.Millisecond,
				"the load does not begin:\n%s", run.stderr.String())
			loss.take(engine)
			require.Equal(t, exitCluster, run.wait(t, runBound), "%s", run.said())
			require.Contains(t, run.complaint(t), loss.complaint)
			require.Contains(t, run.complaint(t), "what was recorded until then is in "+dir)

			printed := codastress(t, exitPass, codastressed, "history", dir)
			require.Contains(t, printed.stdout.String(), `"kind":"write"`)
			require.NotEmpty(t, read(t, dir, "nodes/client1/venus.log"))
			// The nodes have ended by themselves. Their networks nobody but the engine can remove.
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				for _, one := range leftovers(t, os.Getenv("TMPDIR")) {
					require.True(c, strings.HasPrefix(one, "network "), "%s", one)
				}
			}, sweepTime, 200*time.Millisecond)
			loss.giveBack(t, engine)
		})
	}
}

// TestAWrongEngine must not fall back to another engine than the one that was asked for.
func TestAWrongEngine(t *testing.T) {
	codastressed, runs := clean(t), ground(t)
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections and never answers
	require.NoError(t, err)
	defer deaf.Close() //nolint:errcheck // the test is over
	for _, engine := range []string{"unix:///nowhere", "tcp://127.0.0.1:1", "tcp://" + deaf.Addr().String(), "tcp://nobody.invalid:2375", "nonsense"} {
		t.Run(engine, func(t *testing.T) {
			dir := filepath.Join(runs, "asked")
			run := with(t, engine, codastressed, "run", quiet, "--runtime", "containers", "--seed", "1", "--dir", dir)
			require.Equal(t, exitCluster, run.wait(t, runBound), "%s", run.said())
			require.Contains(t, run.complaint(t), "cluster: the runtime containers cannot be used: no container engine answers at DOCKER_HOST="+engine)
			require.NoDirExists(t, dir)
		})
	}
	dir := filepath.Join(runs, "automatic")
	run := with(t, "unix:///nowhere", codastressed, "run", quiet, "--seed", "1", "--dir", dir)
	require.Equal(t, exitPass, run.wait(t, runBound), "%s", run.said())
	require.Contains(t, run.stderr.String(), "runtime processes, since containers cannot be used: no container engine answers at DOCKER_HOST=unix:///nowhere")
	require.Contains(t, run.stdout.String(), "in processes")
}

// TestAnEngineElsewhere reaches the engine by an address of the network, as one on another machine. The ports of its containers are then looked
// for there too.
func TestAnEngineElsewhere(t *testing.T) {
	needsEngine(t)
	engine := relayTo(t, "tcp", net.JoinHostPort(ownAddress(t), "0"))
	codastressed, runs := clean(t), ground(t)
	run := with(t, engine.host(), codastressed, "run", quiet, "--runtime", "containers", "--seed", "1", "--dir", filepath.Join(runs, "run"))
	require.Equal(t, exitPass, run.wait(t, runBound), "%s", run.said())
}

// ownAddress is an address of this machine that is not on its loopback interface. A machine with a container engine has at least the one on the
// engine's bridge.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, one := range all {
		prefix, err := netip.ParsePrefix(one.String())
		require.NoError(t, err)
		if address := prefix.Addr(); address.Is4() && !address.IsLoopback() {
			return address.String()
		}
	}
	require.FailNow(t, "this machine has only its loopback interface", "%v", all)
	return ""
}
