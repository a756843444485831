package venus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// doomed is a client that will lose its power, in virtual time.
type doomed struct {
	*client
	s    *vicetest.Server
	disk *simdisk.Disk
	deaf atomic.Bool // it hears nothing any more of what the server says
	slip bool        // it is started without reaching the server, and killed, before it is started for good
}

// inPowerLoss runs a test of what a loss of power leaves: before is done once, and after for each of many losses.
func inPowerLoss(t *testing.T, before func(d *doomed), after func(d *doomed, again *client)) {
	t.Helper()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			d := &doomed{s: vicetest.Start(t), disk: simdisk.New()}
			d.client = startIn(t, "cache", d.s, d.use)
			d.warm()
			d.write("old", "old")
			d.settle()
			before(d)
			d.deaf.Store(true)
			d.Disconnect()
			left := d.disk.LosePower(rand.New(rand.NewPCG(seed, 0)))
			d.stop()
			next := func(c *venus.Config) { c.Disk, c.Boot, c.Timing = left, "next", venus.Timing{} }
			if d.slip {
				left = liveAlone(t, d.s, left, next)
			}
			again := startIn(t, "cache", d.s, next)
			again.await(true)
			again.settle()
			conflicts, err := again.Conflicts()
			require.NoError(t, err)
			require.Empty(t, conflicts, "seed %d", seed)
			require.Equal(t, serverTree(d.s), again.tree())
			after(d, again)
		})
	}
}

func (d *doomed) use(c *venus.Config) {
	c.Disk, c.Boot, c.Timing = d.disk, "first", venus.Timing{}
	c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := d.s.Dial(ctx, address)
		return deafConn{conn, &d.deaf}, err
	}
}

// deafConn drops what arrives once deaf is set.
type deafConn struct {
	net.Conn
	deaf *atomic.Bool
}

// Read reads what is heard.
func (c deafConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.deaf.Load() {
			return n, err
		}
	}
}

// replaceServer kills the server while its disk is frozen.
func (d *doomed) replaceServer() {
	frozen := d.s.Simulated()
	d.s.TakeDisk((*simdisk.Disk).Crash)
	frozen.Thaw()
	d.s.Bury()
	d.s.Start()
}

// openWriter opens a file that must be there.
func (d *doomed) openWriter(p string, truncate bool) *venus.Handle {
	return d.open(p, venus.OpenFlags{Write: true, Truncate: truncate})
}

// chmod changes the mode of a file and has that survive.
func (d *doomed) chmod(p string, mode uint32) {
	at, err := d.at(p)
	require.NoError(d.t, err)
	_, err = d.SetAttributes(d.t.Context(), at.Fid, venus.Changes{Mode: &mode})
	require.NoError(d.t, err)
	require.NoError(d.t, d.Sync(d.t.Context()))
}

// requireMode demands that a change of mode has come to the server.
func requireMode(d *doomed, mode uint32) {
	require.Equal(d.t, mode, d.s.Tree()["old"].Mode)
}

// What was done after a store whose contents a loss of power took is based on what was there before the store. The records behind it were
// not read yet when it was taken out of the log, and the server refused them as conflicts.
func TestUpdatesAfterAStoreThatIsLost(t *testing.T) {
	inPowerLoss(t, func(d *doomed) {
		d.Disconnect()
		d.write("old", "never synced")
		d.chmod("old", 0o600)
	}, func(d *doomed, again *client) {
		requireMode(d, 0o600)
		require.Contains(t, []string{"old", "never synced"}, again.read("old"))
	})
}

// The same where the store was under way: the server has applied it or not, and what was done after it fits either. A client that was killed before it
// could ask the server did not start any more.
func TestUpdatesAfterASentStoreThatIsLost(t *testing.T) {
	for name, c := range map[string]struct{ arrives, slip bool }{
		"applied": {arrives: true}, "not applied": {}, "applied, and killed before it asked": {arrives: true, slip: true}, "not applied, and killed": {slip: true},
	} {
		arrives := c.arrives
		t.Run(name, func(t *testing.T) {
			inPowerLoss(t, func(d *doomed) {
				d.slip = c.slip
				d.deaf.Store(true)
				if !arrives {
					d.s.Simulated().Freeze()
				}
				d.write("old", "never synced")
				time.Sleep(time.Second)
				if arrives {
					require.EqualValues(d.t, len("never synced"), d.s.Tree()["old"].Length)
				}
				require.NotZero(d.t, d.Volume().LogRecords)
				d.chmod("old", 0o600)
				if !arrives {
					d.replaceServer()
				}
			}, func(d *doomed, again *client) {
				requireMode(d, 0o600)
				require.Contains(t, []string{"old", "never synced"}, again.read("old"))
			})
		})
	}
}

// Contents that were synced stay so when a copy takes their place because their file is still open. The copy was not synced.
func TestSyncedContentsOfAnOpenFile(t *testing.T) {
	inPowerLoss(t, func(d *doomed) {
		h := d.openWriter("old", true)
		put(t, h, 0, "synced")
		require.NoError(d.t, h.Sync(d.t.Context()))
		d.deaf.Store(true)
		d.s.Simulated().Freeze() // it is not to be saved by the server
		time.Sleep(2 * time.Second)
		require.NoError(d.t, d.Sync(d.t.Context()))
		d.replaceServer()
		d.t.Cleanup(func() { _ = h.Close(context.Background()) })
	}, func(d *doomed, again *client) { require.Equal(d.t, "synced", again.read("old")) })
}

// What was written to synced contents without a sync, before the client was killed, is as safe as they are once the client says that it is
// there: its record says that it was synced. It was not, so that a loss of power could leave contents that are not those of the record.
func TestWrittenToAfterASync(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			s, disk := vicetest.Start(t), simdisk.New()
			boot := func(name string, on *simdisk.Disk) *client {
				c := startIn(t, "cache", s, func(c *venus.Config) { c.Disk, c.Boot, c.Timing = on, name, venus.Timing{} })
				return c
			}
			c := boot("first", disk)
			c.warm()
			c.write("f", "")
			c.settle()
			c.Disconnect()
			h := c.open("f", venus.OpenFlags{Write: true})
			put(t, h, 0, "synced")
			require.NoError(t, h.Sync(t.Context()))
			put(t, h, 6, " and more")
			killed := disk.Crash()
			require.NoError(t, h.Close(t.Context()))
			c.stop()

			s.Stop()
			c = boot("first", killed)
			c.await(false)
			require.Equal(t, "synced and more", c.read("f"))
			require.NoError(t, c.Sync(t.Context()))
			left := killed.LosePower(rand.New(rand.NewPCG(seed, 0)))
			c.stop()
			s.Start()
			c = boot("second", left)
			c.await(true)
			c.settle()
			require.Equal(t, "synced and more", c.read("f"), seed)
		})
	}
}

// A file that was made and removed again before any of it was sent stays removed once the log has been forced out. Nothing had been sent,
// so nothing was synced, and a loss of power brought the file back.
func TestRemovedBeforeItWasSent(t *testing.T) {
	inPowerLoss(t, func(d *doomed) {
		d.Disconnect()
		d.write("short", "lived")
		require.NoError(d.t, d.Sync(d.t.Context()))
		d.remove("short")
		left, err := d.ForceReintegrate(d.t.Context())
		require.NoError(d.t, err)
		require.Zero(d.t, left)
	}, func(d *doomed, again *client) {
		_, err := again.at("short")
		require.ErrorIs(d.t, err, coda.NotFound, fmt.Sprint(again.Volume()))
	})
}

// refusedAndDark has a store of a client refused, as another one had changed the file meanwhile, and another batch answered; then the client loses its
// power. It gives what the client is left with.
func refusedAndDark(t *testing.T, seed uint64, synced bool) []venus.Conflict {
	s := vicetest.Start(t)
	d := &doomed{s: s, disk: simdisk.New()}
	d.client = startIn(t, "cache", s, d.use)
	other := startIn(t, "cache", s, func(c *venus.Config) { c.Disk, c.Timing = simdisk.New(), venus.Timing{} })
	d.warm()
	d.write("old", "old")
	d.settle()
	other.warm()
	require.NoError(t, d.Sync(t.Context()))
	d.Disconnect()
	other.write("old", "the other's")
	other.settle()
	h := d.openWriter("old", true)
	put(t, h, 0, "refused")
	if synced {
		require.NoError(t, h.Sync(t.Context()))
	}
	require.NoError(t, h.Close(t.Context()))
	reader := d.open("old", venus.OpenFlags{Read: true}) // so that nothing is removed meanwhile, which would have it synced
	d.Reconnect()
	d.await(true)
	time.Sleep(time.Second)
	require.EqualValues(t, 1, d.Volume().Conflicts)
	d.mkdir("later")
	time.Sleep(time.Second)
	require.Contains(t, serverTree(s), "later")

	left := d.disk.LosePower(rand.New(rand.NewPCG(seed, 0)))
	require.NoError(t, reader.Close(t.Context()))
	d.stop()
	again := startIn(t, "cache", s, func(c *venus.Config) { c.Disk, c.Boot, c.Timing = left, "next", venus.Timing{} })
	again.await(true)
	again.settle()
	link, err := again.at("old")
	require.NoError(t, err)
	require.True(t, coda.IsConflictTarget(link.Target))
	conflicts, err := again.Conflicts()
	require.NoError(t, err)
	_, err = again.Repair(t.Context(), "old", venus.KeepBoth)
	require.NoError(t, err)
	again.settle()
	require.Equal(t, "refused", again.read("old.local"))
	require.Equal(t, serverTree(s), again.tree())
	return conflicts
}

// What the server has refused is kept, whatever is lost with the power once the client has heard of it. The server answered the refused store that was
// sent again as if it had applied it, since it forgets its refusals with the next batch.
func TestRefusedWorkSurvivesALossOfPower(t *testing.T) {
	for name, synced := range map[string]bool{"synced": true, "not synced": false} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					conflicts := refusedAndDark(t, seed, synced)
					require.Len(t, conflicts, 1, "seed %d", seed)
					require.Equal(t, "refused", string(conflicts[0].Head), "seed %d", seed)
				})
			}
		})
	}
}

// Contents that were sent and never synced can be gone after a loss of power. Who opens the file to write to it gets what the server has, and not what is left:
// that would take the place of the server's.
func TestWritingToContentsThatALossOfPowerTook(t *testing.T) {
	contents, damaged := strings.Repeat("contents", 1500), 0 // of several blocks
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			s, disk := vicetest.Start(t), simdisk.New()
			use := func(c *venus.Config) { c.Disk, c.Boot, c.Timing = disk, "first", venus.Timing{} }
			c := startIn(t, "cache", s, use)
			c.write("file", contents)
			c.settle()
			require.NoError(t, c.Sync(t.Context())) // of all but the contents
			disk = disk.LosePower(rand.New(rand.NewPCG(seed, 0)))
			c.stop()
			containers, err := disk.Entries("cache/containers")
			require.NoError(t, err)
			for _, k := range containers {
				f, err := disk.OpenFile("cache/containers/"+k.Name, os.O_RDONLY)
				require.NoError(t, err)
				text, err := io.ReadAll(f)
				require.NoError(t, errors.Join(err, f.Close()))
				if len(text) == len(contents) && string(text) != contents {
					damaged++
				}
			}
			again := startIn(t, "cache", s, use, func(c *venus.Config) { c.Boot = "next" })
			again.await(true)
			h := again.open("file", venus.OpenFlags{Write: true})
			put(t, h, int64(len(contents)), " and more")
			require.NoError(t, h.Close(t.Context()))
			again.settle()
			require.Equal(t, describe(1, []byte(contents+" and more")), serverTree(s)["file"], "seed %d", seed)
		})
	}
	require.Positive(t, damaged, "no loss of power has left the length without the contents")
}

// slowConn takes its time for what arrives.
type slowConn struct{ net.Conn }

// Read reads what has been on its way.
func (c slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	time.Sleep(50 * time.Millisecond)
	return n, err
}

// Who waits for the log hears that there is nothing left of it, also where its last record was a store that a loss of power took.
func TestForcedWhileTheOnlyStoreIsLost(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			d := &doomed{s: vicetest.Start(t), disk: simdisk.New()}
			d.client = startIn(t, "cache", d.s, d.use)
			d.warm()
			d.write("old", "old")
			d.settle()
			require.NoError(t, d.Sync(t.Context()))
			d.deaf.Store(true)
			d.write("old", "never synced")
			time.Sleep(time.Second)
			require.NotZero(t, d.Volume().LogRecords)
			left := d.disk.LosePower(rand.New(rand.NewPCG(seed, 0)))
			d.stop()
			again := startIn(t, "cache", d.s, func(c *venus.Config) {
				c.Disk, c.Boot, c.Timing = left, "next", venus.Timing{}
				c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
					conn, err := d.s.Dial(ctx, address)
					return slowConn{conn}, err
				}
			})
			again.await(true)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			remaining, err := again.ForceReintegrate(ctx)
			require.NoError(t, err, "seed %d: %s", seed, again.State())
			require.Zero(t, remaining)
		})
	}
}
