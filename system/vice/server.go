package vice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
	"github.com/codastress/codastress/system/wire/peerpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Server is one codasrv.
type Server struct {
	vicepb.UnimplementedViceServer
	cfg      Config
	store    *store
	row      serverRow
	promises *promises
	calls    *calls
	policies policies
	writer   *turn         // whoever changes the volume
	transfer chan struct{} // holds one value a batch whose data are being received
	contents atomic.Uint64 // the last contentID.sequence given
	opened   atomic.Uint64 // sessions so far
	pieces   sync.Pool     // of *[]byte, to send contents with
	peers    []*replica    // the other servers of the volume
	settling *settling
	asking   atomic.Int32 // joins that rely on what this server remembers

	locations  atomic.Pointer[locations]
	relocating *turn // whoever makes other locations
	used       usages

	granting *turn         // whoever grants numbers
	next     atomic.Uint64 // the next number to grant; changed in turn, after it is durable

	protection *protection
	restricted atomic.Bool // some directory has an ACL

	stopping context.Context // done when the server is being closed; sessions end with it
	stop     context.CancelCauseFunc

	mu      sync.Mutex
	serving map[*grpc.Server]bool
	closed  bool
}

// Open recovers the server's state from its disk, making the store and the volume of the configuration if there are none, and removes what a crash left
// behind. The server answers nobody before Serve. ctx bounds the recovery.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open server: %w", err)
	}
	st, err := openStore(cfg)
	if err != nil {
		return nil, fmt.Errorf("open server: %w", err)
	}
	s := &Server{
		cfg: cfg, store: st, calls: newCalls(cfg.Timing.Request), serving: map[*grpc.Server]bool{},
		writer: newTurn("writer's turn"), transfer: make(chan struct{}, cfg.Limits.Transfers),
		granting: newTurn("granting of numbers"), relocating: newTurn("changing of volumes"), used: usages{by: map[uint32]growth{}}, protection: newProtection(),
	}
	s.pieces.New = func() any {
		b := make([]byte, pieceSize)
		return &b
	}
	s.stopping, s.stop = context.WithCancelCause(context.Background())
	if err := s.recover(ctx); err != nil {
		s.stop(err)
		return nil, errors.Join(fmt.Errorf("open server: %w", err), st.close())
	}
	s.promises = newPromises(s.newView(), cfg.Limits)
	s.policies = policiesOf(s)
	if err := s.connectPeers(); err != nil {
		s.stop(err)
		s.promises.current.release()
		return nil, errors.Join(fmt.Errorf("open server: %w", err), s.closePeers(), st.close())
	}
	s.startSettling()
	cfg.Log.Info("server is open", "volume", cfg.Volume, "id", s.row.id, "epoch", s.row.epoch)
	return s, nil
}

// newView makes a view of the last commit.
func (s *Server) newView() *view {
	return newView(s.store.db, func(err error) {
		if err != nil {
			s.cfg.Log.Error("close a view", "err", err)
		}
	})
}

// recover reads the server's row and the volumes or makes them, counts this start, and removes contents that belong to nothing.
func (s *Server) recover(ctx context.Context) error {
	r := s.cfg.Replication
	b := s.store.db.NewBatch()
	defer b.Close()
	found, err := get(s.store.db, serverKey(), func(row []byte) (err error) {
		s.row, err = decodeServer(row)
		return err
	})
	if err != nil {
		return err
	}
	if !found {
		if _, err := io.ReadFull(s.cfg.Entropy, s.row.id[:]); err != nil {
			return fmt.Errorf("make a server id: %w", err)
		}
		s.row.next, s.row.slot, s.row.replicas = r.firstNumber(s.row.id), r.Slot, r.replicas()
	}
	if s.row.slot != r.Slot || s.row.replicas != r.replicas() {
		return coda.Errorf("open it", coda.Invalid, "the store is slot %d of %d, the configuration says slot %d of %d", s.row.slot, s.row.replicas, r.Slot, r.replicas())
	}
	s.next.Store(s.row.next)
	s.row.epoch++
	if err := b.Set(serverKey(), s.row.encode(), nil); err != nil {
		return err
	}
	if err := s.recoverVolumes(b); err != nil {
		return fmt.Errorf("recover volumes: %w", err)
	}
	s.store.commit(b)
	if err := s.recoverProtection(); err != nil {
		return fmt.Errorf("recover users and groups: %w", err)
	}
	return s.removeOrphans(ctx)
}

// recoverVolumes reads which volumes there are, or makes the one of the configuration.
func (s *Server) recoverVolumes(b *pebble.Batch) error {
	var l *locations
	found, err := get(s.store.db, locationsKey(), func(row []byte) (err error) {
		l, err = decodeLocations(row)
		return err
	})
	if err != nil {
		return err
	}
	if found {
		s.locations.Store(l)
		if name := l.find(rootVolume).Name; name != s.cfg.Volume {
			return coda.Errorf("open the store", coda.Exists, "the volume at its root is %s, the configuration says %s", name, s.cfg.Volume)
		}
		return nil
	}
	l = &locations{version: 1}
	for i, name := range append([]string{s.cfg.Volume}, s.cfg.Volumes...) {
		if l.named(name) != nil {
			return coda.Errorf("make the volumes", coda.Exists, "%s is there twice", name)
		}
		l.volumes = append(l.volumes, Volume{ID: rootVolume + uint32(i), Name: name, RootACL: s.cfg.RootACL})
	}
	s.locations.Store(l)
	if s.cfg.Replication.replicated() {
		if err := b.Set(fillingKey(), fillingRow(0).encode(), nil); err != nil {
			return err
		}
	}
	for _, v := range l.volumes {
		if err := s.makeRoot(b, v); err != nil {
			return err
		}
	}
	return b.Set(locationsKey(), l.encode(), nil)
}

// removeOrphans removes container files that no object refers to: their batches were not committed, or had not come to removing them. On the way it
// counts what the volumes have used of their quotas.
func (s *Server) removeOrphans(ctx context.Context) error {
	wanted := map[string]bool{}
	err := scanVnodes(s.store.db, []byte{vnodePrefix}, func(v *vnode) error {
		s.used.found(v)
		if v.status.ACL != "" {
			s.restricted.Store(true)
		}
		if v.content.place == inContainer {
			wanted[s.store.containers.name(v.status.Fid, v.content.id)] = true
		}
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("look for orphaned containers: %w", err)
	}
	removed := 0
	err = s.store.containers.each(func(name, path string) error {
		if wanted[name] {
			return nil
		}
		removed++
		return errors.Join(s.cfg.Disk.Remove(path), ctx.Err())
	})
	if err != nil {
		return fmt.Errorf("remove orphaned containers: %w", err)
	}
	if removed > 0 {
		s.cfg.Log.Info("removed orphaned containers", "count", removed)
	}
	return nil
}

// Serve answers clients on listener, which it closes, until ctx ends or the server is closed. creds may be nil for none.
func (s *Server) Serve(ctx context.Context, listener net.Listener, creds credentials.TransportCredentials) error {
	return s.serve(ctx, listener, creds, func(g *grpc.Server) {
		vicepb.RegisterViceServer(g, s)
		vicepb.RegisterAuthServer(g, &authService{s: s})
		if s.cfg.Replication.replicated() {
			peerpb.RegisterPeerServer(g, &peerService{s: s})
		}
	})
}

// ServeControl answers the harness and volutil on listener, which it closes, until ctx ends or the server is closed.
func (s *Server) ServeControl(ctx context.Context, listener net.Listener) error {
	return s.serve(ctx, listener, nil, func(g *grpc.Server) { controlpb.RegisterCodasrvControlServer(g, &control{s: s}) })
}

func (s *Server) serve(ctx context.Context, listener net.Listener, creds credentials.TransportCredentials, register func(*grpc.Server)) error {
	g := grpc.NewServer(append(wire.ServerOptions(creds, s.cfg.Timing.Liveness),
		grpc.ChainUnaryInterceptor(s.peersUnary, s.calls.unary),
		grpc.ChainStreamInterceptor(s.peersStream, s.calls.stream),
		grpc.WaitForHandlers(true))...)
	register(g)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return listener.Close()
	}
	s.serving[g] = true
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, g.Stop)
	defer stop()
	err := g.Serve(listener)
	s.mu.Lock()
	delete(s.serving, g)
	s.mu.Unlock()
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve on %v: %w", listener.Addr(), err)
	}
	return nil
}

// Close ends all sessions, lets running requests finish until ctx ends, cuts off those that are left, and closes the store.
// Only the first call does something.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	servers := make([]*grpc.Server, 0, len(s.serving))
	for g := range s.serving {
		servers = append(servers, g)
	}
	s.mu.Unlock()
	s.calls.close()
	s.stop(coda.Errorf("serve", coda.Closed, "the server is stopping"))
	for _, g := range servers {
		stop := context.AfterFunc(ctx, g.Stop)
		g.GracefulStop()
		stop()
	}
	s.calls.running.Wait()
	s.promises.mu.Lock()
	s.promises.current.release()
	s.promises.mu.Unlock()
	if err := errors.Join(s.closePeers(), s.store.close()); err != nil {
		return fmt.Errorf("close server: %w", err)
	}
	return nil
}

// Clock is what the server takes for the present.
func (s *Server) Clock() time.Time { return s.cfg.Clock() }

// Epoch counts the starts of the server.
func (s *Server) Epoch() uint64 { return s.row.epoch }

// notThere reports whether err says that a file does not exist.
func notThere(err error) bool { return errors.Is(err, os.ErrNotExist) }
