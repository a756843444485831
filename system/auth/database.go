package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/codastress/codastress/system/coda"
)

// Database is the users and groups of a cell. It is never changed: what changes it gives another one, with the next version.
type Database struct {
	content content
	byName  map[string]coda.Principal
	users   map[coda.Principal]*User
	groups  map[coda.Principal]*Group
	within  map[coda.Principal][]coda.Principal // the groups that have it as a member
	who     map[coda.Principal]*coda.Identity
}

// content is the stored form.
type content struct {
	Version   uint64
	Key       []byte         // signs tokens
	NextUser  coda.Principal // numbers are never used again: an ACL may still have an entry about a user who is gone
	NextGroup coda.Principal
	Users     []*User
	Groups    []*Group
}

// User is one user.
type User struct {
	Number     coda.Principal
	Name       string
	Password   Password // the zero one lets nobody in
	Generation uint64   // tokens of another generation are not valid: it rises with each new password
}

// Group is one group. System:AnyUser has everybody without listing them.
type Group struct {
	Number  coda.Principal
	Name    string
	Members []coda.Principal
}

const (
	keySize   = 32
	firstUser = 1000 // below are the numbers that Coda keeps for itself
	lastGroup = -1000
	maxName   = 64
)

// The names of the groups that every cell has.
const (
	AnyUserName        = "System:AnyUser"
	AdministratorsName = "System:Administrators"
)

// New makes the database of a new cell: it has the groups that all have, and a key that is drawn from entropy.
func New(entropy io.Reader) (*Database, error) {
	c := content{
		Version: 1, Key: make([]byte, keySize), NextUser: firstUser, NextGroup: lastGroup,
		Groups: []*Group{{Number: coda.Administrators, Name: AdministratorsName}, {Number: coda.AnyUser, Name: AnyUserName}},
	}
	if _, err := io.ReadFull(entropy, c.Key); err != nil {
		return nil, fmt.Errorf("draw a key for tokens: %w", err)
	}
	return index(c)
}

// Decode reads what Encode has written.
func Decode(b []byte) (*Database, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var c content
	if err := d.Decode(&c); err != nil {
		return nil, coda.Errorf("decode the protection database", coda.Invalid, "%w", err)
	}
	return index(c)
}

// Encode gives the database as bytes, secrets included.
func (d *Database) Encode() []byte {
	b, err := json.Marshal(d.content)
	if err != nil {
		panic(err) // there is nothing in it that could not be encoded
	}
	return b
}

// index checks a database and makes its maps.
func index(c content) (*Database, error) {
	invalid := func(format string, args ...any) (*Database, error) {
		return nil, coda.Errorf("read the protection database", coda.Invalid, format, args...)
	}
	if c.Version == 0 || len(c.Key) != keySize {
		return invalid("version %d, a key of %d bytes", c.Version, len(c.Key))
	}
	d := &Database{
		content: c, byName: map[string]coda.Principal{}, users: map[coda.Principal]*User{}, groups: map[coda.Principal]*Group{},
		within: map[coda.Principal][]coda.Principal{}, who: map[coda.Principal]*coda.Identity{0: coda.Anonymous()},
	}
	for _, u := range c.Users {
		if u == nil || u.Number <= 0 || u.Number >= c.NextUser || d.users[u.Number] != nil || d.taken(u.Name) {
			return invalid("user %+v", u)
		}
		d.users[u.Number], d.byName[fold(u.Name)] = u, u.Number
	}
	for _, g := range c.Groups {
		if g == nil || g.Number >= 0 || g.Number <= c.NextGroup || d.groups[g.Number] != nil || d.taken(g.Name) {
			return invalid("group %+v", g)
		}
		d.groups[g.Number], d.byName[fold(g.Name)] = g, g.Number
	}
	for _, g := range c.Groups {
		for _, m := range g.Members {
			if d.users[m] == nil && d.groups[m] == nil {
				return invalid("group %s has the member %v", g.Name, m)
			}
			d.within[m] = append(d.within[m], g.Number)
		}
	}
	if d.groups[coda.AnyUser] == nil || d.groups[coda.Administrators] == nil {
		return invalid("it lacks %s or %s", AnyUserName, AdministratorsName)
	}
	for _, u := range c.Users {
		d.who[u.Number] = d.identity(u)
	}
	return d, nil
}

// identity works out all groups that a user is in, by way of other groups as well.
func (d *Database) identity(u *User) *coda.Identity {
	in := []coda.Principal{u.Number, coda.AnyUser}
	for i := 0; i < len(in); i++ {
		for _, g := range d.within[in[i]] {
			if !slices.Contains(in, g) {
				in = append(in, g)
			}
		}
	}
	slices.Sort(in)
	return &coda.Identity{User: u.Number, Name: u.Name, Groups: in}
}

// fold is what names that a person would take for the same have in common.
func fold(name string) string { return strings.ToLower(name) }

// taken reports whether a name is in use, or cannot be used.
func (d *Database) taken(name string) bool {
	_, there := d.byName[fold(name)]
	return there || checkName(name) != nil
}

func checkName(name string) error {
	odd := strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xfffd })
	if name == "" || len(name) > maxName || odd >= 0 || strings.ToValidUTF8(name, "") != name || strings.Trim(name, "-0123456789") == "" {
		return coda.Errorf("name a user or group", coda.Invalid, "%q", name)
	}
	return nil
}

// Version rises with every change.
func (d *Database) Version() uint64 { return d.content.Version }

// Anonymous is the identity of those without a token.
func (d *Database) Anonymous() *coda.Identity { return d.who[0] }

// Identity is a user with all groups that he is in; nil for one who is not there.
func (d *Database) Identity(user coda.Principal) *coda.Identity { return d.who[user] }

// Users lists the users in the order of their numbers. They must not be changed.
func (d *Database) Users() []*User { return d.content.Users }

// Groups lists the groups in the order in which they were made. They must not be changed.
func (d *Database) Groups() []*Group { return d.content.Groups }

// Find finds a user or group by its name, in whatever case; 0 where there is none.
func (d *Database) Find(name string) coda.Principal { return d.byName[fold(name)] }

// Name gives the name of a user or group, "" where there is none.
func (d *Database) Name(p coda.Principal) string {
	if u := d.users[p]; u != nil {
		return u.Name
	}
	if g := d.groups[p]; g != nil {
		return g.Name
	}
	return ""
}

// Empty is the database of a cell where nobody has made users or groups yet. Its key is nobody's secret, so that it must not sign anything.
func Empty() *Database {
	d, err := New(zeros{})
	if err != nil {
		panic(err) // nothing in it can be wrong
	}
	return d
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// ParseACL reads names of the groups that every cell has, each with rights behind it. Without any it gives the zero ACL.
func ParseACL(words []string) (coda.ACL, error) {
	if len(words) == 0 {
		return "", nil
	}
	if len(words)%2 != 0 {
		return "", coda.Errorf("read an ACL", coda.Invalid, "%s has no rights behind it", words[len(words)-1])
	}
	var entries []coda.ACLEntry
	for i := 0; i < len(words); i += 2 {
		who, err := Empty().find(words[i])
		if err != nil {
			return "", err
		}
		grants, err := coda.ParseRights(words[i+1])
		if err != nil {
			return "", err
		}
		entries = append(entries, coda.ACLEntry{Who: who, Grants: grants})
	}
	return coda.MakeACL(entries)
}
