package vice

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// view is the state of the store after one durable commit. It is read without locks for as long as somebody holds it.
type view struct {
	*pebble.Snapshot
	holders atomic.Int64
	closed  func(error) // hears of a failure to close
}

// newView makes a view of the store's present state, held once.
func newView(db *pebble.DB, closed func(error)) *view {
	v := &view{Snapshot: db.NewSnapshot(), closed: closed}
	v.holders.Store(1)
	return v
}

// hold adds a holder. The caller must know that the view is held.
func (v *view) hold() *view {
	v.holders.Add(1)
	return v
}

// release ends what newView or hold began.
func (v *view) release() {
	if v.holders.Add(-1) == 0 {
		v.closed(v.Close())
	}
}
