package vicetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/wire"
)

// Volume is the name of the volume that a test server has.
const Volume = "home"

// stopTime bounds the stop of a test server.
const stopTime = 20 * time.Second

// Server is a server of a test. It can be stopped, started again, and lose its power; clients connect to whichever start is running.
type Server struct {
	t   testing.TB
	cfg vice.Config

	mu       sync.Mutex
	memory   *simdisk.Disk // nil for another disk
	left     *simdisk.Disk // of memory, by a crash
	server   *vice.Server
	listener *bufconn.Listener
	served   chan error
	mute     *atomic.Bool      // the server's connections send nothing any more
	peers    map[net.Conn]bool // connections from and to other servers of the volume

	cut  atomic.Bool // off from the other servers
	dead atomic.Bool // crashed
}

// Start runs a server on a simulated disk, or on the one that change sets. The server is stopped and checked (Fsck) when
// the test ends.
func Start(t testing.TB, change ...func(*vice.Config)) *Server {
	t.Helper()
	s := newServer(t, change)
	s.Start()
	return s
}

// StartReplicas runs the servers of a replicated volume, in the order of their slots.
func StartReplicas(t testing.TB, n int, change ...func(*vice.Config)) []*Server {
	t.Helper()
	servers := make([]*Server, n)
	for slot := range servers {
		servers[slot] = newServer(t, change)
	}
	for slot, s := range servers {
		s.cfg.Replication.Slot = slot
		for _, peer := range servers {
			connection := wire.DefaultClientConfig()
			connection.Dialer = func(ctx context.Context, address string) (net.Conn, error) {
				if s.cut.Load() || peer.cut.Load() || s.dead.Load() {
					return nil, errors.New("the test servers are cut off from each other")
				}
				c, err := peer.Dial(ctx, address)
				if err != nil {
					return nil, err
				}
				return s.between(peer, c), nil
			}
			connection.MaxBackoff = 20 * time.Millisecond
			s.cfg.Replication.Peers = append(s.cfg.Replication.Peers, vice.Peer{Address: "vicetest", Connection: connection})
		}
	}
	for _, s := range servers {
		s.Start()
	}
	return servers
}

// newServer makes a server that is stopped and checked when the test ends.
func newServer(t testing.TB, change []func(*vice.Config)) *Server {
	s := &Server{t: t, memory: simdisk.New()}
	s.cfg = vice.Config{Disk: s.memory, Dir: "vice", Volume: Volume}
	for _, c := range change {
		c(&s.cfg)
	}
	if s.cfg.Disk != disk.FS(s.memory) {
		s.memory = nil
	}
	t.Cleanup(func() {
		if s.Vice() != nil {
			s.CheckSound()
			s.Stop()
		}
	})
	return s
}

// CutOff cuts the server off from the other servers of its volume, or lets it speak with them again. Clients reach it all the time.
func (s *Server) CutOff(cut bool) {
	s.cut.Store(cut)
	if !cut {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.peers {
		_ = c.Close()
	}
	s.peers = nil
}

// between keeps a connection to another server so that both can be cut off from each other.
func (s *Server) between(peer *Server, c net.Conn) net.Conn {
	for _, end := range []*Server{s, peer} {
		end.mu.Lock()
		if end.peers == nil {
			end.peers = map[net.Conn]bool{}
		}
		end.peers[c] = true
		if end.cut.Load() || s.dead.Load() { // since the connection was asked for
			_ = c.Close()
		}
		end.mu.Unlock()
	}
	return c
}

// Start starts the server again after Stop or Crash.
func (s *Server) Start() {
	s.t.Helper()
	require.NoError(s.t, s.TryStart())
}

// Configure changes the configuration of the next start.
func (s *Server) Configure(change func(*vice.Config)) { change(&s.cfg) }

// TryStart is Start where the server may refuse.
func (s *Server) TryStart() error {
	s.dead.Store(false)
	server, err := vice.Open(context.Background(), s.cfg)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server, s.listener, s.served, s.mute = server, bufconn.Listen(1<<20), make(chan error, 1), new(atomic.Bool)
	listener, served := muteListener{s.listener, s.mute}, s.served
	go func() { served <- server.Serve(context.Background(), listener, nil) }()
	return nil
}

// Vice is the server that is running, nil for none.
func (s *Server) Vice() *vice.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server
}

// Stop stops the server in good order.
func (s *Server) Stop() {
	s.t.Helper()
	s.mu.Lock()
	server, served := s.server, s.served
	s.server, s.listener = nil, nil
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	require.NoError(s.t, server.Close(ctx))
	require.NoError(s.t, <-served)
}

// Kill stops the server as kill -9 does: nothing that it does from this moment on reaches the disk that the next start sees.
// The disk keeps what was written, synced or not. It needs the simulated disk.
func (s *Server) Kill() {
	s.crash((*simdisk.Disk).Crash)
}

// LosePower stops the server as a loss of power does: the seed decides what survives of what was not synced. It needs the simulated disk.
func (s *Server) LosePower(seed uint64) {
	s.crash(func(d *simdisk.Disk) *simdisk.Disk { return d.LosePower(rand.New(rand.NewPCG(seed, seed))) })
}

// crash takes the disk as it is at this moment from under the server.
func (s *Server) crash(leave func(*simdisk.Disk) *simdisk.Disk) {
	s.t.Helper()
	s.TakeDisk(leave)
	s.Bury()
}

// TakeDisk cuts the server off and takes what leave leaves of its disk, as a crash at this very moment does. Within calls of the disk it may be
// called, too. Bury must follow, before the next Start.
func (s *Server) TakeDisk(leave func(*simdisk.Disk) *simdisk.Disk) {
	require.NotNil(s.t, s.memory, "only a simulated disk can crash")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute.Store(true) // or the server could still acknowledge what is not on the disk that is left
	s.listener = nil
	s.dead.Store(true)
	for c := range s.peers {
		_ = c.Close()
	}
	s.peers = nil
	s.left = leave(s.memory)
}

// Bury ends what TakeDisk has left of the server.
func (s *Server) Bury() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // connections are cut, not finished
	s.mu.Lock()
	server, served := s.server, s.served
	s.server = nil
	s.memory, s.cfg.Disk = s.left, s.left
	s.mu.Unlock()
	require.NoError(s.t, server.Close(ctx))
	require.NoError(s.t, <-served)
}

// LoseDisk replaces the disk of a server that is stopped or crashed by an empty one.
func (s *Server) LoseDisk() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory = simdisk.New()
	s.cfg.Disk = s.memory
}

// Simulated is the server's disk, nil where that is another one.
func (s *Server) Simulated() *simdisk.Disk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory
}

// FlipBit flips a bit of a byte of a file on the server's disk, or flips it back.
func (s *Server) FlipBit(path string, offset int64) {
	s.t.Helper()
	f, err := s.Disk().OpenFile(path, os.O_RDWR)
	require.NoError(s.t, err)
	one := make([]byte, 1)
	_, err = f.ReadAt(one, offset)
	require.NoError(s.t, err)
	one[0] ^= 4
	_, err = f.WriteAt(one, offset)
	require.NoError(s.t, err)
	require.NoError(s.t, f.Close())
}

// CheckSound runs the server's fsck and fails the test if it finds anything.
func (s *Server) CheckSound() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	result, err := s.Vice().Fsck(ctx)
	require.NoError(s.t, err)
	require.Empty(s.t, result.Problems)
}

// Dial connects to the running server; it is the Dialer of a wire.ClientConfig.
func (s *Server) Dial(ctx context.Context, _ string) (net.Conn, error) {
	s.mu.Lock()
	listener := s.listener
	s.mu.Unlock()
	if listener == nil {
		return nil, errors.New("the test server is down")
	}
	return listener.DialContext(ctx)
}

// Connect makes a connection that is closed when the test ends. It survives restarts of the server, as gRPC connections do.
func (s *Server) Connect(more ...grpc.DialOption) *grpc.ClientConn {
	s.t.Helper()
	cfg := wire.DefaultClientConfig()
	cfg.Dialer = s.Dial
	cfg.MaxBackoff = 20 * time.Millisecond
	conn, err := wire.Dial("vicetest", cfg, more...)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Tree gives the status of every path of the volume at one moment.
func (s *Server) Tree() map[string]coda.Status {
	s.t.Helper()
	tree := map[string]coda.Status{}
	err := s.Vice().Tree(context.Background(), Volume, func(path string, status coda.Status) error {
		tree[path] = status
		return nil
	})
	require.NoError(s.t, err)
	return tree
}

// Containers lists the container files on the server's disk.
func (s *Server) Containers() []string {
	s.t.Helper()
	disk := s.cfg.Disk
	root := disk.PathJoin(s.cfg.Dir, "containers")
	dirs, err := disk.List(root)
	require.NoError(s.t, err)
	var files []string
	for _, d := range dirs {
		names, err := disk.List(disk.PathJoin(root, d))
		require.NoError(s.t, err)
		for _, name := range names {
			files = append(files, disk.PathJoin(root, d, name))
		}
	}
	return files
}

// Disk is the server's disk, for tests that damage it.
func (s *Server) Disk() disk.FS { return s.cfg.Disk }

// muteListener's connections fail to send once mute is set.
type muteListener struct {
	*bufconn.Listener
	mute *atomic.Bool
}

// Accept waits for the next connection.
func (l muteListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return muteConn{c, l.mute}, nil
}

type muteConn struct {
	net.Conn
	mute *atomic.Bool
}

// Write sends, or fails like a connection whose machine is gone.
func (c muteConn) Write(p []byte) (int, error) {
	if c.mute.Load() {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}
