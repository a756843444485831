package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// pieceLength is how much is read from a connection at once. Toxiproxy alone would read half of it; each piece costs it three changes of
// goroutine.
const pieceLength = 64 << 10

// connection is one accepted connection and its counterpart at the upstream.
type connection struct {
	client   *net.TCPConn
	upstream *net.TCPConn

	open   atomic.Int32 // directions that have not ended
	ended  func()       // called once, when both have
	closed sync.Once
}

// half is one direction of a connection, as Toxiproxy sees it: an io.Reader at the source and an io.WriteCloser at the destination.
type half struct {
	whole    *connection
	from, to *net.TCPConn

	finished atomic.Bool   // the source ended in order
	read     atomic.Uint64 // bytes
	written  atomic.Uint64 // bytes; fewer than read at the end if some were dropped
}

// newConnection returns the two directions of a connection. ended is called when both are over and the sockets are closed.
func newConnection(client, upstream *net.TCPConn, ended func()) (whole *connection, up, down *half) {
	whole = &connection{client: client, upstream: upstream, ended: ended}
	whole.open.Store(2)
	up = &half{whole: whole, from: client, to: upstream}
	down = &half{whole: whole, from: upstream, to: client}
	return whole, up, down
}

// reset ends both sides with RST.
func (c *connection) reset() {
	c.closed.Do(func() {
		resetSocket(c.client)
		resetSocket(c.upstream)
	})
}

// resetSocket closes a socket with RST instead of FIN. Errors mean that it is closed already.
func resetSocket(socket *net.TCPConn) {
	_ = socket.SetLinger(0)
	_ = socket.Close()
}

// Read reads from the source. An error, which is how a reset shows, ends the stream without finishing it.
func (h *half) Read(piece []byte) (int, error) {
	n, err := h.from.Read(piece)
	h.read.Add(uint64(n))
	if errors.Is(err, io.EOF) {
		h.finished.Store(true)
	} else if err != nil {
		err = io.EOF
	}
	return n, err
}

// WriteTo is what io.Copy uses instead of its own loop with small pieces.
func (h *half) WriteTo(w io.Writer) (copied int64, err error) {
	piece := make([]byte, pieceLength)
	for !errors.Is(err, io.EOF) {
		var n int
		n, err = h.Read(piece)
		if n == 0 {
			continue
		}
		if _, err := w.Write(piece[:n]); err != nil {
			return copied, err
		}
		copied += int64(n)
	}
	return copied, nil
}

// Write writes to the destination.
func (h *half) Write(piece []byte) (int, error) {
	n, err := h.to.Write(piece)
	h.written.Add(uint64(n))
	return n, err
}

// ReadFrom is what io.Copy uses instead of its own loop. When the destination fails it resets the connection and reads on to the end,
// since Toxiproxy's goroutines would wait for ever to hand on what is under way.
func (h *half) ReadFrom(r io.Reader) (copied int64, err error) {
	piece := make([]byte, pieceLength)
	for broken := false; err == nil; {
		var n int
		n, err = r.Read(piece)
		if n == 0 || broken {
			continue
		}
		m, failed := h.Write(piece[:n])
		copied += int64(m)
		if failed != nil {
			broken = true
			h.whole.reset()
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return copied, err
}

// Close ends the direction as its source ended it: in order, which leaves the other direction open, or with RST on both sides if the source was
// reset or bytes are missing.
func (h *half) Close() error {
	if !h.finished.Load() || h.read.Load() != h.written.Load() || h.to.CloseWrite() != nil {
		h.whole.reset()
	}
	if h.whole.open.Add(-1) == 0 {
		h.whole.closed.Do(func() {
			_ = h.whole.client.Close()
			_ = h.whole.upstream.Close()
		})
		h.whole.ended()
	}
	return nil
}
