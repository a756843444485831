package auth

import (
	"fmt"
	"io"
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// edit gives the database after a change of a copy of it.
func (d *Database) edit(change func(c *content) error) (*Database, error) {
	c := d.content
	c.Version++
	c.Users, c.Groups = nil, nil
	for _, u := range d.content.Users {
		c.Users = append(c.Users, new(*u))
	}
	for _, g := range d.content.Groups {
		copied := new(*g)
		copied.Members = slices.Clone(g.Members)
		c.Groups = append(c.Groups, copied)
	}
	if err := change(&c); err != nil {
		return nil, err
	}
	return index(c)
}

// NewUser adds a user, who has no password yet.
func (d *Database) NewUser(name string) (*Database, error) {
	if err := d.free(name); err != nil {
		return nil, err
	}
	return d.edit(func(c *content) error {
		c.Users = append(c.Users, &User{Number: c.NextUser, Name: name})
		c.NextUser++
		return nil
	})
}

// NewGroup adds a group without members.
func (d *Database) NewGroup(name string) (*Database, error) {
	if err := d.free(name); err != nil {
		return nil, err
	}
	return d.edit(func(c *content) error {
		c.Groups = append(c.Groups, &Group{Number: c.NextGroup, Name: name})
		c.NextGroup--
		return nil
	})
}

func (d *Database) free(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if p := d.Find(name); p != 0 {
		return coda.Errorf("name a user or group", coda.Exists, "%s is %v", d.Name(p), p)
	}
	return nil
}

// find is Find with an error.
func (d *Database) find(name string) (coda.Principal, error) {
	if p := d.Find(name); p != 0 {
		return p, nil
	}
	return 0, coda.Errorf("find a user or group", coda.NotFound, "%q", name)
}

// Delete removes a user or group, and takes it out of all groups. Its tokens are not valid any more.
func (d *Database) Delete(name string) (*Database, error) {
	p, err := d.find(name)
	if err != nil {
		return nil, err
	}
	if p == coda.AnyUser || p == coda.Administrators {
		return nil, coda.Errorf("delete a group", coda.Invalid, "every cell has %s", d.Name(p))
	}
	return d.edit(func(c *content) error {
		c.Users = slices.DeleteFunc(c.Users, func(u *User) bool { return u.Number == p })
		c.Groups = slices.DeleteFunc(c.Groups, func(g *Group) bool { return g.Number == p })
		for _, g := range c.Groups {
			g.Members = slices.DeleteFunc(g.Members, func(m coda.Principal) bool { return m == p })
		}
		return nil
	})
}

// Add makes a user or group a member of a group.
func (d *Database) Add(group, member string) (*Database, error) {
	return d.member(group, member, func(list []coda.Principal, m coda.Principal) []coda.Principal {
		if slices.Contains(list, m) {
			return list
		}
		return append(list, m)
	})
}

// Remove ends a membership.
func (d *Database) Remove(group, member string) (*Database, error) {
	return d.member(group, member, func(list []coda.Principal, m coda.Principal) []coda.Principal {
		return slices.DeleteFunc(list, func(p coda.Principal) bool { return p == m })
	})
}

func (d *Database) member(group, member string, change func([]coda.Principal, coda.Principal) []coda.Principal) (*Database, error) {
	to, err := d.find(group)
	if err != nil {
		return nil, err
	}
	m, err := d.find(member)
	if err != nil {
		return nil, err
	}
	if to > 0 || to == coda.AnyUser {
		return nil, coda.Errorf("change a group", coda.Invalid, "%s has no members that could be named", d.Name(to))
	}
	return d.edit(func(c *content) error {
		for _, g := range c.Groups {
			if g.Number == to {
				g.Members = change(g.Members, m)
			}
		}
		return nil
	})
}

// SetPassword gives a user another password. The tokens that he has are not valid any more.
func (d *Database) SetPassword(user string, p Password) (*Database, error) {
	number, err := d.find(user)
	if err != nil {
		return nil, err
	}
	if d.users[number] == nil {
		return nil, coda.Errorf("set a password", coda.Invalid, "%s is a group", d.Name(number))
	}
	return d.edit(func(c *content) error {
		for _, u := range c.Users {
			if u.Number == number {
				u.Password = p
				u.Generation++
			}
		}
		return nil
	})
}

// NewKey draws another key. No token that there is is valid any more.
func (d *Database) NewKey(entropy io.Reader) (*Database, error) {
	return d.edit(func(c *content) error {
		c.Key = make([]byte, keySize)
		if _, err := io.ReadFull(entropy, c.Key); err != nil {
			return fmt.Errorf("draw a key for tokens: %w", err)
		}
		return nil
	})
}
