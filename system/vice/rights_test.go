package vice_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// cheapPasswords is for servers of tests, whose passwords protect nothing.
func cheapPasswords(c *vice.Config) { c.Limits.Password = auth.Cost{Time: 1, Memory: 64} }

// cell is a server with users: admin, in System:Administrators; entry, who has entries in ACLs of his own; member, in group, which is in outer; denied, likewise,
// with a negative entry; stranger. All have the password "secret".
type cell struct {
	s     *vicetest.Server
	admin *vicetest.Client
	anon  *vicetest.Client
	db    *auth.Database
	now   time.Time // of the server's clock
}

func newCell(t *testing.T) *cell {
	c := &cell{now: time.Unix(1e9, 0)}
	onlyAdministrators, err := coda.MakeACL([]coda.ACLEntry{{Who: coda.Administrators, Grants: coda.AllRights}})
	require.NoError(t, err)
	c.s = vicetest.Start(t, cheapPasswords, func(cfg *vice.Config) {
		cfg.RootACL = onlyAdministrators
		cfg.Clock = func() time.Time { return c.now }
	})
	c.change(t, func(db *auth.Database) (*auth.Database, error) {
		for _, name := range []string{"admin", "entry", "member", "denied", "stranger", "leaver", "changer"} {
			next, err := db.NewUser(name)
			if err != nil {
				return nil, err
			}
			hashed, err := auth.NewPassword("secret", auth.Cost{Time: 1, Memory: 64}, strings.NewReader(strings.Repeat("salt", 4)))
			if err != nil {
				return nil, err
			}
			if db, err = next.SetPassword(name, hashed); err != nil {
				return nil, err
			}
		}
		for _, step := range [][2]string{{"group", ""}, {"outer", ""}, {"group", "member"}, {"group", "denied"}, {"outer", "group"}, {auth.AdministratorsName, "admin"}} {
			var err error
			if step[1] == "" {
				db, err = db.NewGroup(step[0])
			} else {
				db, err = db.Add(step[0], step[1])
			}
			if err != nil {
				return nil, err
			}
		}
		return db, nil
	})
	c.anon = c.s.Client(1)
	c.admin = c.anon.LogIn("admin", "secret")
	return c
}

func (c *cell) change(t *testing.T, change func(*auth.Database) (*auth.Database, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	require.NoError(t, c.s.Vice().ChangeProtection(ctx, func(db *auth.Database) (*auth.Database, error) {
		next, err := change(db)
		c.db = next
		return next, err
	}))
}

// scene is what one case of the matrix works on: a directory, and others that anybody may do everything in.
type scene struct {
	c        *cell
	me       *vicetest.Client // who does it
	acl      coda.ACL         // of dir
	dir      coda.Fid
	sub      coda.Fid           // an empty directory in dir
	file     coda.Fid           // in dir
	version  coda.VersionVector // of file
	link     coda.Fid           // a symlink in dir
	free     coda.Fid           // a directory in which everybody may do everything
	freeFile coda.Fid           // in free
}

func everybody(t *testing.T) coda.ACL {
	a, err := coda.MakeACL([]coda.ACLEntry{{Who: coda.AnyUser, Grants: coda.AllRights}})
	require.NoError(t, err)
	return a
}

// play makes a scene with an ACL for its directory.
func (c *cell) play(t *testing.T, name string, acl coda.ACL) *scene {
	s := &scene{c: c, acl: acl}
	log := c.admin.Log()
	s.dir = log.MakeDirectory(c.admin.Root, name)
	s.free = log.MakeDirectory(c.admin.Root, name+" free")
	s.sub = log.MakeDirectory(s.dir, "sub")
	var v coda.VersionVector
	s.file, v = log.Create(s.dir, "file")
	s.version = log.Store(s.file, v, data(1, 10))
	s.link = c.admin.NewFid(coda.Symlink)
	log.Add(coda.MakeSymlink{Parent: s.dir, Name: "link", Fid: s.link, PointsTo: "x"})
	s.freeFile, _ = log.Create(s.free, "file")
	log.Add(coda.SetACL{Fid: s.free, ACL: everybody(t)})
	log.Add(coda.SetACL{Fid: s.dir, ACL: acl})
	log.Apply()
	return s
}

// do sends a record and gives its refusal as an error.
func (s *scene) do(op coda.Operation, contents []byte) error {
	log := s.me.Log()
	if contents != nil {
		o := op.(coda.Store)
		log.Store(o.Fid, o.Base, contents)
	} else {
		log.Add(op)
	}
	a, err := log.Send()
	if err != nil {
		return err
	}
	if len(a.Refusals) > 0 {
		return coda.Errorf("reintegrate", a.Refusals[0].Kind, "%s", a.Refusals[0].Why)
	}
	return nil
}

func (s *scene) fetch(f coda.Fid, contents bool) error {
	_, err := s.me.FetchRequest(&vicepb.FetchRequest{Fid: wire.FidToProto(f), Contents: contents})
	return err
}

// row is a request of the matrix: what it is for, which rights it needs in the directory, and how it is made.
type row struct {
	name  string // of the method, or "record " and the name of the record in the protocol
	what  string
	needs coda.Rights
	do    func(t *testing.T, s *scene) error
}

// rightsMatrix has a row, at least, for every request that the rights of a user decide about.
func rightsMatrix() []row {
	const reintegrate = "record "
	return []row{
		{"Fetch", "status of a directory", coda.Lookup, func(_ *testing.T, s *scene) error { return s.fetch(s.dir, false) }},
		{"Fetch", "names of a directory", coda.Lookup, func(_ *testing.T, s *scene) error { return s.fetch(s.dir, true) }},
		{"Fetch", "status of what has the rights of the directory above", coda.Lookup, func(_ *testing.T, s *scene) error { return s.fetch(s.sub, true) }},
		{"Fetch", "status of a file", coda.Lookup, func(_ *testing.T, s *scene) error { return s.fetch(s.file, false) }},
		{"Fetch", "contents of a file", coda.Read, func(_ *testing.T, s *scene) error { return s.fetch(s.file, true) }},
		{"Fetch", "target of a symlink", coda.Lookup, func(_ *testing.T, s *scene) error { return s.fetch(s.link, true) }},
		{"Validate", "a directory", coda.Lookup, func(_ *testing.T, s *scene) error { return s.validate(s.dir) }},
		{"Validate", "a file", coda.Lookup, func(_ *testing.T, s *scene) error { return s.validate(s.file) }},
		{"Certify", "a record", coda.Insert, func(_ *testing.T, s *scene) error {
			request := &vicepb.CertifyRequest{Client: wire.ClientIDToProto(s.me.ID), Volume: s.me.Volume, Records: []*vicepb.Record{
				wire.RecordToProto(coda.Record{Number: 1, Operation: coda.Create{Parent: s.dir, Name: "new", Fid: s.c.admin.NewFid(coda.File)}}),
			}}
			ctx, cancel := context.WithTimeout(context.Background(), callTime)
			defer cancel()
			reply, err := s.me.Vice.Certify(ctx, request)
			if err == nil && len(reply.Refusals) > 0 {
				err = coda.Errorf("certify", coda.ErrorKind(reply.Refusals[0].Kind), "%s", reply.Refusals[0].Why)
			}
			return err
		}},
		{"Reintegrate", "with each record, below", 0, nil},
		{reintegrate + "store", "", coda.Write, func(_ *testing.T, s *scene) error {
			return s.do(coda.Store{Fid: s.file, Base: s.version}, data(2, 20))
		}},
		{reintegrate + "store", "in what the same client has just made", coda.Insert, func(_ *testing.T, s *scene) error {
			log := s.me.Log()
			f, v := log.Create(s.dir, "new")
			log.Store(f, v, data(2, 20))
			a, err := log.Send()
			if err == nil && len(a.Refusals) > 0 {
				err = coda.Errorf("reintegrate", a.Refusals[0].Kind, "%s", a.Refusals[0].Why)
			}
			return err
		}},
		{reintegrate + "create", "", coda.Insert, func(_ *testing.T, s *scene) error {
			return s.do(coda.Create{Parent: s.dir, Name: "new", Fid: s.c.admin.NewFid(coda.File)}, nil)
		}},
		{reintegrate + "create", "in what has the rights of the directory above", coda.Insert, func(_ *testing.T, s *scene) error {
			return s.do(coda.Create{Parent: s.sub, Name: "new", Fid: s.c.admin.NewFid(coda.File)}, nil)
		}},
		{reintegrate + "make_directory", "", coda.Insert, func(_ *testing.T, s *scene) error {
			return s.do(coda.MakeDirectory{Parent: s.dir, Name: "new", Fid: s.c.admin.NewFid(coda.Directory)}, nil)
		}},
		{reintegrate + "make_symlink", "", coda.Insert, func(_ *testing.T, s *scene) error {
			return s.do(coda.MakeSymlink{Parent: s.dir, Name: "new", Fid: s.c.admin.NewFid(coda.Symlink), PointsTo: "x"}, nil)
		}},
		{reintegrate + "link", "", coda.Insert, func(_ *testing.T, s *scene) error {
			return s.do(coda.Link{Parent: s.dir, Name: "new", Fid: s.file}, nil)
		}},
		{reintegrate + "remove", "", coda.Delete, func(_ *testing.T, s *scene) error {
			return s.do(coda.Remove{Parent: s.dir, Name: "file", Fid: s.file, Base: s.version}, nil)
		}},
		{reintegrate + "remove_directory", "", coda.Delete, func(_ *testing.T, s *scene) error {
			return s.do(coda.RemoveDirectory{Parent: s.dir, Name: "sub", Fid: s.sub}, nil)
		}},
		{reintegrate + "rename", "within a directory", coda.Insert | coda.Delete, func(_ *testing.T, s *scene) error {
			return s.do(coda.Rename{FromParent: s.dir, FromName: "file", ToParent: s.dir, ToName: "new", Fid: s.file}, nil)
		}},
		{reintegrate + "rename", "out of a directory, to where others may read it", coda.Delete | coda.Read | coda.Lookup, func(_ *testing.T, s *scene) error {
			return s.do(coda.Rename{FromParent: s.dir, FromName: "file", ToParent: s.free, ToName: "new", Fid: s.file}, nil)
		}},
		{reintegrate + "rename", "of a directory, likewise", coda.Delete | coda.Read | coda.Lookup, func(_ *testing.T, s *scene) error {
			return s.do(coda.Rename{FromParent: s.dir, FromName: "sub", ToParent: s.free, ToName: "new", Fid: s.sub}, nil)
		}},
		{reintegrate + "rename", "into a directory", coda.Insert, func(_ *testing.T, s *scene) error {
			return s.do(coda.Rename{FromParent: s.free, FromName: "file", ToParent: s.dir, ToName: "new", Fid: s.freeFile}, nil)
		}},
		{reintegrate + "rename", "over a file", coda.Insert | coda.Delete, func(_ *testing.T, s *scene) error {
			return s.do(coda.Rename{FromParent: s.free, FromName: "file", ToParent: s.dir, ToName: "file", Fid: s.freeFile, Replaced: s.file, ReplacedBase: s.version}, nil)
		}},
		{reintegrate + "set_attributes", "of a file", coda.Write, func(_ *testing.T, s *scene) error {
			return s.do(coda.SetAttributes{Fid: s.file, Base: s.version, Mode: new(uint32(0o600))}, nil)
		}},
		{reintegrate + "set_attributes", "of a directory", coda.Write, func(_ *testing.T, s *scene) error {
			return s.do(coda.SetAttributes{Fid: s.dir, Mode: new(uint32(0o700))}, nil)
		}},
		{reintegrate + "set_attributes", "another owner", coda.Write | coda.Administer, func(_ *testing.T, s *scene) error {
			return s.do(coda.SetAttributes{Fid: s.file, Base: s.version, Owner: new(uint32(7))}, nil)
		}},
		{reintegrate + "set_acl", "", coda.Administer, func(t *testing.T, s *scene) error {
			return s.do(coda.SetACL{Fid: s.dir, Was: s.acl, ACL: everybody(t)}, nil)
		}},
		{reintegrate + "set_acl", "of what has the rights of the directory above", coda.Administer, func(t *testing.T, s *scene) error {
			return s.do(coda.SetACL{Fid: s.sub, ACL: everybody(t)}, nil)
		}},
	}
}

func (s *scene) validate(f coda.Fid) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	reply, err := s.me.Vice.Validate(ctx, &vicepb.ValidateRequest{Items: []*vicepb.ValidateItem{{Fid: wire.FidToProto(f), Version: wire.VersionToProto(s.version)}}})
	switch {
	case err != nil:
		return err
	case reply.Results[0].Answer == vicepb.ValidateResult_ANSWER_DENIED && reply.Results[0].Status == nil && !reply.Results[0].Promised:
		return coda.Errorf("validate", coda.Permission, "denied")
	case reply.Results[0].Answer != vicepb.ValidateResult_ANSWER_STALE:
		return fmt.Errorf("the answer is %v", reply.Results[0].Answer)
	default:
		return nil
	}
}

// withoutRights are the requests that rights do not decide about, and why.
func withoutRights() map[string]string {
	return map[string]string{
		"Volume":         "says what every client has to know",
		"AllocateVnodes": "numbers give no access",
		"Callbacks":      "promises are made by Fetch and Validate, and end when rights change",
		"Probe":          "says nothing",
		"COP2":           "counts what was applied",
		"Resolve":        "joins what servers have",
		"LogIn":          "asks for a password",
		"Renew":          "TestTokensOfTheServer",
		"WhoAmI":         "says what a token says",
		"Principals":     "names are no secret to clients",
		"ChangePassword": "asks for a password",
	}
}

// A request or record that is new must be in the matrix, or it must be said why not.
func TestTheMatrixOfRightsIsComplete(t *testing.T) {
	inMatrix := map[string]bool{}
	for _, r := range rightsMatrix() {
		inMatrix[r.name] = true
	}
	var all []string
	for _, m := range append(slices.Clone(vicepb.Vice_ServiceDesc.Methods), vicepb.Auth_ServiceDesc.Methods...) {
		all = append(all, m.MethodName)
	}
	for _, m := range append(slices.Clone(vicepb.Vice_ServiceDesc.Streams), vicepb.Auth_ServiceDesc.Streams...) {
		all = append(all, m.StreamName)
	}
	records := new(vicepb.Record).ProtoReflect().Descriptor().Oneofs().ByName("operation").Fields()
	for i := range records.Len() {
		all = append(all, "record "+string(records.Get(i).Name()))
	}
	require.Greater(t, len(all), 20)
	for _, name := range all {
		_, without := withoutRights()[name]
		require.True(t, inMatrix[name] != without, "%s is in none of rightsMatrix and withoutRights, or in both", name)
		delete(inMatrix, name)
	}
	require.Empty(t, inMatrix, "what is not there any more")
}

// kind is a kind of user: what an ACL grants him that is to have some rights, and what he counts as.
type kind struct {
	name   string
	token  func(t *testing.T, c *cell) []byte
	acl    func(c *cell, rights coda.Rights) []coda.ACLEntry // in which he has these rights
	always coda.Rights                                       // whatever the ACL says
	none   bool                                              // he is refused everything, as his token is not valid
}

func (c *cell) tokenOf(t *testing.T, user string) []byte {
	token, err := c.db.Issue(c.db.Find(user), coda.TimeOf(c.now), time.Hour, time.Hour)
	require.NoError(t, err)
	return c.db.Sign(token)
}

func userKinds() []kind {
	of := func(user string) func(*testing.T, *cell) []byte {
		return func(t *testing.T, c *cell) []byte { return c.tokenOf(t, user) }
	}
	entry := func(name string) func(*cell, coda.Rights) []coda.ACLEntry {
		return func(c *cell, r coda.Rights) []coda.ACLEntry {
			return []coda.ACLEntry{{Who: c.db.Find(name), Grants: r}, {Who: c.db.Find("leaver"), Grants: coda.AllRights}}
		}
	}
	all := entry(auth.AnyUserName)
	return []kind{
		{name: "anonymous", token: func(*testing.T, *cell) []byte { return nil }, acl: all},
		{name: "anonymous beside a user who may everything", token: func(*testing.T, *cell) []byte { return nil }, acl: func(c *cell, r coda.Rights) []coda.ACLEntry {
			return []coda.ACLEntry{{Who: coda.AnyUser, Grants: r}, {Who: c.db.Find("entry"), Grants: coda.AllRights}, {Who: coda.Administrators, Grants: coda.AllRights}}
		}},
		{name: "without an entry", token: of("stranger"), acl: all},
		{name: "with an entry", token: of("entry"), acl: entry("entry")},
		{name: "by a group", token: of("member"), acl: entry("group")},
		{name: "by a group in a group", token: of("member"), acl: entry("outer")},
		{name: "with a negative entry", token: of("denied"), acl: func(c *cell, r coda.Rights) []coda.ACLEntry {
			return []coda.ACLEntry{{Who: c.db.Find("group"), Grants: coda.AllRights}, {Who: c.db.Find("denied"), Denies: coda.AllRights &^ r}}
		}},
		{name: "with a negative entry of a group", token: of("member"), acl: func(c *cell, r coda.Rights) []coda.ACLEntry {
			return []coda.ACLEntry{{Who: c.db.Find("member"), Grants: coda.AllRights}, {Who: c.db.Find("outer"), Denies: coda.AllRights &^ r}}
		}},
		{name: "administrator", token: of("admin"), acl: entry("admin"), always: coda.Lookup | coda.Administer},
		{name: "expired token", none: true, acl: all, token: func(t *testing.T, c *cell) []byte {
			token, err := c.db.Issue(c.db.Find("entry"), coda.TimeOf(c.now.Add(-2*time.Hour)), time.Hour, 9*time.Hour)
			require.NoError(t, err)
			return c.db.Sign(token)
		}},
		{name: "forged token", none: true, acl: all, token: func(t *testing.T, c *cell) []byte {
			other, err := c.db.NewKey(strings.NewReader(strings.Repeat("x", 32)))
			require.NoError(t, err)
			token, err := other.Issue(c.db.Find("entry"), coda.TimeOf(c.now), time.Hour, time.Hour)
			require.NoError(t, err)
			return other.Sign(token)
		}},
		{name: "garbage for a token", none: true, acl: all, token: func(*testing.T, *cell) []byte { return []byte("a token") }},
		{name: "token of a user who is gone", none: true, acl: all, token: func(t *testing.T, c *cell) []byte { return c.tokenOf(t, "gone") }},
	}
}

// Every request as every kind of user: it succeeds with just the rights that it needs, and is refused when one of them is missing.
func TestMatrixOfRights(t *testing.T) {
	c := newCell(t)
	c.change(t, func(db *auth.Database) (*auth.Database, error) { return db.NewUser("gone") })
	gone := c.tokenOf(t, "gone")
	c.change(t, func(db *auth.Database) (*auth.Database, error) { return db.Delete("gone") })
	n := 0
	for i, k := range userKinds() {
		token := gone
		if k.name != "token of a user who is gone" {
			token = k.token(t, c)
		}
		me := c.s.Client(uint64(100 + i)).As(token)
		for _, r := range rightsMatrix() {
			if r.do == nil {
				continue
			}
			try := func(rights coda.Rights) error {
				n++
				acl, err := coda.MakeACL(k.acl(c, rights))
				require.NoError(t, err)
				s := c.play(t, fmt.Sprint(n), acl)
				s.me = me
				return r.do(t, s)
			}
			about := fmt.Sprintf("%s: %s %s", k.name, r.name, r.what)
			if k.none {
				require.ErrorIs(t, try(coda.AllRights), coda.NoToken, about)
				continue
			}
			require.NoError(t, try(r.needs&^k.always), about)
			for bit := coda.Read; bit <= coda.Administer; bit <<= 1 {
				if r.needs&bit != 0 && k.always&bit == 0 {
					require.ErrorIs(t, try(coda.AllRights&^bit), coda.Permission, "%s without %v", about, bit)
				}
			}
		}
	}
}

// A token is got with a password, can be renewed for a while, outlives a restart of the server, and ends with another password.
func TestTokensOfTheServer(t *testing.T) {
	c := newCell(t)
	ctx := t.Context()
	entry := c.anon.LogIn("entry", "secret")
	who, err := entry.Auth.WhoAmI(ctx, &vicepb.WhoAmIRequest{})
	require.NoError(t, err)
	require.Equal(t, "entry", who.Name)
	_, err = c.anon.Auth.Renew(ctx, &vicepb.RenewRequest{})
	require.ErrorIs(t, err, coda.NoToken)
	_, err = c.anon.Auth.LogIn(ctx, &vicepb.LogInRequest{User: "entry", Password: "wrong"})
	require.ErrorIs(t, err, coda.Permission)

	c.now = c.now.Add(24 * time.Hour)
	renewed, err := entry.Auth.Renew(ctx, &vicepb.RenewRequest{})
	require.NoError(t, err)
	c.now = c.now.Add(24 * time.Hour)
	_, err = entry.Auth.WhoAmI(ctx, &vicepb.WhoAmIRequest{})
	require.ErrorIs(t, err, coda.NoToken, "the first one has ended")
	entry = entry.As(renewed.Token)
	_, err = entry.Auth.WhoAmI(ctx, &vicepb.WhoAmIRequest{})
	require.NoError(t, err)

	c.s.LosePower(1)
	c.s.Start()
	entry.Reconnect()
	_, err = entry.Auth.WhoAmI(ctx, &vicepb.WhoAmIRequest{})
	require.NoError(t, err, "it is still there after a restart of the server")

	for range 7 {
		c.now = c.now.Add(24 * time.Hour)
		reply, err := entry.Auth.Renew(ctx, &vicepb.RenewRequest{})
		if err != nil {
			break
		}
		entry = entry.As(reply.Token)
	}
	_, err = entry.Auth.Renew(ctx, &vicepb.RenewRequest{})
	require.ErrorIs(t, err, coda.NoToken, "not for ever")

	entry = c.anon.As(nil).LogIn("entry", "secret")
	_, err = entry.Auth.ChangePassword(ctx, &vicepb.ChangePasswordRequest{Old: "wrong", New: "other"})
	require.ErrorIs(t, err, coda.Permission)
	_, err = entry.Auth.ChangePassword(ctx, &vicepb.ChangePasswordRequest{Old: "secret", New: "other"})
	require.NoError(t, err)
	_, err = entry.Auth.WhoAmI(ctx, &vicepb.WhoAmIRequest{})
	require.ErrorIs(t, err, coda.NoToken, "another password ends tokens")
	c.anon.LogIn("entry", "other")
}

// Nobody goes on being told of names in a directory because he could see them once.
func TestPromisesEndWithRights(t *testing.T) {
	c := newCell(t)
	s := c.play(t, "dir", everybody(t))
	anon := c.s.Client(2)
	events := anon.Open()
	got, err := anon.Fetch(s.dir)
	require.NoError(t, err)
	require.True(t, got.Promised)
	got, err = anon.Fetch(s.sub)
	require.NoError(t, err)
	require.True(t, got.Promised)
	none, err := coda.MakeACL([]coda.ACLEntry{{Who: coda.Administrators, Grants: coda.AllRights}})
	require.NoError(t, err)
	s.me = c.admin
	require.NoError(t, s.do(coda.SetACL{Fid: s.dir, Was: s.acl, ACL: none}, nil))
	breaks, err := events.Sync()
	require.NoError(t, err)
	require.Len(t, breaks, 2)
	require.ElementsMatch(t, []wire.Break{{Number: breaks[0].Number, Fid: breaks[0].Fid}, {Number: breaks[1].Number, Fid: breaks[1].Fid}}, breaks, "without the changes")
	require.ElementsMatch(t, []coda.Fid{s.dir, s.sub}, []coda.Fid{breaks[0].Fid, breaks[1].Fid}, "and that has the rights of the directory above")
	_, err = anon.Fetch(s.dir)
	require.ErrorIs(t, err, coda.Permission)
	require.NoError(t, s.do(coda.Create{Parent: s.dir, Name: "secret name", Fid: c.admin.NewFid(coda.File)}, nil))
	breaks, err = events.Sync()
	require.NoError(t, err)
	require.Empty(t, breaks)
}

// The servers of a volume have one database of users and groups.
func TestServersShareUsers(t *testing.T) {
	servers := vicetest.StartReplicas(t, 3, unhurried, cheapPasswords)
	clients := clientsOf(servers, 1)
	for _, c := range clients {
		c.Resolve(c.Root) // so that nobody is new any more
	}
	servers[2].CutOff(true)
	newUser := func(name string) func(*auth.Database) (*auth.Database, error) {
		return func(db *auth.Database) (*auth.Database, error) {
			db, err := db.NewUser(name)
			if err != nil {
				return nil, err
			}
			hashed, err := auth.NewPassword("secret", auth.Cost{Time: 1, Memory: 64}, strings.NewReader(strings.Repeat("salt", 4)))
			if err != nil {
				return nil, err
			}
			return db.SetPassword(name, hashed)
		}
	}
	require.ErrorIs(t, servers[1].Vice().ChangeProtection(t.Context(), newUser("ann")), coda.Unsupported)
	require.NoError(t, servers[0].Vice().ChangeProtection(t.Context(), newUser("ann")))
	ann := clients[0].LogIn("ann", "secret")
	elsewhere := clients[1].As(ann.Token)
	who, err := elsewhere.Auth.WhoAmI(t.Context(), &vicepb.WhoAmIRequest{})
	require.NoError(t, err)
	require.Equal(t, "ann", who.Name)
	_, err = clients[2].As(ann.Token).Auth.WhoAmI(t.Context(), &vicepb.WhoAmIRequest{})
	require.ErrorIs(t, err, coda.NoToken, "it has not heard of her")
	servers[2].CutOff(false)
	require.Eventually(t, func() bool {
		_ = servers[2].Vice().AskCell(t.Context())
		_, err := clients[2].As(ann.Token).Auth.WhoAmI(t.Context(), &vicepb.WhoAmIRequest{})
		return err == nil
	}, callTime, 10*time.Millisecond)
}

// Two changes of an ACL that did not see each other leave what both grant; a change of other attributes takes nothing from one of an ACL.
func TestACLsJoin(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, unhurried)
	clients := clientsOf(servers, 1)
	root := clients[0].Root
	first := clients[0].Log()
	dir := first.MakeDirectory(root, "dir")
	other := first.MakeDirectory(root, "other")
	for _, c := range clients {
		first.At(c).Apply()
		first.At(c).COP2(0, 1)
	}
	acl := func(who coda.Principal, r coda.Rights) coda.ACL {
		a, err := coda.MakeACL([]coda.ACLEntry{{Who: coda.AnyUser, Grants: coda.AllRights}, {Who: who, Denies: r}})
		require.NoError(t, err)
		return a
	}
	for slot, c := range clients {
		log := clients[0].Log()
		log.Add(coda.SetACL{Fid: dir, ACL: acl(coda.Principal(1000+slot), coda.Write)})
		if slot == 0 {
			log.Add(coda.SetACL{Fid: other, ACL: acl(1000, coda.Read)})
		} else {
			log.Add(coda.SetAttributes{Fid: other, Mode: new(uint32(0o700))})
		}
		log.At(c).Apply()
	}
	resolve(t, clients[0], 3)
	requireEqual(t, servers)
	tree := servers[0].Tree()
	require.Equal(t, acl(1000, coda.Write).Meet(acl(1001, coda.Write)), tree["dir"].ACL)
	require.Equal(t, acl(1000, coda.Read), tree["other"].ACL)
	require.EqualValues(t, 0o700, tree["other"].Mode)

	stale := clients[0].Log()
	stale.Add(coda.SetACL{Fid: dir, Was: acl(1000, coda.Write), ACL: everybody(t)})
	answer, err := stale.At(clients[0]).Send()
	require.NoError(t, err)
	require.Equal(t, coda.Conflict, answer.Refusals[0].Kind, "an ACL is changed only by who knows it")
}
