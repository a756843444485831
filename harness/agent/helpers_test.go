package agent

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/agent/dump"
	"github.com/codastress/codastress/harness/agent/supervise"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const patience = 20 * time.Second

// modeVariable makes the test binary a daemon.
const modeVariable = "CODASTRESS_TEST_DAEMON"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVariable); mode != "" {
		os.Exit(playDaemon(mode))
	}
	goleak.VerifyTestMain(m)
}

// playDaemon is what the daemons of these tests do.
func playDaemon(mode string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch mode {
	case "serve": // until SIGTERM, with a debug socket
		fmt.Println("serving")
		if err := dump.Serve(ctx, os.Getenv("DEBUG_SOCKET")); err != nil {
			fmt.Println(err)
			return 1
		}
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("deaf")
		time.Sleep(time.Hour)
	case "panic":
		panic("the test wants it")
	}
	return 0
}

// node is an agent under test.
type node struct {
	config Config
	client *Client
	ended  chan error
	cancel context.CancelFunc
}

// newConfig is of a node with one daemon of a mode.
func newConfig(t *testing.T, mode string) Config {
	folder := t.TempDir()
	debug := filepath.Join(folder, "debug")
	return Config{
		Node: "client1", Version: "test", Listen: "unix:" + filepath.Join(folder, "agent"),
		Daemons: []supervise.Daemon{{
			Name: "d", Args: []string{os.Args[0]}, LogFile: filepath.Join(folder, "d.log"), Patience: 100 * time.Millisecond,
			Env: append(os.Environ(), modeVariable+"="+mode, "DEBUG_SOCKET="+debug, "GORACE=atexit_sleep_ms=0"),
		}},
		DebugSockets: map[string]string{"d": debug},
		Patience:     patience,
	}
}

// start runs an agent until the end of the test.
func start(t *testing.T, config Config, hooks Hooks) *node {
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{config: config, ended: make(chan error, 1), cancel: cancel}
	go func() {
		n.ended <- Run(ctx, config, hooks)
		close(n.ended)
	}()
	client, err := Dial(config.Listen, nil)
	require.NoError(t, err)
	n.client = client
	t.Cleanup(func() {
		require.NoError(t, client.Close())
		cancel()
		for range n.ended { // also of a test that has waited for it
		}
	})
	_, err = client.Hello(t.Context())
	require.NoError(t, err)
	return n
}

// startDaemon starts the node's daemon and returns when it is ready.
func (n *node) startDaemon(t *testing.T) Daemon {
	started, err := n.client.StartDaemon(t.Context(), "d")
	require.NoError(t, err)
	require.NotZero(t, started.PID)
	ready, err := n.client.WaitReady(t.Context(), "d")
	require.NoError(t, err)
	return ready
}

// wait returns what Run returned.
func (n *node) wait(t *testing.T) error {
	select {
	case err := <-n.ended:
		return err
	case <-time.After(patience):
		require.Fail(t, "the agent did not end")
		return nil
	}
}

func gone(pid int) bool { return syscall.Kill(pid, 0) != nil }
