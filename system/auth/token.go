package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// Token says that somebody is a user. Who has it signed by the cell can act for the user until it ends.
type Token struct {
	User       coda.Principal
	Generation uint64
	Name       string
	Issued     coda.Time
	Expires    coda.Time
	Renewable  coda.Time // until when it can be exchanged for another one without a password
}

const (
	tokenVersion = 1
	signatureLen = sha256.Size
	maxToken     = 512
)

// Sign gives the token as its owner gets it.
func (d *Database) Sign(t Token) []byte {
	b := binary.AppendVarint([]byte{tokenVersion}, int64(t.User))
	b = binary.AppendUvarint(b, t.Generation)
	for _, at := range []coda.Time{t.Issued, t.Expires, t.Renewable} {
		b = binary.AppendVarint(b, int64(at))
	}
	b = append(b, t.Name...)
	return append(b, d.signature(b)...)
}

func (d *Database) signature(b []byte) []byte {
	m := hmac.New(sha256.New, d.content.Key)
	m.Write(b)
	return m.Sum(nil)
}

// Issue makes a token for a user.
func (d *Database) Issue(user coda.Principal, now coda.Time, life, renewable time.Duration) (Token, error) {
	u := d.users[user]
	if u == nil {
		return Token{}, coda.Errorf("make a token", coda.NotFound, "user %v", user)
	}
	return Token{
		User: user, Generation: u.Generation, Name: u.Name,
		Issued: now, Expires: now + coda.Time(life), Renewable: now + coda.Time(renewable),
	}, nil
}

// ReadToken reads what a token says, without knowing whether it is true.
func ReadToken(b []byte) (Token, error) {
	bad := func(why string) (Token, error) { return Token{}, coda.Errorf("read a token", coda.NoToken, "%s", why) }
	if len(b) < 1+signatureLen || len(b) > maxToken || b[0] != tokenVersion {
		return bad("it is none")
	}
	rest := b[1 : len(b)-signatureLen]
	var numbers [5]int64
	for i := range numbers {
		n, used := binary.Varint(rest)
		if i == 1 {
			var u uint64
			u, used = binary.Uvarint(rest)
			n = int64(u)
		}
		if used <= 0 {
			return bad("it breaks off")
		}
		numbers[i], rest = n, rest[used:]
	}
	t := Token{
		User: coda.Principal(numbers[0]), Generation: uint64(numbers[1]), Name: string(rest),
		Issued: coda.Time(numbers[2]), Expires: coda.Time(numbers[3]), Renewable: coda.Time(numbers[4]),
	}
	if t.User <= 0 || int64(t.User) != numbers[0] || checkName(t.Name) != nil {
		return bad("it is of nobody")
	}
	return t, nil
}

// Verify reads a token that this cell has signed. Whether it is still valid is up to Valid.
func (d *Database) Verify(b []byte) (Token, error) {
	t, err := ReadToken(b)
	if err != nil {
		return Token{}, err
	}
	signed := len(b) - signatureLen
	if !hmac.Equal(b[signed:], d.signature(b[:signed])) {
		return Token{}, coda.Errorf("read a token", coda.NoToken, "the cell has not signed it")
	}
	return t, nil
}

// Valid gives the identity that a verified token stands for at a time.
func (d *Database) Valid(t Token, now coda.Time) (*coda.Identity, error) {
	u := d.users[t.User]
	switch {
	case u == nil:
		return nil, coda.Errorf("use a token", coda.NoToken, "user %v is gone", t.User)
	case u.Generation != t.Generation:
		return nil, coda.Errorf("use a token", coda.NoToken, "%s has another password since", u.Name)
	case now >= t.Expires:
		return nil, coda.Errorf("use a token", coda.NoToken, "that of %s ended at %v", u.Name, t.Expires.Standard().Format(time.RFC3339))
	default:
		return d.who[t.User], nil
	}
}

// LogIn checks a user's password.
func (d *Database) LogIn(user, password string) (coda.Principal, error) {
	u := d.users[d.Find(user)]
	var p Password
	if u != nil {
		p = u.Password
	}
	if !p.Check(password) {
		return 0, coda.Errorf("log in", coda.Permission, "the user or the password is wrong")
	}
	return u.Number, nil
}
