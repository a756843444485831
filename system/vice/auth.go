package vice

import (
	"context"
	"time"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// authService gives out tokens.
type authService struct {
	vicepb.UnimplementedAuthServer
	s *Server
}

// guessPause is what a wrong password costs, one after the other.
const guessPause = time.Second

// LogIn gives a token to who knows a user's password.
func (a *authService) LogIn(ctx context.Context, request *vicepb.LogInRequest) (*vicepb.LogInReply, error) {
	user, err := a.guess(ctx, request.User, request.Password)
	if err != nil {
		return nil, err
	}
	now := a.s.now()
	return a.token(user, now, now+coda.Time(a.s.cfg.Timing.Renewal))
}

// guess checks a password. Those who want that wait for each other, and for who was wrong, so that nobody can try many.
func (a *authService) guess(ctx context.Context, user, password string) (coda.Principal, error) {
	guessing := a.s.protection.guessing
	if err := guessing.take(ctx, "the password of "+user); err != nil {
		return 0, err
	}
	defer guessing.give()
	db := a.s.protection.current.Load()
	if db == nil {
		return 0, coda.Errorf("log in", coda.Permission, "there are no users here")
	}
	number, err := db.LogIn(user, password)
	if err != nil {
		a.s.cfg.Log.Warn("a wrong password", "user", user)
		select {
		case <-time.After(guessPause):
		case <-ctx.Done():
		}
	}
	return number, err
}

// token makes a token.
func (a *authService) token(user coda.Principal, now, renewable coda.Time) (*vicepb.LogInReply, error) {
	db := a.s.protection.current.Load()
	life := min(a.s.cfg.Timing.Token, time.Duration(renewable-now))
	t, err := db.Issue(user, now, life, time.Duration(renewable-now))
	if err != nil {
		return nil, err
	}
	return &vicepb.LogInReply{Token: db.Sign(t), Identity: identityToProto(db.Identity(user), db.Version()), Lifetime: int64(life)}, nil
}

// Renew gives another token for one that is valid.
func (a *authService) Renew(ctx context.Context, _ *vicepb.RenewRequest) (*vicepb.LogInReply, error) {
	token, ok := wire.TokenOf(ctx)
	if !ok {
		return nil, coda.Errorf("renew a token", coda.NoToken, "there is none")
	}
	now := a.s.now()
	_, t, err := a.s.protection.verify(token, now)
	if err != nil {
		return nil, err
	}
	if now >= t.Renewable {
		return nil, coda.Errorf("renew a token", coda.NoToken, "the password has to be given again")
	}
	return a.token(t.User, now, t.Renewable)
}

// WhoAmI says who a user is.
func (a *authService) WhoAmI(ctx context.Context, _ *vicepb.WhoAmIRequest) (*vicepb.Identity, error) {
	who, err := a.s.caller(ctx)
	if err != nil {
		return nil, err
	}
	return identityToProto(who, a.s.protection.version()), nil
}

func identityToProto(who *coda.Identity, version uint64) *vicepb.Identity {
	p := &vicepb.Identity{User: int32(who.User), Name: who.Name, Protection: version}
	for _, g := range who.Groups {
		p.Groups = append(p.Groups, int32(g))
	}
	return p
}

// maxPrincipals bounds one question about names.
const maxPrincipals = 4 * coda.MaxACL

// Principals translates names and numbers.
func (a *authService) Principals(ctx context.Context, request *vicepb.PrincipalsRequest) (*vicepb.PrincipalsReply, error) {
	if _, err := a.s.caller(ctx); err != nil {
		return nil, err
	}
	if n := len(request.Names) + len(request.Numbers); n > maxPrincipals {
		return nil, coda.Errorf("translate names", coda.Invalid, "%d of them, at most %d are allowed", n, maxPrincipals)
	}
	db := a.s.protection.current.Load()
	if db == nil {
		db = auth.Empty()
	}
	reply := &vicepb.PrincipalsReply{}
	for _, name := range request.Names {
		if p := db.Find(name); p != 0 {
			reply.Principals = append(reply.Principals, &vicepb.PrincipalName{Number: int32(p), Name: db.Name(p)})
		}
	}
	for _, number := range request.Numbers {
		if name := db.Name(coda.Principal(number)); name != "" {
			reply.Principals = append(reply.Principals, &vicepb.PrincipalName{Number: number, Name: name})
		}
	}
	return reply, nil
}

// ChangePassword changes a password, where the old one is known.
func (a *authService) ChangePassword(ctx context.Context, request *vicepb.ChangePasswordRequest) (*vicepb.ChangePasswordReply, error) {
	who, err := a.s.caller(ctx)
	if err != nil {
		return nil, err
	}
	if who.User == 0 {
		return nil, coda.Errorf("change a password", coda.NoToken, "there is no token")
	}
	if _, err := a.guess(ctx, who.Name, request.Old); err != nil {
		return nil, err
	}
	err = a.s.ChangeProtection(ctx, a.s.password(who.Name, request.New))
	if err != nil {
		return nil, err
	}
	return &vicepb.ChangePasswordReply{}, nil
}

// password is the change that gives a user another password.
func (s *Server) password(user, password string) func(*auth.Database) (*auth.Database, error) {
	return func(db *auth.Database) (*auth.Database, error) {
		hashed, err := auth.NewPassword(password, s.cfg.Limits.Password, s.cfg.Entropy)
		if err != nil {
			return nil, err
		}
		return db.SetPassword(user, hashed)
	}
}
