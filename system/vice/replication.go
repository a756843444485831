package vice

import (
	"crypto/sha256"
	"fmt"

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
	Name       string // in its certificate: only who has such a one is answered as a server; "" where there is no TLS
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

// The numbers that a server of a replicated volume grants have its slot in their highest byte, so that servers that are cut off from each other never
// grant the same one. Below it stands the life of its store: a server that lost its disk does not know what it had granted, and clients may make objects
// of that yet. A volume that is not replicated has slot 0 and life 0.
const (
	slotShift = 56
	lifeShift = 32
	lifeBytes = (slotShift - lifeShift) / 8
	mostCount = 1<<lifeShift - 1
)

// grant is a number taken apart.
type grant struct {
	slot  int
	life  uint64
	count uint64 // rises from grant to grant
}

func grantOf(number uint64) grant {
	return grant{slot: int(number >> slotShift), life: number >> lifeShift & (1<<(slotShift-lifeShift) - 1), count: number & mostCount}
}

// firstNumber is the first one that a server can grant whose store is new. The id of the store was drawn, and tells it from those before.
func (r Replication) firstNumber(store coda.ClientID) uint64 {
	if !r.replicated() {
		return coda.RootNumber + 1
	}
	life := uint64(0)
	for _, b := range store[:lifeBytes] {
		life = life<<8 | uint64(b)
	}
	return uint64(r.Slot)<<slotShift | life<<lifeShift | (coda.RootNumber + 1)
}

// rootStore is the store id that the root of a volume has when it is made: the same on all servers.
func rootStore(v Volume) coda.StoreID {
	sum := sha256.Sum256(fmt.Appendf(nil, "root of %s, %x", v.Name, v.ID))
	return coda.StoreID{Client: coda.ClientID(sum[:16]), Number: 1}
}
