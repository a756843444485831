package venus_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// The local users of tests. Others have no token.
const (
	root = 0 // admin, in System:Administrators
	ann  = 1
	bob  = 2
	dora = 3 // has no token
)

// cell is a server where only administrators may do something, with users whose passwords are their names, and a clock that can be moved.
type cell struct {
	*vicetest.Server
	t     *testing.T
	ahead atomic.Int64
	names map[string]coda.Principal
}

func (c *cell) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func newCell(t *testing.T, change ...func(*vice.Config)) *cell {
	c := &cell{t: t}
	acl, err := auth.ParseACL([]string{auth.AdministratorsName, "all"})
	require.NoError(t, err)
	c.Server = vicetest.Start(t, append([]func(*vice.Config){func(cfg *vice.Config) {
		cfg.RootACL, cfg.Clock, cfg.Limits.Password = acl, c.now, auth.Cost{Time: 1, Memory: 64}
	}}, change...)...)
	c.change(func(db *auth.Database) (*auth.Database, error) {
		for _, name := range []string{"admin", "ann", "bob"} {
			with, err := db.NewUser(name)
			if err != nil {
				return nil, err
			}
			hashed, err := auth.NewPassword(name, auth.Cost{Time: 1, Memory: 64}, strings.NewReader(strings.Repeat("salt", 4)))
			if err != nil {
				return nil, err
			}
			if db, err = with.SetPassword(name, hashed); err != nil {
				return nil, err
			}
		}
		db, err := db.Add(auth.AdministratorsName, "admin")
		if err != nil {
			return nil, err
		}
		return db.NewGroup("staff")
	})
	return c
}

func (c *cell) change(change func(*auth.Database) (*auth.Database, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(c.t, c.Vice().ChangeProtection(ctx, func(db *auth.Database) (*auth.Database, error) {
		next, err := change(db)
		if err == nil {
			c.names = map[string]coda.Principal{}
			for _, name := range []string{"admin", "ann", "bob", "staff"} {
				c.names[name] = next.Find(name)
			}
		}
		return next, err
	}))
}

// users is a client with the local users of tests.
type users struct {
	*client
	cell *cell
}

func (c *cell) client() *users {
	u := &users{start(c.t, c.Server, func(cfg *venus.Config) { cfg.Clock = c.now }), c}
	require.Eventually(c.t, func() bool { return u.Volume().State == "reachable" }, patience, time.Millisecond)
	for uid, name := range []string{"admin", "ann", "bob"} {
		u.logIn(uint32(uid), name)
	}
	return u
}

func (u *users) logIn(uid uint32, name string) {
	u.t.Helper()
	require.NoError(u.t, u.LogIn(u.t.Context(), uid, name, name))
}

// as gives the client as a local user has it.
func (u *users) as(uid uint32) *client {
	return &client{u.Venus, asUser{u.cell.t, uid}, u.cfg}
}

// asUser is a test whose context is that of a local user.
type asUser struct {
	*testing.T
	uid uint32
}

func (a asUser) Context() context.Context { return venus.WithUID(a.T.Context(), a.uid) }

// grant has the administrator give somebody rights in a directory, and take those of others.
func (u *users) grant(path, who string, rights coda.Rights) {
	u.t.Helper()
	admin := u.as(root)
	at, err := admin.at(path)
	require.NoError(u.t, err)
	require.NoError(u.t, u.SetACL(admin.t.Context(), at.Fid, func(coda.ACL) (coda.ACL, error) {
		return coda.MakeACL([]coda.ACLEntry{{Who: coda.Administrators, Grants: coda.AllRights}, {Who: u.cell.names[who], Grants: rights}})
	}))
}

func (u *users) mkdir(uid uint32, path string) {
	u.t.Helper()
	c := u.as(uid)
	dir, name := c.parent(path)
	_, err := u.MakeDirectory(c.t.Context(), dir, name, 0o755, 0)
	require.NoError(u.t, err)
}

func (u *users) settled() {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := u.ForceReintegrate(ctx)
	require.NoError(u.t, err)
}

// What is cached for one user is not for another: connected, disconnected, and after a restart without a server.
func TestCachedObjectsHaveRights(t *testing.T) {
	c := newCell(t)
	u := c.client()
	u.mkdir(root, "private")
	u.grant("private", "ann", coda.AllRights)
	u.grant("", "ann", coda.Lookup)
	u.mkdir(ann, "private/sub") // which has the rights of private
	u.as(ann).write("private/sub/file", "secret")
	u.settled()
	check := func(u *users) {
		t.Helper()
		got, err := u.as(ann).tryRead("private/sub/file")
		require.NoError(t, err)
		require.Equal(t, "secret", got)
		sub, err := u.as(ann).at("private/sub")
		require.NoError(t, err)
		file, err := u.as(ann).at("private/sub/file")
		require.NoError(t, err)
		for _, uid := range []uint32{bob, dora} {
			ctx := u.as(uid).t.Context()
			_, err := u.ReadDirectory(ctx, sub.Fid)
			require.ErrorIs(t, err, coda.Permission)
			_, err = u.Lookup(ctx, sub.Fid, "file")
			require.ErrorIs(t, err, coda.Permission)
			_, err = u.GetAttributes(ctx, file.Fid)
			require.ErrorIs(t, err, coda.Permission)
			_, err = u.OpenFile(ctx, file.Fid, venus.OpenFlags{Read: true})
			require.ErrorIs(t, err, coda.Permission)
			_, _, err = u.Create(ctx, sub.Fid, "new", 0o644, 0, venus.OpenFlags{Write: true})
			require.ErrorIs(t, err, coda.Permission)
			require.ErrorIs(t, u.Remove(ctx, sub.Fid, "file"), coda.Permission)
		}
		require.Zero(t, u.Volume().LogRecords, "what is refused is not logged")
	}
	check(u)
	u.Disconnect()
	check(u)
	c.Kill()
	u = &users{u.restart(), c}
	check(u)
	require.Len(t, u.Tokens(), 3, "tokens are still there after a restart")
}

// When a token ends nothing is lost and nothing is refused: what the user has logged waits for another token of his.
func TestLogWaitsForAToken(t *testing.T) {
	c := newCell(t)
	u := c.client()
	u.grant("", "ann", coda.AllRights)
	u.as(ann).write("before", "1")
	u.settled()
	u.Disconnect()
	u.as(ann).write("file", "ann's")
	records := u.Volume().LogRecords
	require.NotZero(t, records)
	c.ahead.Store(int64(26 * time.Hour))
	_, err := u.as(ann).tryRead("before")
	require.ErrorIs(t, err, coda.Permission, "she is nobody now")
	u.Reconnect()
	require.Eventually(t, func() bool { return strings.Contains(u.Volume().Waits, "ann") }, patience, time.Millisecond)
	u.logIn(bob, "bob")
	u = &users{u.restart(), c}
	require.Eventually(t, func() bool { return strings.Contains(u.Volume().Waits, "ann") }, patience, time.Millisecond)
	require.Equal(t, records, u.Volume().LogRecords)
	require.Zero(t, u.Volume().Conflicts)
	u.logIn(77, "ann") // another local user, but the same person
	u.settled()
	require.Empty(t, u.Volume().Waits)
	require.Zero(t, u.Volume().Conflicts)
	other := c.client()
	got, err := other.as(ann).tryRead("file")
	require.NoError(t, err)
	require.Equal(t, "ann's", got)
}

// What several users have logged is sent for each of them.
func TestEachRecordIsItsUsers(t *testing.T) {
	c := newCell(t)
	u := c.client()
	for _, name := range []string{"ann", "bob"} {
		u.mkdir(root, name)
	}
	u.grant("", "staff", coda.Lookup)
	c.change(func(db *auth.Database) (*auth.Database, error) {
		db, err := db.Add("staff", "ann")
		if err != nil {
			return nil, err
		}
		return db.Add("staff", "bob")
	})
	u.grant("ann", "ann", coda.AllRights)
	u.grant("bob", "bob", coda.AllRights)
	require.Eventually(t, func() bool { _, err := u.as(bob).at("bob"); return err == nil }, patience, time.Millisecond, "bob is in staff by now")
	require.Eventually(t, func() bool { _, err := u.as(ann).at("ann"); return err == nil }, patience, time.Millisecond)
	for i := range 5 {
		u.as(ann).write(fmt.Sprint("ann/", i), "a")
		u.as(bob).write(fmt.Sprint("bob/", i), "b")
	}
	u.settled()
	require.Zero(t, u.Volume().Conflicts)
	require.NoError(t, u.LogOut(ann))
	u.as(bob).write("bob/more", "b")
	u.settled()
	_, err := u.as(ann).tryRead("ann/1")
	require.ErrorIs(t, err, coda.Permission)
}

// Who loses a right loses it on other clients, too, whatever they have cached.
func TestRevokedRights(t *testing.T) {
	c := newCell(t)
	u, other := c.client(), c.client()
	u.grant("", "staff", coda.AllRights)
	read := func() error {
		_, err := other.as(ann).tryRead("file")
		return err
	}
	require.ErrorIs(t, read(), coda.Permission)
	c.change(func(db *auth.Database) (*auth.Database, error) { return db.Add("staff", "ann") })
	require.Eventually(t, func() bool { return u.as(ann).tryWrite("file", "x") == nil }, patience, 10*time.Millisecond)
	u.settled()
	require.Eventually(t, func() bool { return read() == nil }, patience, 10*time.Millisecond)
	c.change(func(db *auth.Database) (*auth.Database, error) { return db.Remove("staff", "ann") })
	require.Eventually(t, func() bool { return coda.KindOf(read()) == coda.Permission }, patience, 10*time.Millisecond)
	u.grant("", "ann", coda.AllRights)
	require.Eventually(t, func() bool { return read() == nil }, patience, 10*time.Millisecond)
	u.grant("", "bob", coda.AllRights)
	require.Eventually(t, func() bool { return coda.KindOf(read()) == coda.Permission }, patience, 10*time.Millisecond)
}

func TestTokensAreRenewed(t *testing.T) {
	c := newCell(t, func(cfg *vice.Config) { cfg.Timing.Token = 2 * time.Second })
	u := c.client()
	first := u.Tokens()[0].Expires
	require.Eventually(t, func() bool { return u.Tokens()[0].Expires > first }, patience, 10*time.Millisecond)
	require.Error(t, u.LogIn(t.Context(), dora, "ann", "wrong"))
	require.Len(t, u.Tokens(), 3)
}

// clientRow is an operation, the rights that it needs in the directory dir, and how it is done. There is a file in dir, and a directory sub.
type clientRow struct {
	name  string
	needs coda.Rights
	do    func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error
}

func clientMatrix() []clientRow {
	closed := func(h *venus.Handle, err error) error {
		if err != nil {
			return err
		}
		return h.Close(context.Background())
	}
	return []clientRow{
		{"lookup", coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.Lookup(ctx, dir, "file")
			return err
		}},
		{"attributes of a file", coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.GetAttributes(ctx, file)
			return err
		}},
		{"attributes of a directory", coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.GetAttributes(ctx, dir)
			return err
		}},
		{"names", coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.ReadDirectory(ctx, dir)
			return err
		}},
		{"ACL", coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.ACL(ctx, dir)
			return err
		}},
		{"open to read", coda.Read, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			return closed(v.OpenFile(ctx, file, venus.OpenFlags{Read: true}))
		}},
		{"open to truncate", coda.Write, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			return closed(v.OpenFile(ctx, file, venus.OpenFlags{Truncate: true}))
		}},
		{"open to read and write", coda.Read | coda.Write, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			return closed(v.OpenFile(ctx, file, venus.OpenFlags{Read: true, Write: true}))
		}},
		{"create", coda.Insert | coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, h, err := v.Create(ctx, dir, "new", 0o644, 0, venus.OpenFlags{Write: true})
			return closed(h, err)
		}},
		{"mkdir", coda.Insert | coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.MakeDirectory(ctx, dir, "new", 0o755, 0)
			return err
		}},
		{"symlink", coda.Insert | coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.MakeSymlink(ctx, dir, "new", "x", 0)
			return err
		}},
		{"link", coda.Insert | coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.Link(ctx, dir, "new", file)
			return err
		}},
		{"remove", coda.Delete | coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			return v.Remove(ctx, dir, "file")
		}},
		{"rmdir", coda.Delete | coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			return v.RemoveDirectory(ctx, dir, "sub")
		}},
		{"rename", coda.Delete | coda.Insert | coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			return v.Rename(ctx, dir, "file", dir, "new", false)
		}},
		{"move out", coda.Delete | coda.Read | coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			return v.Rename(ctx, dir, "file", free, "new", false)
		}},
		{"move in", coda.Insert | coda.Lookup, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			return v.Rename(ctx, free, "file", dir, "new", false)
		}},
		{"chmod of a file", coda.Write, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.SetAttributes(ctx, file, venus.Changes{Mode: new(uint32(0o600))})
			return err
		}},
		{"chown", coda.Write | coda.Administer, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			_, err := v.SetAttributes(ctx, dir, venus.Changes{Owner: new(uint32(7))})
			return err
		}},
		{"setacl", coda.Administer, func(ctx context.Context, v *venus.Venus, dir, file, sub, free coda.Fid) error {
			return v.SetACL(ctx, dir, func(a coda.ACL) (coda.ACL, error) { return a, nil })
		}},
	}
}

// Each operation of a user succeeds with the rights that it needs, and the server takes it; without one of them it is refused and not logged. What is
// cached has been fetched for somebody who may everything.
func TestMatrixOfRightsOnTheClient(t *testing.T) {
	c := newCell(t)
	u := c.client()
	u.grant("", "ann", coda.Lookup)
	n := 0
	for _, row := range clientMatrix() {
		try := func(rights coda.Rights) error {
			n++
			dir, free := fmt.Sprint(n), fmt.Sprint(n, " free")
			for _, path := range []string{dir, free, dir + "/sub"} {
				u.mkdir(root, path)
			}
			u.as(root).write(dir+"/file", "x")
			u.as(root).write(free+"/file", "x")
			u.settled()
			u.grant(dir, "ann", rights)
			u.grant(free, "ann", coda.AllRights)
			admin := u.as(root)
			var fids []coda.Fid
			for _, path := range []string{dir, dir + "/file", dir + "/sub", free} {
				s, err := admin.at(path)
				require.NoError(t, err)
				fids = append(fids, s.Fid)
			}
			_, err := admin.tryRead(dir + "/file")
			require.NoError(t, err)
			before := u.Volume().LogRecords
			err = row.do(u.as(ann).t.Context(), u.Venus, fids[0], fids[1], fids[2], fids[3])
			if err != nil {
				require.Equal(t, before, u.Volume().LogRecords, row.name)
			}
			u.settled()
			require.Zero(t, u.Volume().Conflicts, "%s with %v: what the client permits the server takes", row.name, rights)
			return err
		}
		// The attributes of what an operation is done to have to be asked for, too.
		require.NoError(t, try(row.needs|coda.Lookup), row.name)
		for bit := coda.Read; bit <= coda.Administer; bit <<= 1 {
			if row.needs&bit != 0 {
				require.ErrorIs(t, try(coda.AllRights&^bit), coda.Permission, "%s without %v", row.name, bit)
			}
		}
	}
}
