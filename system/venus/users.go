package venus

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// credential is what this client has of a local user: a token, and who that makes him. It is never changed, and is kept with the cache, which is private.
type credential struct {
	UID        uint32
	User       coda.Principal
	Name       string
	Token      []byte
	Expires    coda.Time // by this client's clock
	Renew      coda.Time // when another token is to be got for it
	Groups     []coda.Principal
	Protection uint64 // the version of the users and groups that Groups is of
	Ended      bool   // the token is not valid any more; it stays, to say whose records wait for another one
}

// identity is who the user is. Without a valid token he is nobody.
func (c *credential) identity() *coda.Identity {
	return &coda.Identity{User: c.User, Name: c.Name, Groups: c.Groups}
}

// valid reports whether the token is, as far as this client knows.
func (c *credential) valid(now coda.Time) bool { return !c.Ended && now < c.Expires }

// token is what requests for the user have with them; nil for nobody.
func (c *credential) token() []byte {
	if c == nil {
		return nil
	}
	return c.Token
}

// users are the local users with tokens. Changes are made with Venus.mu held; every operation looks, without it.
type users struct {
	present    atomic.Pointer[[]*credential] // by UID
	restricted atomic.Bool                   // some directory of the volume has an ACL, as a server has said
	protection atomic.Uint64                 // the highest version of the users and groups of which a server has told
	wake       chan struct{}                 // has a token when the keeper should look
	waits      string                        // why the modify log is not sent; guarded by Venus.mu
}

func newUsers() *users {
	u := &users{wake: make(chan struct{}, 1)}
	u.present.Store(&[]*credential{})
	return u
}

// list gives all credentials.
func (u *users) list() []*credential { return *u.present.Load() }

// credential finds what a local user has, nil where that is nothing valid.
func (v *Venus) credential(uid uint32) *credential {
	list := v.users.list()
	if len(list) == 0 {
		return nil
	}
	i, found := slices.BinarySearchFunc(list, uid, func(c *credential, uid uint32) int { return cmp.Compare(c.UID, uid) })
	if !found || !list[i].valid(v.now()) {
		return nil
	}
	return list[i]
}

// credentialFor finds a valid token of a user, nil where there is none.
func (v *Venus) credentialFor(user coda.Principal) *credential {
	now := v.now()
	for _, c := range v.users.list() {
		if c.User == user && c.valid(now) {
			return c
		}
	}
	return nil
}

// background is for whom the client does what nobody in particular has asked for: the first who has a valid token.
func (v *Venus) background() *credential {
	now := v.now()
	for _, c := range v.users.list() {
		if c.valid(now) {
			return c
		}
	}
	return nil
}

// setCredential makes a credential that of its local user, or takes it away where it has no token. It is kept by t. v.mu is held.
func (v *Venus) setCredential(t *tx, c *credential) {
	list := slices.Clone(v.users.list())
	list = slices.DeleteFunc(list, func(old *credential) bool { return old.UID == c.UID })
	if len(c.Token) > 0 {
		list = append(list, c)
		slices.SortFunc(list, func(a, b *credential) int { return cmp.Compare(a.UID, b.UID) })
	}
	v.users.present.Store(&list)
	t.meta(metaTokens, list)
	v.wakeReintegrator()
	wake(v.users.wake)
}

// end notes that a server has said that a token is not valid any more.
func (v *Venus) end(c *credential) {
	if c == nil {
		return
	}
	t := v.store.begin()
	v.mu.Lock()
	if i := slices.Index(v.users.list(), c); i < 0 {
		v.mu.Unlock()
		_ = t.abandon(nil)
		return
	}
	ended := new(*c)
	ended.Ended = true
	v.setCredential(t, ended)
	v.logger.Warn("a token is not valid any more", "uid", c.UID, "user", c.Name)
	t.enqueue()
	v.mu.Unlock()
	t.finish(v.logger)
}

// LogIn gets a token for a local user. What he does from then on is done for the user whose password he knows.
func (v *Venus) LogIn(ctx context.Context, uid uint32, user, password string) error {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timing.Call)
	defer cancel()
	reply, err := v.preferred().auth.LogIn(ctx, &vicepb.LogInRequest{User: user, Password: password})
	if err != nil {
		return wire.FromError("log in as "+user, err)
	}
	return v.keepToken(uid, reply)
}

// keepToken keeps a token that a server has given out.
func (v *Venus) keepToken(uid uint32, reply *vicepb.LogInReply) error {
	now := v.now()
	c := &credential{
		UID: uid, User: coda.Principal(reply.GetIdentity().GetUser()), Name: reply.GetIdentity().GetName(), Token: reply.Token,
		Expires: now + coda.Time(reply.Lifetime), Renew: now + coda.Time(reply.Lifetime/2), Protection: reply.GetIdentity().GetProtection(),
		Groups: groupsOf(reply.GetIdentity()),
	}
	if len(c.Token) == 0 || c.User <= 0 || reply.Lifetime <= 0 {
		return coda.Errorf("log in", coda.Invalid, "the server gave no token")
	}
	t := v.store.begin()
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return t.abandon(coda.Errorf("log in", coda.Closed, "venus is stopping"))
	}
	v.setCredential(t, c)
	if err := v.done(t); err != nil {
		return err
	}
	return v.store.sync() // it is there after a loss of power, too
}

func groupsOf(p *vicepb.Identity) []coda.Principal {
	groups := make([]coda.Principal, 0, len(p.GetGroups())+1)
	for _, g := range p.GetGroups() {
		groups = append(groups, coda.Principal(g))
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// LogOut drops the token of a local user. What he has logged waits for another one of the same user.
func (v *Venus) LogOut(uid uint32) error {
	t := v.store.begin()
	v.mu.Lock()
	v.setCredential(t, &credential{UID: uid})
	if err := v.done(t); err != nil {
		return err
	}
	return v.store.sync()
}

// TokenState describes the token of a local user.
type TokenState struct {
	UID     uint32
	User    string
	Number  coda.Principal
	Expires coda.Time
	Valid   bool
	Waiting uint64 // records of the modify log that are the user's
}

// Tokens lists the tokens, by local user.
func (v *Venus) Tokens() []TokenState {
	v.mu.Lock()
	waiting := map[coda.Principal]uint64{}
	for r := v.log.head; r != nil; r = r.next {
		waiting[r.user]++
	}
	v.mu.Unlock()
	now := v.now()
	var list []TokenState
	for _, c := range v.users.list() {
		list = append(list, TokenState{UID: c.UID, User: c.Name, Number: c.User, Expires: c.Expires, Valid: c.valid(now), Waiting: waiting[c.User]})
	}
	return list
}

// keepTokens renews tokens before they end, and asks anew who users are when that may have changed, until the context ends.
func (v *Venus) keepTokens(ctx context.Context) {
	for {
		next := v.tendTokens(ctx)
		var due <-chan time.Time
		if next > 0 {
			due = time.After(next)
		}
		v.mu.Lock()
		changed := v.group.changed
		v.mu.Unlock()
		if len(v.users.list()) == 0 {
			changed = nil
		}
		select {
		case <-v.users.wake:
		case <-changed:
		case <-due:
		case <-ctx.Done():
			return
		}
	}
}

// retryToken is how long to wait after a token could not be renewed.
const retryToken = 30 * time.Second

// tendTokens does what is due about tokens, and gives the time until more is; 0 for none.
func (v *Venus) tendTokens(ctx context.Context) (next time.Duration) {
	v.mu.Lock()
	up := v.group.state == linkUp
	auth := v.group.preferred().remote.auth
	v.mu.Unlock()
	later := func(d time.Duration) {
		if d = max(d, time.Millisecond); next == 0 || d < next {
			next = d
		}
	}
	for _, c := range v.users.list() {
		now := v.now()
		if !c.valid(now) || !up {
			continue
		}
		var err error
		switch {
		case now >= c.Renew:
			err = v.renewToken(ctx, auth, c)
		case c.Protection < v.users.protection.Load():
			err = v.askWho(ctx, auth, c)
		default:
			later(time.Duration(c.Renew - now))
			continue
		}
		switch {
		case coda.KindOf(err) == coda.NoToken && now >= c.Renew && c.Protection >= v.users.protection.Load():
			v.logger.Warn("a token cannot be renewed", "user", c.Name, "error", err) // it ends when it ends
			later(min(retryToken, time.Duration(c.Expires-now)))
		case coda.KindOf(err) == coda.NoToken:
			v.end(c)
		case err != nil:
			v.logger.Warn("renew a token", "user", c.Name, "error", err)
			later(retryToken)
		default:
			later(time.Millisecond)
		}
	}
	return next
}

func (v *Venus) renewToken(ctx context.Context, auth vicepb.AuthClient, c *credential) error {
	ctx, cancel := context.WithTimeout(wire.WithToken(ctx, c.Token), v.cfg.Timing.Idle)
	defer cancel()
	reply, err := auth.Renew(ctx, &vicepb.RenewRequest{})
	if err != nil {
		return wire.FromError("renew a token", err)
	}
	if reply.Lifetime < int64(c.Expires-v.now()) {
		return coda.Errorf("renew a token", coda.NoToken, "the new one would end before it")
	}
	if !slices.Contains(v.users.list(), c) {
		return nil
	}
	return v.keepToken(c.UID, reply)
}

// askWho asks which groups a user is in by now.
func (v *Venus) askWho(ctx context.Context, auth vicepb.AuthClient, c *credential) error {
	ctx, cancel := context.WithTimeout(wire.WithToken(ctx, c.Token), v.cfg.Timing.Idle)
	defer cancel()
	who, err := auth.WhoAmI(ctx, &vicepb.WhoAmIRequest{})
	if err != nil {
		return wire.FromError("ask who a user is", err)
	}
	known := new(*c)
	known.Groups, known.Protection = groupsOf(who), max(who.Protection, v.users.protection.Load())
	t := v.store.begin()
	v.mu.Lock()
	if !slices.Contains(v.users.list(), c) {
		v.mu.Unlock()
		return t.abandon(nil)
	}
	v.setCredential(t, known)
	return v.done(t)
}

// learnRights notes what a new session says about rights. v.mu is held.
func (v *Venus) learnRights(w *vicepb.Welcome) {
	if w.Restricted && !v.users.restricted.Load() {
		v.users.restricted.Store(true)
		t := v.store.begin()
		t.meta(metaRestricted, true)
		t.enqueue()
		v.goRequest(func(context.Context) { t.finish(v.logger) })
	}
	if w.Protection > v.users.protection.Load() {
		v.users.protection.Store(w.Protection)
		wake(v.users.wake)
	}
}

// recoverUsers reads tokens, and whether there are ACLs.
func (v *Venus) recoverUsers() error {
	var list []*credential
	if _, err := readMeta(v.store.db, metaTokens, &list); err != nil {
		return err
	}
	if list == nil {
		list = []*credential{}
	}
	v.users.present.Store(&list)
	restricted := false
	if _, err := readMeta(v.store.db, metaRestricted, &restricted); err != nil {
		return err
	}
	v.users.restricted.Store(restricted)
	return nil
}
