package venus

import (
	"context"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// ACL gives the ACL that says what may be done in a directory, which may be that of one above it.
func (v *Venus) ACL(ctx context.Context, f coda.Fid) (coda.ACL, error) {
	ctx, c, err := v.upcall(ctx, "listacl", f, "", observing)
	if err != nil {
		return "", err
	}
	defer c.leave()
	if !f.IsDirectory() {
		return "", c.fail(coda.NotDirectory, "files have the rights of their directory")
	}
	if err := v.permit(ctx, c, f, coda.Lookup); err != nil {
		return "", err
	}
	if _, err := v.attributes(ctx, c, f); err != nil {
		return "", err
	}
	return v.governing(ctx, c, f)
}

// changesOfACL is how often an ACL is looked at again that others are changing, too.
const changesOfACL = 5

// SetACL changes the ACL of a directory. The edit gets the one that says what may be done there so far. It is done when the servers have it, and they are needed.
func (v *Venus) SetACL(ctx context.Context, f coda.Fid, edit func(coda.ACL) (coda.ACL, error)) error {
	ctx, c, err := v.upcall(ctx, "setacl", f, "", mutating)
	if err != nil {
		return err
	}
	defer c.leave()
	if !f.IsDirectory() {
		return c.fail(coda.NotDirectory, "files have the rights of their directory")
	}
	for attempt := 1; ; attempt++ {
		err := v.setACL(ctx, c, f, edit)
		if coda.KindOf(err) != coda.Conflict || attempt == changesOfACL {
			return err
		}
	}
}

func (v *Venus) setACL(ctx context.Context, c *call, f coda.Fid, edit func(coda.ACL) (coda.ACL, error)) error {
	if err := v.permit(ctx, c, f, coda.Administer); err != nil {
		return err
	}
	if _, err := v.attributes(ctx, c, f); err != nil {
		return err
	}
	before, err := v.governing(ctx, c, f)
	if err != nil {
		return err
	}
	after, err := edit(before)
	if err != nil {
		return c.wrap(err)
	}
	o, err := v.reached(ctx, c, f)
	if err != nil {
		return err
	}
	if err = v.untouchable(c, o); err == nil {
		err = v.admit(c)
	}
	if err != nil {
		v.mu.Unlock()
		return err
	}
	t := v.store.begin().by(c.user(v))
	r := v.append(t, v.now(), coda.SetACL{Fid: f, Was: o.local().ACL, ACL: after})
	r.connected = true // a refusal is the caller's, and no conflict
	if err := v.done(t); err != nil {
		return err
	}
	return connected{v}.await(ctx, c, r)
}

// reached is ensure of an object's status while a server can be asked. On success it returns with v.mu held.
func (v *Venus) reached(ctx context.Context, c *call, f coda.Fid) (*object, error) {
	for {
		o, err := v.ensure(ctx, c, f, needStatus, siblings{})
		if err != nil || v.group.state == linkUp {
			return o, err
		}
		state, changed := v.group.state, v.group.changed
		v.mu.Unlock()
		if state == linkDown {
			return nil, c.fail(coda.TimedOut, "this is done on the servers, and none is in reach")
		}
		if err := c.wait(ctx, changed, "the server"); err != nil {
			return nil, err
		}
	}
}

// NamedEntry is an entry of an ACL for people.
type NamedEntry struct {
	Name   string
	Grants coda.Rights
	Denies coda.Rights
}

// NamedACL gives an ACL with the names of users and groups, as far as a server can be asked for them.
func (v *Venus) NamedACL(ctx context.Context, a coda.ACL) []NamedEntry {
	request := &vicepb.PrincipalsRequest{}
	for _, e := range a.Entries() {
		request.Numbers = append(request.Numbers, int32(e.Who))
	}
	names := map[coda.Principal]string{coda.AnyUser: "System:AnyUser", coda.Administrators: "System:Administrators"}
	if found, err := v.principals(ctx, request); err == nil {
		for _, p := range found {
			names[coda.Principal(p.Number)] = p.Name
		}
	}
	var list []NamedEntry
	for _, e := range a.Entries() {
		name, ok := names[e.Who]
		if !ok {
			name = e.Who.String()
		}
		list = append(list, NamedEntry{name, e.Grants, e.Denies})
	}
	return list
}

// FindPrincipals gives the numbers of users and groups.
func (v *Venus) FindPrincipals(ctx context.Context, names []string) ([]coda.Principal, error) {
	list := make([]coda.Principal, len(names))
	for i, name := range names {
		found, err := v.principals(ctx, &vicepb.PrincipalsRequest{Names: []string{name}})
		if err != nil {
			return nil, err
		}
		if len(found) != 1 {
			return nil, coda.Errorf("find a user or group", coda.NotFound, "%q", name)
		}
		list[i] = coda.Principal(found[0].Number)
	}
	return list, nil
}

func (v *Venus) principals(ctx context.Context, request *vicepb.PrincipalsRequest) ([]*vicepb.PrincipalName, error) {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timing.Idle)
	defer cancel()
	reply, err := v.preferred().auth.Principals(ctx, request)
	if err != nil {
		return nil, wire.FromError("translate names of users and groups", err)
	}
	return reply.Principals, nil
}
