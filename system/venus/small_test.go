package venus

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// A cache of 100,000 objects has as many of these. The bounds are classes of sizes of the allocator: a field more would cost the next.
func TestObjectsAreSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(object{}), uintptr(256))
	require.LessOrEqual(t, unsafe.Sizeof(container{}), uintptr(64))
	require.LessOrEqual(t, unsafe.Sizeof(standing{}), uintptr(24))
}

// What the server says is kept in half the space, and nothing of it is lost.
func TestWordsKeepEverything(t *testing.T) {
	fid := rapid.Custom(func(t *rapid.T) coda.Fid {
		return coda.Fid{Volume: rapid.Uint32Min(1).Draw(t, "volume"), Vnode: rapid.Uint64().Draw(t, "vnode"), Unique: rapid.Uint64().Draw(t, "unique")}
	})
	rapid.Check(t, func(t *rapid.T) {
		s := coda.Status{
			Fid: fid.Draw(t, "fid"), Kind: coda.ObjectKind(rapid.IntRange(1, 3).Draw(t, "kind")), Mode: rapid.Uint32().Draw(t, "mode"),
			Length: rapid.Uint64().Draw(t, "length"), Links: rapid.Uint32().Draw(t, "links"), Modified: coda.Time(rapid.Int64().Draw(t, "modified")),
			Owner: rapid.Uint32().Draw(t, "owner"), Parent: fid.Draw(t, "parent"), Target: rapid.String().Draw(t, "target"),
		}
		if s.Kind == coda.Directory { // which has no target, and nothing else an ACL
			s.Target, s.ACL = "", coda.ACL(s.Target)
		}
		copy(s.Version.Slots[:], rapid.SliceOfN(rapid.Uint64(), coda.VersionSlots, coda.VersionSlots).Draw(t, "slots"))
		copy(s.Version.Store.Client[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "client"))
		s.Version.Store.Number = rapid.Uint64().Draw(t, "number")
		copy(s.Digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		w := wordOf(s)
		require.Equal(t, s, w.status(s.Fid))
		require.Equal(t, s.Version, w.version())
	})
	var none word
	require.Equal(t, none, wordOf(coda.Status{}))
	require.Equal(t, coda.Status{}, none.status(coda.Fid{Volume: 1, Vnode: 2, Unique: 3}))
}

// Venus ends soon after a large tree was removed: the files of what was in it, of which removing takes seconds, are left to the next start, which does
// not wait for that either. It used to remove them all first, and to be killed for taking so long.
func TestCloseDoesNotWaitForRemovedFiles(t *testing.T) {
	v := isolated(t, disk.Real())
	dir := v.containers.dir
	const files = 3 * sweepSize
	v.mu.Lock()
	for i := range files {
		k := v.containers.named(fmt.Sprintf("0-%d", i))
		require.NoError(t, os.WriteFile(filepath.Join(dir, k.name), []byte("x"), 0o600))
		v.doomed = append(v.doomed, k)
	}
	v.mu.Unlock()
	require.NoError(t, v.Close(t.Context()))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Greater(t, len(left), files-sweepSize)

	again, err := Open(t.Context(), v.cfg)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		left, err := os.ReadDir(dir)
		return err == nil && len(left) <= maxSpare+1 // the empty one that all files without contents share
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, again.Close(t.Context()))
}
