package venus

import (
	"context"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// maxUpdates is the largest number of batches that one COP2 speaks about.
const maxUpdates = 1000

// owe notes that the replicas that have done the same with a batch are to be told of each other. What is owed to a replica is forgotten with it, and with
// venus: then the servers find out by themselves. v.mu is held.
func (v *Venus) owe(batch []*record, groups []replicas) {
	if !v.group.replicated() {
		return
	}
	for _, group := range groups {
		for _, r := range v.group.members(group) {
			r.owed = append(r.owed, &vicepb.UpdateSet{Volume: volumeOf(batch[0].Record), First: batch[0].Number, Last: batch[len(batch)-1].Number, Slots: uint32(group)})
			wake(r.wakeOwed)
		}
	}
}

// payOwed sends a replica the second phases of updates, Coda's COP2, as soon as the one before has been answered: what comes together meanwhile goes in
// one message.
func (v *Venus) payOwed(ctx context.Context, r *replica) {
	for {
		v.mu.Lock()
		if r.state != linkUp {
			r.owed = nil
		}
		updates := r.owed[:min(len(r.owed), maxUpdates)]
		r.owed = r.owed[len(updates):]
		request := &vicepb.COP2Request{Client: wire.ClientIDToProto(v.id.Client), Updates: updates}
		v.mu.Unlock()
		if len(updates) == 0 {
			select {
			case <-r.wakeOwed:
			case <-ctx.Done():
				return
			}
			continue
		}
		if err := v.pay(ctx, r, request); err != nil && ctx.Err() == nil {
			v.logger.Warn("tell a server which others have applied a batch", "server", r.server.Address, "error", err)
			if coda.KindOf(err) == coda.TimedOut && !v.owesAgain(ctx, r, updates) {
				return
			}
		}
	}
}

func (v *Venus) pay(ctx context.Context, r *replica, request *vicepb.COP2Request) error {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timing.Idle)
	defer cancel()
	if _, err := r.remote.vice.COP2(ctx, request); err != nil {
		return wire.FromError("COP2", err)
	}
	return nil
}

// owesAgain puts back what could not be sent, to be sent after a pause where the replica is still there. It reports whether the context has not ended.
func (v *Venus) owesAgain(ctx context.Context, r *replica, updates []*vicepb.UpdateSet) bool {
	v.mu.Lock()
	r.owed = append(updates[:len(updates):len(updates)], r.owed...)
	v.mu.Unlock()
	return pause(ctx, v.cfg.Timing.Retry)
}
