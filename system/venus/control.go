package venus

import (
	"context"

	"github.com/codastress/codastress/system/coda"
)

// ForceReintegrate waits until every record that is in the log at the moment of the call has been answered by the server. It returns how
// many are left when it fails.
func (v *Venus) ForceReintegrate(ctx context.Context) (remaining uint64, err error) {
	c := v.enter("forcereintegrate", coda.Fid{}, "")
	defer c.leave()
	v.mu.Lock()
	last := new(uint64)
	if v.log.tail != nil {
		*last = v.log.tail.Number
	}
	v.forced[last] = struct{}{}
	v.policies.tokens.loggedIn() // there is no other way to
	v.review()
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		delete(v.forced, last)
		v.mu.Unlock()
	}()
	v.wakeReintegrator()
	for {
		v.mu.Lock()
		remaining = v.log.upTo(*last)
		settled, changed, state, closed := v.settled, v.group.changed, v.group.state, v.closed
		lastErr, batchErr := v.group.why(), v.batchErr
		v.mu.Unlock()
		switch {
		case remaining == 0:
			// Records that others made needless before they were sent must not come back after a loss of power.
			return 0, c.wrap(v.syncAll(c))
		case closed:
			return remaining, c.fail(coda.Closed, "venus is stopping")
		case state == linkDown:
			return remaining, c.fail(coda.TimedOut, "%d records are left and the server is out of reach: %w", remaining, orUnknown(lastErr))
		case state != linkUp:
			settled = changed
		}
		if err := c.waitLong(ctx, settled, changed, "the server to answer the modify log"); err != nil {
			if batchErr != nil {
				err = c.fail(coda.TimedOut, "%d records are left: %w: the server says: %w", remaining, err, batchErr)
			}
			return remaining, err
		}
	}
}

// upTo counts the records with numbers up to n.
func (l *modifyLog) upTo(n uint64) (count uint64) {
	for r := l.head; r != nil && r.Number <= n; r = r.next {
		count++
	}
	return count
}

// Disconnect makes venus behave as if the server did not answer, until Reconnect.
func (v *Venus) Disconnect() {
	for _, r := range v.group.all {
		r.remote.gate(true)
		v.setLink(r, linkDown, errGate)
	}
}

// Reconnect ends a Disconnect.
func (v *Venus) Reconnect() {
	for _, r := range v.group.all {
		r.remote.gate(false)
	}
}

// FlushCache forgets every clean object that is not in use, and returns how many there were and the bytes of their contents.
func (v *Venus) FlushCache() (objects, bytes uint64, err error) { return v.flushCache() }

// ServerState says whether a server is there.
type ServerState struct {
	Address   string
	Up        bool
	State     string // starting, reachable, reconnecting, unreachable
	LastError string
}

// Servers says which of the servers that hold the volume are there, as far as the sessions with them tell, in the order of their slots.
func (v *Venus) Servers() []ServerState {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.servers()
}

func (v *Venus) servers() []ServerState {
	list := make([]ServerState, len(v.group.all))
	for i, r := range v.group.all {
		list[i] = ServerState{Address: r.server.Address, Up: r.state == linkUp, State: r.state.String()}
		if r.lastErr != nil {
			list[i].LastError = r.lastErr.Error()
		}
	}
	return list
}

// VolumeState describes the volume and its cache.
type VolumeState struct {
	Name          string
	ID            uint32 // 0 until the server was reached once
	State         string // reachable, unreachable or resolving; with coda-6.1 hoarding, emulating, logging or resolving
	LogRecords    uint64
	LogBytes      uint64 // of contents that are still to be sent
	CachedObjects uint64
	CachedBytes   uint64
	Conflicts     uint64
	Replicas      []ServerState // in the order of their slots
	Waits         string        // why the modify log is not sent although it could be, "" for no reason
}

// Volume describes the volume and its cache.
func (v *Venus) Volume() VolumeState {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := VolumeState{
		Name: v.cfg.Volume, ID: v.volume.ID, State: v.policies.transitions.state().of(v.cfg.Profile), LogRecords: uint64(v.log.count),
		CachedObjects: uint64(len(v.objects)), CachedBytes: uint64(max(v.cacheBytes, 0)), Conflicts: uint64(v.conflicts.records),
		Replicas: v.servers(), Waits: v.users.waits,
	}
	s.LogBytes = v.log.dirty()
	return s
}
