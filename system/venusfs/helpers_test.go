package venusfs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// needFUSE skips a test where nothing can be mounted.
func needFUSE(t testing.TB) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("needs FUSE: /dev/fuse is not there")
	}
}

// cluster is a server and any number of clients, each a process of its own.
type cluster struct {
	t       testing.TB
	server  *vicetest.Server
	address string
}

func startCluster(t testing.TB, change ...func(*vice.Config)) *cluster {
	t.Helper()
	needFUSE(t)
	c := &cluster{t: t, server: vicetest.Start(t, change...)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c.address = listener.Addr().String()
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			down, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.forward(ctx, down) })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		all.Wait()
	})
	return c
}

// forward connects a connection to the server, which listens in memory.
func (c *cluster) forward(ctx context.Context, down net.Conn) {
	defer down.Close()
	up, err := c.server.Dial(ctx, "")
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() {
		_ = down.Close()
		_ = up.Close()
	})
	defer stop()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{up, down}, {down, up}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1]) // it ends with the connection
			_ = pair[0].Close()
		})
	}
	both.Wait()
}

// client is a process that serves a mount.
type client struct {
	t      testing.TB
	dir    string
	config childConfig
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	ended  bool
}

// mount starts a client with a cache of its own.
func (c *cluster) mount(options Options) *client {
	c.t.Helper()
	return c.mountWith(options, venus.Limits{})
}

// mountWith is mount with limits of the cache.
func (c *cluster) mountWith(options Options, limits venus.Limits) *client {
	c.t.Helper()
	return startClient(c.t, childConfig{Dir: c.t.TempDir(), Cache: c.t.TempDir(), Server: c.address, Options: options, Limits: limits})
}

func startClient(t testing.TB, config childConfig) *client {
	t.Helper()
	c := spawn(t, config)
	require.Equal(t, "mounted", c.line())
	return c
}

// spawn is startClient, but does not wait until it has mounted.
func spawn(t testing.TB, config childConfig) *client {
	t.Helper()
	config.Verbose = os.Getenv("VENUSFS_TEST_VERBOSE") != ""
	c := &client{t: t, dir: config.Dir, config: config}
	text, err := json.Marshal(config)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	c.cmd = exec.Command(self)
	c.cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	c.cmd.Stderr = os.Stderr
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.stdout = bufio.NewReader(stdout)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(c.stop)
	return c
}

func (c *client) line() string {
	c.t.Helper()
	return c.lineWithin(30 * time.Second)
}

func (c *client) lineWithin(limit time.Duration) string {
	c.t.Helper()
	type result struct {
		text string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		text, err := c.stdout.ReadString('\n')
		got <- result{text, err}
	}()
	select {
	case r := <-got:
		require.NoError(c.t, r.err)
		return r.text[:len(r.text)-1]
	case <-time.After(limit):
		c.kill()
		c.t.Fatal("the client says nothing")
		return ""
	}
}

// ask sends a line and gives the one that comes back.
func (c *client) ask(line string) string {
	c.t.Helper()
	_, err := io.WriteString(c.stdin, line+"\n")
	require.NoError(c.t, err)
	return c.line()
}

// reintegrate has the client send everything to the server.
func (c *client) reintegrate() {
	c.t.Helper()
	_, err := io.WriteString(c.stdin, "reintegrate\n")
	require.NoError(c.t, err)
	require.Equal(c.t, "0 <nil>", c.lineWithin(reintegrateTime+10*time.Second))
}

// stop unmounts and waits for the process, which fails the test if it has leaked anything.
func (c *client) stop() {
	if c.ended {
		return
	}
	c.ended = true
	_ = c.stdin.Close()
	_ = c.cmd.Process.Signal(unix.SIGCONT)
	limit := time.AfterFunc(30*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer limit.Stop()
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("client: %v", err)
	}
	if err := ClearDead(c.dir); err != nil {
		c.t.Error(err)
	}
}

// kill kills the process with SIGKILL and leaves the mount as it is.
func (c *client) kill() {
	c.ended = true
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	c.t.Cleanup(func() {
		if err := ClearDead(c.dir); err != nil {
			c.t.Error(err)
		}
	})
}

// pause stops the process, all of its threads.
func (c *client) pause() {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Signal(unix.SIGSTOP))
	eventually(c.t, func() bool {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", c.cmd.Process.Pid))
		require.NoError(c.t, err)
		return !slices.ContainsFunc(tasks, func(task string) bool {
			text, err := os.ReadFile(task)
			return err == nil && !strings.Contains(string(text), ") T ")
		})
	}, "the process stops")
}

func (c *client) path(name string) string { return filepath.Join(c.dir, name) }

func (c *client) write(name, text string) {
	c.t.Helper()
	require.NoError(c.t, os.WriteFile(c.path(name), []byte(text), 0o644))
}

func (c *client) read(name string) string {
	c.t.Helper()
	b, err := os.ReadFile(c.path(name))
	require.NoError(c.t, err)
	return string(b)
}

// eventually waits until a condition holds.
func eventually(t testing.TB, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 15*time.Second, 5*time.Millisecond, what)
}

// asErrno finds the error number in an error.
func asErrno(err error) unix.Errno {
	var errno unix.Errno
	_ = errors.As(err, &errno)
	return errno
}
