package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/agent/fusemount/fusetest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a web server under test.
type site struct {
	url, statusURL string
	visitor        *http.Client
	stop           func()
}

// serve starts a web server whose visitors open a connection for each request.
func serve(t *testing.T, files Files, limits Limits) *site {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	limits.Status, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, files, limits) }()
	s := &site{
		url: "http://" + listener.Addr().String(), statusURL: "http://" + limits.Status.Addr().String(),
		visitor: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	s.stop = func() {
		cancel()
		if served != nil {
			require.NoError(t, <-served)
			served = nil
		}
	}
	t.Cleanup(s.stop)
	return s
}

func (s *site) get(t *testing.T, path string) (*http.Response, string) {
	answer, err := s.visitor.Get(s.url + path)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(body)
}

func (s *site) state(t *testing.T) State {
	answer, err := s.visitor.Get(s.statusURL)
	require.NoError(t, err)
	defer answer.Body.Close()
	var state State
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&state))
	return state
}

func TestPagesOfAFolder(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "sub"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "sub", "page.html"), []byte("the page"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(root, "big"), make([]byte, 1001), 0o600))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(root, "outside")))
	s := serve(t, Folder{Root: root}, Limits{MaxLength: 1000})
	for _, test := range []struct {
		path   string
		status int
		body   string
		errno  string
	}{
		{"/sub/page.html", 200, "the page", ""},
		{"/sub/../sub//page.html", 200, "the page", ""},
		{"/none", 404, "none", "ENOENT"},
		{"/sub", 404, "sub", "EISDIR"},
		{"/", 404, "", "EISDIR"},
		{"/sub/page.html/below", 404, "", "ENOTDIR"},
		{"/../../../../etc/passwd", 404, "", "ENOENT"},
		{"/outside", 500, "", ""},
		{"/big", 500, "too long", "EFBIG"},
	} {
		answer, body := s.get(t, test.path)
		require.Equal(t, test.status, answer.StatusCode, "%s: %s", test.path, body)
		require.Contains(t, body, test.body, test.path)
		require.Equal(t, test.errno, answer.Header.Get("Errno"), test.path)
		require.NotContains(t, body, "root:")
	}
	answer, err := s.visitor.Head(s.url + "/sub/page.html")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.EqualValues(t, 8, answer.ContentLength)
	answer, err = s.visitor.Post(s.url+"/sub/page.html", "", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 405, answer.StatusCode)
	require.EqualValues(t, 11, s.state(t).Served)
	require.Eventually(t, func() bool { return s.state(t).Busy == 0 }, patience, time.Millisecond)
}

func TestNothingIsServedWhereNothingIsMounted(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "page"), []byte("below the mount"), 0o600))
	s := serve(t, Folder{Root: root, Mounted: true}, Limits{})
	answer, _ := s.get(t, "/page")
	require.Equal(t, 503, answer.StatusCode)
	require.Equal(t, "ENOTCONN", answer.Header.Get("Errno"))
}

// gated files do not open before they are let.
type gated struct{ gate chan struct{} }

func (g gated) Open(context.Context, string) (io.ReadCloser, int64, error) {
	<-g.gate
	return io.NopCloser(strings.NewReader("open")), 4, nil
}

func TestBusyWorkersMakeVisitorsWait(t *testing.T) {
	files := gated{gate: make(chan struct{})}
	s := serve(t, files, Limits{MaxClients: 2})
	answers := make(chan string, 3)
	for range 3 {
		go func() {
			_, body := s.get(t, "/x")
			answers <- body
		}()
	}
	require.Eventually(t, func() bool { return s.state(t).Reading == 2 }, patience, time.Millisecond)
	time.Sleep(20 * time.Millisecond) // a third could only come too early
	require.EqualValues(t, 2, s.state(t).Busy)
	require.Empty(t, answers)
	close(files.gate)
	for range 3 {
		require.Equal(t, "open", <-answers)
	}
}

func TestAHungFileKeepsItsWorkerButNotItsVisitor(t *testing.T) {
	files := gated{gate: make(chan struct{})}
	s := serve(t, files, Limits{MaxClients: 2, FileTime: 20 * time.Millisecond})
	for range 2 {
		answer, _ := s.get(t, "/x")
		require.Equal(t, 503, answer.StatusCode)
	}
	require.Equal(t, State{Workers: 2, Busy: 2, Reading: 2, Abandoned: 2, Served: 2}, s.state(t))
	hasty := &http.Client{Timeout: 50 * time.Millisecond, Transport: s.visitor.Transport}
	_, err := hasty.Get(s.url + "/x")
	var timeout net.Error
	require.ErrorAs(t, err, &timeout, "no worker is free")
	require.True(t, timeout.Timeout())
	close(files.gate)
	_, body := s.get(t, "/x")
	require.Equal(t, "open", body)
	require.Eventually(t, func() bool {
		state := s.state(t)
		return state.Busy == 0 && state.Reading == 0 && state.Abandoned == 0
	}, patience, time.Millisecond)
}

func TestTheEndDoesNotWaitForAHungFile(t *testing.T) {
	files := gated{gate: make(chan struct{})}
	s := serve(t, files, Limits{})
	failed := make(chan error, 1)
	go func() {
		_, err := s.visitor.Get(s.url + "/x")
		failed <- err
	}()
	require.Eventually(t, func() bool { return s.state(t).Reading == 1 }, patience, time.Millisecond)
	s.stop()
	require.Error(t, <-failed)
	close(files.gate)
}

func TestADeadMountIsServedAsUnavailable(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	s := serve(t, Folder{Root: mount.Path, Mounted: true}, Limits{FileTime: 50 * time.Millisecond})
	answer, _ := s.get(t, "/x")
	require.Equal(t, 503, answer.StatusCode)
	require.EqualValues(t, 1, s.state(t).Busy)
	mount.Die()
	require.Eventually(t, func() bool { return s.state(t).Busy == 0 }, patience, time.Millisecond)
	answer, _ = s.get(t, "/x")
	require.Equal(t, 503, answer.StatusCode)
}

func TestAnErrorAfterOpenIsNoPage(t *testing.T) {
	for _, test := range []struct {
		name string
		file failing
		want int
	}{
		{"read", failing{read: syscall.EIO}, 500},
		{"close", failing{close: syscall.ETIMEDOUT}, 503},
		{"open", failing{open: fs.ErrPermission}, 403},
		{"open, wrapped", failing{open: fmt.Errorf("x: %w", syscall.EHOSTUNREACH)}, 503},
		{"open, unknown", failing{open: errors.New("odd")}, 500},
		{"none", failing{}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, _ := serve(t, test.file, Limits{}).get(t, "/x")
			require.Equal(t, test.want, answer.StatusCode)
		})
	}
}

// failing is a file with an error.
type failing struct{ open, read, close error }

func (f failing) Open(context.Context, string) (io.ReadCloser, int64, error) {
	if f.open != nil {
		return nil, 0, f.open
	}
	return f, 4, nil
}

func (f failing) Read(piece []byte) (int, error) {
	if f.read != nil {
		return copy(piece, "par"), f.read
	}
	return copy(piece, "page"), io.EOF
}

func (f failing) Close() error { return f.close }

func TestServeFailsWithItsListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, Serve(t.Context(), listener, Folder{}, Limits{}), net.ErrClosed)
}

func TestManyVisitors(t *testing.T) {
	root := t.TempDir()
	content := bytes.Repeat([]byte("x"), 20_000)
	require.NoError(t, os.WriteFile(filepath.Join(root, "page"), content, 0o600))
	s := serve(t, Folder{Root: root}, Limits{MaxClients: 4})
	answers := make(chan int, 100)
	for range 100 {
		go func() {
			_, body := s.get(t, "/page")
			answers <- len(body)
		}()
	}
	for range 100 {
		require.Equal(t, len(content), <-answers)
	}
}
