package venus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// The names of the metadata values, each JSON: there are few and people read them.
const (
	metaIdentity = "identity" // identity
	metaVolume   = "volume"   // volumeInfo
	metaMounts   = "mounts"   // mounts
	metaNumbers  = "numbers"  // numbers
	metaGrants   = "grants"   // grants
	metaFrozen   = "frozen"   // frozen
	metaTokens   = "tokens"   // []*credential

	metaRestricted = "restricted" // bool: there are ACLs in the volume
)

// identity is made with the cache, except for Boot and Starts.
type identity struct {
	Client coda.ClientID
	Volume string
	Boot   string // the run of the operating system in which the cache was used last
	Starts uint64 // counts openings, for names that are never used twice
	Since  uint64 // the opening that was the first in that run
}

// volumeInfo is what the server said about the volume at the root.
type volumeInfo struct {
	ID   uint32
	Root coda.Fid
}

// numbers says that the record numbers below Limit may have been used. Limit runs ahead of what is used, a restart goes on from it, and it
// is synced before a record with a number below it is sent, so even a power loss cannot make two records with one number.
type numbers struct{ Limit uint64 }

// numberBlock is by how much Limit runs ahead.
const numberBlock = 1 << 16

// grants are the vnode numbers that the server granted and that are not used yet. Those of the first range below Limit may have been used;
// Limit works as in numbers.
type grants struct {
	Ranges []grant
	Limit  uint64
}

// grant is the numbers First to End-1.
type grant struct{ First, End uint64 }

// grantBlock is by how much the Limit of grants runs ahead.
const grantBlock = 1 << 10

// frozen is the batch that is under way: it must be sent again as it was until it is answered. Zero for none.
type frozen struct{ First, Last uint64 }

func kernelBoot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// readMeta reads a metadata value; found is false where there is none.
func readMeta(db *pebble.DB, name string, into any) (found bool, err error) {
	b, closer, err := db.Get(metaKey(name))
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s of the cache: %w", name, err)
	}
	defer closer.Close()
	if err := json.Unmarshal(b, into); err != nil {
		return false, fmt.Errorf("read %s of the cache: %w", name, err)
	}
	return true, nil
}

// newClientID draws the name of a new cache.
func newClientID(entropy io.Reader) (coda.ClientID, error) {
	var c coda.ClientID
	for c.IsZero() {
		if _, err := io.ReadFull(entropy, c[:]); err != nil {
			return c, fmt.Errorf("draw a client id: %w", err)
		}
	}
	return c, nil
}
