package venus

import (
	"context"

	"github.com/codastress/codastress/system/coda"
)

type uidKey struct{}

// WithUID makes what is done with a context the work of a local user. Without, it is that of user 0.
func WithUID(ctx context.Context, uid uint32) context.Context {
	return context.WithValue(ctx, uidKey{}, uid)
}

// UIDKey is the key under which a context has the number of the local user, for those who implement contexts.
func UIDKey() any { return uidKey{} }

// UIDOf gives the local user whose work is done with a context.
func UIDOf(ctx context.Context) uint32 {
	uid, _ := ctx.Value(uidKey{}).(uint32)
	return uid
}

// as is the token with which the call asks the server: that of its local user, or, of what nobody in particular has asked for, of anybody.
func (c *call) as(v *Venus) *credential {
	if c.upcall {
		return v.credential(c.uid)
	}
	return v.background()
}

// user is for whom the call's records are logged, 0 for nobody.
func (c *call) user(v *Venus) coda.Principal {
	if who := c.as(v); who != nil {
		return who.User
	}
	return 0
}

// who is whom the call's local user counts as.
func (c *call) who(v *Venus) *coda.Identity {
	if as := c.as(v); as != nil {
		return as.identity()
	}
	return coda.Anonymous()
}

// permit refuses an operation on an object to a local user who does not have the rights for it in the directory that governs it: the object itself, or the
// one that holds it. What is cached for others is not for him. The server checks everything again; this makes sure that what it would refuse is not logged.
func (v *Venus) permit(ctx context.Context, c *call, f coda.Fid, needed coda.Rights) error {
	if !c.upcall || !v.users.restricted.Load() {
		return nil
	}
	acl, err := v.governing(ctx, c, f)
	if err != nil {
		return err
	}
	if have := acl.Rights(c.who(v)); have&needed != needed {
		return c.fail(coda.Permission, "%v has the rights %v, and needs %v", c.who(v), have, needed)
	}
	return nil
}

// governing gives the ACL that says what may be done with an object, once it is known.
func (v *Venus) governing(ctx context.Context, c *call, f coda.Fid) (coda.ACL, error) {
	if role, real := unshadow(f); role != 0 {
		f = real
	}
	asked := map[coda.Fid]bool{}
	for {
		v.mu.Lock()
		acl, unknown := v.cachedACL(f, asked)
		v.mu.Unlock()
		if unknown.IsZero() {
			return acl, nil
		}
		if _, err := v.ensure(ctx, c, unknown, needStatus, siblings{}); err != nil {
			return "", err
		}
		v.mu.Unlock()
		asked[unknown] = true
	}
}

// cachedACL is governing as far as the cache knows it; unknown is what has to be asked for otherwise. v.mu is held.
func (v *Venus) cachedACL(f coda.Fid, asked map[coda.Fid]bool) (acl coda.ACL, unknown coda.Fid) {
	for {
		o := v.objects[f]
		switch {
		case o == nil || o.local().Kind == 0:
			return "", f
		case o.local().Kind != coda.Directory:
		case !v.trusted(o) && !asked[f]:
			return "", f
		case o.local().ACL != "":
			return o.local().ACL, coda.Fid{}
		}
		if o.local().Parent.IsZero() {
			return "", coda.Fid{}
		}
		f = o.local().Parent
	}
}

// trusted reports whether the ACL of a directory that is cached can be used as it is: while no server can be asked it is all there is.
func (v *Venus) trusted(o *object) bool {
	return o.ours() || o.madeUp || o.locked() != nil || v.group.state != linkUp || v.valid(o)
}

// permitOpen is permit for the opening of a file. Who may insert may write to what this client has made and not sent yet, or he could not make a file at
// all.
func (v *Venus) permitOpen(ctx context.Context, c *call, f coda.Fid, flags OpenFlags) error {
	if !c.upcall || !v.users.restricted.Load() {
		return nil
	}
	needed := coda.Read
	if flags.Write || flags.Truncate {
		needed = coda.Write
		v.mu.Lock()
		if o := v.objects[f]; o != nil && o.ours() {
			needed = coda.Insert
		}
		v.mu.Unlock()
		if flags.Read && needed == coda.Write {
			needed |= coda.Read
		}
	}
	return v.permit(ctx, c, f, needed)
}

// permitRename is permit for a move. The server says why reading is asked for.
func (v *Venus) permitRename(ctx context.Context, c *call, m movement) error {
	if !c.upcall || !v.users.restricted.Load() {
		return nil
	}
	from, err := v.governing(ctx, c, m.fromDir)
	if err != nil {
		return err
	}
	to, err := v.governing(ctx, c, m.toDir)
	if err != nil {
		return err
	}
	taken, given := coda.Delete|coda.Lookup, coda.Insert|coda.Lookup // of what is found by a name
	if from != to {
		taken |= coda.Read
	}
	if !m.replaced.IsZero() {
		given |= coda.Delete
	}
	who := c.who(v)
	if from.Rights(who)&taken != taken || to.Rights(who)&given != given {
		return c.fail(coda.Permission, "%v has the rights %v there and %v here, and needs %v and %v", who, from.Rights(who), to.Rights(who), taken, given)
	}
	return nil
}
