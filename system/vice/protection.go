package vice

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/peerpb"
)

// protection is what a server knows of users and groups. There is nothing as long as nobody has made any: then everybody is without a token.
type protection struct {
	current   atomic.Pointer[auth.Database] // nil for none
	anonymous *coda.Identity
	changing  *turn // whoever makes another one

	mu       sync.Mutex
	verified map[string]auth.Token // by tokens that the present database has signed

	guessing *turn // whoever has a password checked, which takes processor time and memory
}

// maxVerified bounds how many tokens are remembered as verified.
const maxVerified = 10_000

func newProtection() *protection {
	return &protection{
		anonymous: coda.Anonymous(), changing: newTurn("changing of users and groups"), verified: map[string]auth.Token{},
		guessing: newTurn("checking of passwords"),
	}
}

// version is that of the database, 0 for none.
func (p *protection) version() uint64 {
	if db := p.current.Load(); db != nil {
		return db.Version()
	}
	return 0
}

// set makes another database the present one.
func (p *protection) set(db *auth.Database) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current.Store(db)
	clear(p.verified)
}

// verify checks a token against the database. Its signature is worked out once.
func (p *protection) verify(token string, now coda.Time) (*coda.Identity, auth.Token, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	db := p.current.Load()
	if db == nil {
		return nil, auth.Token{}, coda.Errorf("use a token", coda.NoToken, "there are no users here")
	}
	t, ok := p.verified[token]
	if !ok {
		var err error
		if t, err = db.Verify([]byte(token)); err != nil {
			return nil, auth.Token{}, err
		}
		if len(p.verified) >= maxVerified {
			clear(p.verified)
		}
		p.verified[token] = t
	}
	who, err := db.Valid(t, now)
	return who, t, err
}

// caller is for whom a request is made.
func (s *Server) caller(ctx context.Context) (*coda.Identity, error) {
	token, ok := wire.TokenOf(ctx)
	if !ok {
		return s.protection.anonymous, nil
	}
	who, _, err := s.protection.verify(token, s.now())
	return who, err
}

// now is the present for tokens, the only thing that a server decides by the clock.
func (s *Server) now() coda.Time { return coda.TimeOf(s.cfg.Clock()) }

// recoverProtection reads the users and groups from the store.
func (s *Server) recoverProtection() error {
	_, err := get(s.store.db, protectionKey(), func(b []byte) error {
		db, err := auth.Decode(b)
		if err == nil {
			s.protection.set(db)
		}
		return err
	})
	return err
}

// ChangeProtection has another database take the place of the one that there is, durably, and tells the other servers. Of a replicated volume's servers
// only the one in slot 0 does so. A cell without a database begins with a new one.
func (s *Server) ChangeProtection(ctx context.Context, change func(*auth.Database) (*auth.Database, error)) error {
	if err := s.mayMake("users and groups"); err != nil {
		return err
	}
	if err := s.protection.changing.take(ctx, "a change"); err != nil {
		return err
	}
	defer s.protection.changing.give()
	db := s.protection.current.Load()
	if db == nil {
		var err error
		if db, err = auth.New(s.cfg.Entropy); err != nil {
			return err
		}
	}
	db, err := change(db)
	if err != nil {
		return err
	}
	if err := s.storeProtection(db); err != nil {
		return err
	}
	s.tellCell(ctx)
	return nil
}

// storeProtection makes a database durable, and then the present one. What anybody may do can have changed, so that clients have to ask again. The caller has
// the turn.
func (s *Server) storeProtection(db *auth.Database) error {
	b := s.store.db.NewBatch()
	defer b.Close()
	if err := b.Set(protectionKey(), db.Encode(), nil); err != nil {
		return fmt.Errorf("store users and groups: %w", err)
	}
	s.store.commit(b)
	s.protection.set(db)
	s.promises.dismiss("users or groups have changed")
	s.cfg.Log.Info("users and groups have changed", "version", db.Version())
	return nil
}

// takeProtection takes a database of another server over if it is newer.
func (s *Server) takeProtection(ctx context.Context, db *auth.Database) error {
	if err := s.protection.changing.take(ctx, "the word of another server"); err != nil {
		return err
	}
	defer s.protection.changing.give()
	if db.Version() <= s.protection.version() {
		return nil
	}
	return s.storeProtection(db)
}

// isPeer refuses everybody but the other servers of the volume what is among servers: a client's certificate is not enough. Without TLS, which
// is for tests, or without names nobody can be told from another.
func (s *Server) isPeer(ctx context.Context) error {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil
	}
	named := false
	for _, p := range s.cfg.Replication.Peers {
		named = named || p.Name != ""
		if p.Name != "" && certifies(info.State, p.Name) {
			return nil
		}
	}
	if !named {
		return nil
	}
	return coda.Errorf("answer another server", coda.Permission, "the certificate is that of none")
}

func certifies(state tls.ConnectionState, name string) bool {
	return len(state.VerifiedChains) > 0 && state.VerifiedChains[0][0].VerifyHostname(name) == nil
}

// amongServers reports whether a method is for other servers only.
func amongServers(method string) bool {
	return strings.HasPrefix(method, "/"+peerpb.Peer_ServiceDesc.ServiceName+"/")
}

func (s *Server) peersUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if amongServers(info.FullMethod) {
		if err := s.isPeer(ctx); err != nil {
			return nil, err
		}
	}
	return handler(ctx, request)
}

func (s *Server) peersStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if amongServers(info.FullMethod) {
		if err := s.isPeer(stream.Context()); err != nil {
			return err
		}
	}
	return handler(srv, stream)
}
