package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits are the bounds of a web server. Zero values stand for the defaults.
type Limits struct {
	MaxClients int           // connections served at once; 200, as in the field report
	FileTime   time.Duration // of one file from open to close, after which the visitor gets 503; 60 s
	IdleTime   time.Duration // of a connection between two requests; 5 s, as Apache's KeepAliveTimeout
	MaxLength  int64         // of a file; 64 MiB
	// Status is where the state of the workers is served besides, as JSON; nil for nowhere. It works when all workers are busy.
	Status net.Listener
	Log    *slog.Logger // nil for none
}

func (l Limits) withDefaults() Limits {
	if l.MaxClients == 0 {
		l.MaxClients = 200
	}
	if l.FileTime == 0 {
		l.FileTime = time.Minute
	}
	if l.IdleTime == 0 {
		l.IdleTime = 5 * time.Second
	}
	if l.MaxLength == 0 {
		l.MaxLength = 64 << 20
	}
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	return l
}

// closingTime is how long requests may go on after the end was asked for.
const closingTime = 300 * time.Millisecond

// State is what the workers are doing.
type State struct {
	Workers   int    `json:"workers"`   // in all
	Busy      int64  `json:"busy"`      // with a connection, or with a file operation that outlived one
	Reading   int64  `json:"reading"`   // file operations that go on
	Abandoned int64  `json:"abandoned"` // of these, past their time
	Served    uint64 `json:"served"`    // requests answered
}

// server is a web server at work.
type server struct {
	files     Files
	limits    Limits
	workers   *workers
	reading   atomic.Int64
	abandoned atomic.Int64
	served    atomic.Uint64
}

// Serve answers GET and HEAD requests for files on a listener until ctx ends, and closes the listener. File operations that do not return
// are left behind.
//
// A page is 200 only if its whole file was read and closed without an error. 404: no such file; 403: no right; 503: the file system did not answer, in
// time or at all; 500: every other error. The errno's name is in the header Errno, where there is one.
func Serve(ctx context.Context, listener net.Listener, files Files, limits Limits) error {
	limits = limits.withDefaults()
	s := &server{files: files, limits: limits, workers: newWorkers(listener, limits.MaxClients)}
	pages := s.httpServer(http.HandlerFunc(s.page))
	pages.ConnContext = withVisit
	ended := make(chan error, 2)
	go func() { ended <- pages.Serve(s.workers) }()
	running, servers := 1, []*http.Server{pages}
	if limits.Status != nil {
		status := s.httpServer(http.HandlerFunc(s.status))
		servers = append(servers, status)
		running++
		go func() { ended <- status.Serve(limits.Status) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		running--
	}
	for _, one := range servers {
		shut(one)
	}
	for range running {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			limits.Log.Warn("a server ended otherwise than it was told to", "error", err)
		}
	}
	if ctx.Err() == nil {
		return fmt.Errorf("serving pages: %w", err)
	}
	return nil
}

func (s *server) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: s.limits.IdleTime,
		IdleTimeout:       s.limits.IdleTime,
		WriteTimeout:      s.limits.FileTime + s.limits.IdleTime,
		ErrorLog:          slog.NewLogLogger(s.limits.Log.Handler(), slog.LevelDebug),
	}
}

func shut(one *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), closingTime)
	defer cancel()
	if one.Shutdown(ctx) != nil {
		_ = one.Close() // nothing more can be done
	}
}

func (s *server) status(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(State{ // who has gone does not want it
		Workers: s.limits.MaxClients, Busy: s.workers.busy.Load(), Reading: s.reading.Load(),
		Abandoned: s.abandoned.Load(), Served: s.served.Load(),
	})
}

// page answers one request.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	defer s.served.Add(1)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	content, err := s.read(r.Context(), name)
	if err != nil {
		s.fail(w, name, err)
		return
	}
	w.Header().Set("Content-Type", contentType(name))
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // an incomplete answer shows by its length
}

// errSlow says that a file operation did not return in time.
var errSlow = errors.New("the file system does not answer")

// read reads a file in a goroutine that keeps the worker until the file system lets it go, and waits for it for a time.
func (s *server) read(ctx context.Context, name string) ([]byte, error) {
	type result struct {
		content []byte
		err     error
	}
	v := visitOf(ctx)
	if v != nil {
		v.hold()
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.FileTime)
	defer cancel()
	done := make(chan result, 1)
	var left atomic.Bool // the waiting for it was given up
	s.reading.Add(1)
	go func() {
		content, err := s.readFile(ctx, name)
		s.reading.Add(-1)
		done <- result{content, err}
		if left.Swap(true) {
			s.abandoned.Add(-1)
		}
		if v != nil {
			v.release()
		}
	}()
	select {
	case r := <-done:
		return r.content, r.err
	case <-ctx.Done():
		s.abandoned.Add(1)
		if left.Swap(true) { // it has just returned
			s.abandoned.Add(-1)
		}
		return nil, errors.Join(errSlow, ctx.Err())
	}
}

// readFile is one open-read-close session.
func (s *server) readFile(ctx context.Context, name string) ([]byte, error) {
	content, length, err := s.files.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	if length > s.limits.MaxLength {
		return nil, errors.Join(fmt.Errorf("%s is too long: %w", name, syscall.EFBIG), content.Close())
	}
	var all bytes.Buffer
	all.Grow(int(length) + bytes.MinRead)
	_, err = all.ReadFrom(io.LimitReader(content, s.limits.MaxLength))
	if err := errors.Join(err, content.Close()); err != nil {
		return nil, err
	}
	return all.Bytes(), nil
}

// fail answers with the status that fits an error.
func (s *server) fail(w http.ResponseWriter, name string, err error) {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		w.Header().Set("Errno", unix.ErrnoName(errno))
	}
	status := statusOf(err)
	if status != http.StatusNotFound {
		s.limits.Log.Debug("a page could not be served", "page", name, "status", status, "error", err)
	}
	if errors.Is(err, errSlow) {
		w.Header().Set("Connection", "close") // the connection keeps no second worker waiting
	}
	http.Error(w, err.Error(), status)
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, errSlow), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return http.StatusNotFound
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	}
	for _, errno := range []syscall.Errno{
		syscall.ETIMEDOUT, syscall.ENOTCONN, syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH,
		syscall.ENETUNREACH, syscall.EAGAIN, syscall.EBUSY, syscall.EINTR, syscall.ENXIO, syscall.ENODEV,
	} {
		if errors.Is(err, errno) {
			return http.StatusServiceUnavailable
		}
	}
	return http.StatusInternalServerError
}

func contentType(name string) string {
	if strings.HasSuffix(name, ".html") || name == "" {
		return "text/html; charset=utf-8"
	}
	return "application/octet-stream"
}
