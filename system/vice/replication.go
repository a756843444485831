package vice

import (
	"crypto/sha256"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// Replication says which servers hold the volume. The zero value is a volume that this server holds alone.
type Replication struct {
	Slot  int    // of this server in version vectors
	Peers []Peer // the servers of the volume in the order of their slots, this one included; none or one for a volume without replicas
}

// Peer is how another server of the volume is reached. Of this server itself nothing is used.
type Peer struct {
	Address    string
	Connection wire.ClientConfig
}

// replicas is how many servers hold the volume.
func (r Replication) replicas() int { return max(1, len(r.Peers)) }

// replicated reports whether other servers hold the volume, too.
func (r Replication) replicated() bool { return r.replicas() > 1 }

// all has the bit of each slot set.
func (r Replication) all() slots { return slots(1)<<r.replicas() - 1 }

func (r Replication) check() error {
	if n := r.replicas(); n > coda.VersionSlots || r.Slot < 0 || r.Slot >= n {
		return coda.Errorf("configure server", coda.Invalid, "slot %d of %d replicas, at most %d are allowed", r.Slot, n, coda.VersionSlots)
	}
	return nil
}

// slots is a set of replicas: bit i is the one in slot i.
type slots uint32

// has reports whether a replica is in the set.
func (s slots) has(slot int) bool { return s>>slot&1 == 1 }

// slotShift is where the slot stands in the numbers that a server of a replicated volume grants, so that servers that are cut off from each other
// never grant the same one.
const slotShift = 56

// grantedBy gives the slot of the server that has granted a number, and what counts its grants.
func grantedBy(number uint64) (slot int, count uint64) {
	return int(number >> slotShift), number & (1<<slotShift - 1)
}

// rootStore is the store id that the root of a replicated volume has when it is made: the same on all replicas.
func rootStore(volume string) coda.StoreID {
	sum := sha256.Sum256([]byte("root of " + volume))
	return coda.StoreID{Client: coda.ClientID(sum[:16]), Number: 1}
}
