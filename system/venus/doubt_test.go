package venus_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// roomForBatches is more than the server wants to be free before it takes a batch.
const roomForBatches = 1 << 30

// A batch whose answer is lost may have been applied, whatever the server says when it is sent again: here that its disk is full. What was made in it, and
// is removed or changed meanwhile, is on the server, and has to be removed or changed there. The records used to be taken back, as if they
// had never been sent.
func TestABatchThatMayHaveBeenAppliedIsNotTakenBack(t *testing.T) {
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &doomed{s: vicetest.Start(t), disk: simdisk.New()}
				d.client = startIn(t, "cache", d.s, d.use)
				d.warm()
				d.write("old", "old")
				d.settle()
				d.deaf.Store(true)
				if !applied {
					d.s.Simulated().Freeze()
				}
				d.mkdir("directory")
				d.write("removed", "short-lived")
				d.write("changed", "at first")
				time.Sleep(time.Second)
				if !applied {
					d.replaceServer()
				} else {
					require.Contains(t, d.s.Tree(), "removed")
				}
				full := d.s.Simulated()
				full.SetCapacity(full.Used() + 1)
				d.deaf.Store(false)
				d.Disconnect()
				d.Reconnect()
				d.await(true)
				time.Sleep(time.Minute)

				d.remove("removed")
				d.write("changed", "in the end")
				root, err := d.Root(t.Context())
				require.NoError(t, err)
				require.NoError(t, d.RemoveDirectory(t.Context(), root.Fid, "directory"))
				full.SetCapacity(full.Used() + roomForBatches)
				d.settle()
				conflicts, err := d.Conflicts()
				require.NoError(t, err)
				require.Empty(t, conflicts)
				require.Equal(t, serverTree(d.s), d.tree())
				require.Len(t, serverTree(d.s), 2)
				require.Equal(t, "in the end", d.read("changed"))
				_, err = d.at("removed")
				require.ErrorIs(t, err, coda.NotFound)
			})
		})
	}
}
