package auth

import (
	"crypto/subtle"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"

	"github.com/codastress/codastress/system/coda"
)

// Password is what is kept of a password: a salted hash (Argon2id). The zero value is that of no password.
type Password struct {
	Salt   []byte
	Hash   []byte
	Time   uint32 `doc:"passes (2)"`
	Memory uint32 `doc:"KiB (19 MiB)"`
}

// Cost is what it takes to work a hash out.
type Cost struct {
	Time   uint32 `doc:"passes (2)"`
	Memory uint32 `doc:"KiB (19 MiB)"`
}

// DefaultCost is what OWASP recommends for Argon2id: 19 MiB and two passes, some 30 ms.
func DefaultCost() Cost { return Cost{Time: 2, Memory: 19 << 10} }

const (
	saltSize    = 16
	hashSize    = 32
	maxPassword = 1024
	mostTime    = 100
	mostMemory  = 1 << 20
)

// NewPassword hashes a password with a salt that is drawn from entropy.
func NewPassword(password string, cost Cost, entropy io.Reader) (Password, error) {
	if password == "" || len(password) > maxPassword {
		return Password{}, coda.Errorf("set a password", coda.Invalid, "it has %d bytes, 1 to %d are allowed", len(password), maxPassword)
	}
	p := Password{Salt: make([]byte, saltSize), Time: cost.Time, Memory: cost.Memory}
	if _, err := io.ReadFull(entropy, p.Salt); err != nil {
		return Password{}, fmt.Errorf("draw a salt: %w", err)
	}
	if !p.sound() {
		return Password{}, coda.Errorf("set a password", coda.Invalid, "a cost of %+v", cost)
	}
	p.Hash = p.hash(password)
	return p, nil
}

// IsZero reports whether there is no password.
func (p Password) IsZero() bool { return len(p.Hash) == 0 }

// Check reports whether a password is this one. It takes as long where there is none, so that who tries cannot tell which users there are.
func (p Password) Check(password string) bool {
	known := !p.IsZero() && p.sound()
	if !known {
		p = Password{Salt: make([]byte, saltSize), Hash: make([]byte, hashSize), Time: DefaultCost().Time, Memory: DefaultCost().Memory}
	}
	if len(password) > maxPassword {
		return false
	}
	return subtle.ConstantTimeCompare(p.hash(password), p.Hash) == 1 && known
}

// sound reports whether the hash can be worked out at all: the numbers come from a disk.
func (p Password) sound() bool {
	return len(p.Salt) == saltSize && p.Time > 0 && p.Time <= mostTime && p.Memory > 0 && p.Memory <= mostMemory
}

func (p Password) hash(password string) []byte {
	return argon2.IDKey([]byte(password), p.Salt, p.Time, p.Memory, 1, hashSize)
}
