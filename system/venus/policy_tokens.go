package venus

import (
	"errors"

	"github.com/codastress/codastress/system/coda"
)

// tokens decides what becomes of a modify log whose owner has not logged in since venus was started. v.mu is held.
type tokens interface {
	// disconnect reports whether the volume has to be disconnected, although a server may be there.
	disconnect() bool
	// send reports whether the log may be sent.
	send() bool
	// loggedIn is told that the user has acted.
	loggedIn()
}

// errNoToken is why a volume is disconnected whose servers are there.
var errNoToken = errors.New("the modify log has an owner who has not logged in since venus was started")

func tokensOf(v *Venus) tokens {
	if !v.cfg.Profile.Historical() {
		return kept{}
	}
	// A new cache is one whose user has just installed it, and is logged in.
	return &forgotten{v: v, gone: v.id.Starts > 1, disconnects: v.cfg.Profile == coda.Coda61}
}

// kept are the tokens of today: a restart is nothing that a user has to notice.
type kept struct{}

func (kept) disconnect() bool { return false }

func (kept) send() bool { return true }

func (kept) loggedIn() {}

// forgotten are the tokens of Coda: they are in the memory of venus, and a restart loses them. Who changes something is not asked for one here, but a log
// that is left is not sent without. Up to 6.1 such a volume is disconnected as well.
type forgotten struct {
	v           *Venus
	gone        bool
	disconnects bool
}

func (f *forgotten) disconnect() bool { return f.gone && f.disconnects && f.v.leftOver(nil) }

func (f *forgotten) send() bool { return !f.gone || !f.v.leftOver(nil) }

func (f *forgotten) loggedIn() { f.gone = false }
