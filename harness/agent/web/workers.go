package web

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// workers is a listener that accepts a connection only when a worker is free for it.
type workers struct {
	net.Listener
	free   chan struct{} // a token for each worker
	closed context.Context
	close  context.CancelFunc
	busy   atomic.Int64
}

func newWorkers(listener net.Listener, n int) *workers {
	w := &workers{Listener: listener, free: make(chan struct{}, n)}
	w.closed, w.close = context.WithCancel(context.Background())
	for range n {
		w.free <- struct{}{}
	}
	return w
}

// Accept waits for a free worker, then for a connection.
func (w *workers) Accept() (net.Conn, error) {
	select {
	case <-w.free:
	case <-w.closed.Done():
		return nil, net.ErrClosed
	}
	socket, err := w.Listener.Accept()
	if err != nil {
		w.free <- struct{}{}
		return nil, err
	}
	w.busy.Add(1)
	return &visit{Conn: socket, worker: w, holders: 1}, nil
}

// Close makes Accept return.
func (w *workers) Close() error {
	w.close()
	return w.Listener.Close()
}

// visit is a connection with its worker, which is free again when the connection is closed and no file operation for it goes on.
type visit struct {
	net.Conn
	worker *workers
	closed sync.Once

	mu      sync.Mutex
	holders int // the connection itself, and file operations
}

// Close implements net.Conn.
func (v *visit) Close() error {
	err := net.ErrClosed
	v.closed.Do(func() {
		err = v.Conn.Close()
		v.release()
	})
	return err
}

// hold keeps the worker occupied until release.
func (v *visit) hold() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holders++
}

func (v *visit) release() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holders--
	if v.holders == 0 {
		v.worker.busy.Add(-1)
		v.worker.free <- struct{}{}
	}
}

type visitKey struct{}

// visitOf returns the visit that a request belongs to.
func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}

func withVisit(ctx context.Context, socket net.Conn) context.Context {
	v, ok := socket.(*visit)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, visitKey{}, v)
}
