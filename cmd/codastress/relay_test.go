package main

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster/containers"
)

// A relay stands between codastress and the container engine, so that a test can take the engine away from one run only.
type relay struct {
	network, address string // where it listens
	engine           *url.URL
	going            sync.WaitGroup

	mu          sync.Mutex
	listener    net.Listener
	frozen      bool
	thawed      chan struct{} // closed while it is not frozen
	connections map[net.Conn]bool
}

// relayTo starts a relay to the container engine of this machine on a TCP address, or on a socket.
func relayTo(t *testing.T, network, address string) *relay {
	t.Helper()
	host := os.Getenv(client.EnvOverrideHost)
	if host == "" {
		host = client.DefaultDockerHost
	}
	engine, err := url.Parse(host)
	require.NoError(t, err)
	r := &relay{network: network, address: address, engine: engine, thawed: make(chan struct{}), connections: map[net.Conn]bool{}}
	close(r.thawed)
	r.open(t)
	t.Cleanup(func() {
		r.cut()
		r.thaw()
		r.going.Wait()
	})
	return r
}

// needsEngine leaves a test out where there is no container engine.
func needsEngine(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := containers.New().Available(ctx); err != nil {
		t.Skipf("needs a container engine: %v", err)
	}
}

// host is the relay's address as the engine's clients know it.
func (r *relay) host() string {
	if r.network == "unix" {
		return "unix://" + r.address
	}
	return r.network + "://" + r.address
}

// open takes connections, for the first time or again after a cut.
func (r *relay) open(t *testing.T) {
	t.Helper()
	if r.network == "unix" {
		if err := os.Remove(r.address); !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
		}
	}
	listener, err := net.Listen(r.network, r.address)
	require.NoError(t, err)
	if unix, ok := listener.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // what a dead engine leaves is a socket that nobody listens on
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener, r.address = listener, listener.Addr().String()
	r.going.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			r.going.Go(func() { r.serve(near) })
		}
	})
}

// serve relays one connection in both directions.
func (r *relay) serve(near net.Conn) {
	defer near.Close() //nolint:errcheck // it is over
	far, err := net.Dial(r.engine.Scheme, r.engine.Host+r.engine.Path)
	if err != nil {
		return
	}
	defer far.Close() //nolint:errcheck // likewise
	if !r.keep(near, far) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { r.pass(far, near) })
	both.Go(func() { r.pass(near, far) })
	both.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.connections, near)
	delete(r.connections, far)
}

// keep remembers a pair of connections, unless the relay was cut meanwhile.
func (r *relay) keep(pair ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range pair {
		r.connections[one] = true
	}
	return r.listener != nil
}

// pass copies one direction until its end, and stands still while the relay is frozen.
func (r *relay) pass(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		r.mu.Lock()
		thawed := r.thawed
		r.mu.Unlock()
		<-thawed
		if _, failed := to.Write(buffer[:n]); failed != nil {
			err = failed
		}
		if err != nil {
			break
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the other direction may go on
	}
}

// cut ends all connections and takes no more, as when the engine dies.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		_ = r.listener.Close()
		r.listener = nil
	}
	for one := range r.connections {
		_ = one.Close()
	}
}

// freeze lets no byte through any more and keeps all connections, as when the engine stands still.
func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen, r.thawed = true, make(chan struct{})
}

func (r *relay) thaw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen {
		r.frozen = false
		close(r.thawed)
	}
}
