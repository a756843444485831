package venus

import "github.com/codastress/codastress/system/coda"

// directories decides what becomes of a cached directory that others have changed.
type directories interface {
	// changed is told of a change. v.mu is held.
	changed(v *Venus, t *tx, o *object, from *replica, c coda.DirectoryChange)
}

// updated are the directories of today: the change is applied to what is cached, and the promise stays.
type updated struct{}

func (updated) changed(v *Venus, t *tx, o *object, from *replica, c coda.DirectoryChange) {
	v.takeChange(t, o, from, c)
}

// fetchedAgain are the directories of Coda: whoever needs the directory next fetches all of it, and whoever needs it meanwhile waits for that.
type fetchedAgain struct{}

func (fetchedAgain) changed(v *Venus, _ *tx, o *object, from *replica, _ coda.DirectoryChange) {
	v.withdraw(o, from)
	v.notices.object(o.fid)
}
