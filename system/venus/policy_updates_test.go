package venus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// later runs something, and gives a channel that has the error when it is done.
func later(do func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	synctest.Wait()
	return done
}

// makeDirectory makes a directory in another one.
func (c *client) makeDirectory(dir coda.Fid, name string) error {
	_, err := c.MakeDirectory(context.Background(), dir, name, 0o755, 0)
	return err
}

// Up to Coda 6.1, whoever changes something waits for the server, and so does who looks something up in the same directory meanwhile.
func TestConnectedChangesWaitForTheServer(t *testing.T) {
	for profile, waits := range map[coda.Profile]bool{coda.Coda61: true, coda.Coda69: false, coda.Modern: false} {
		synctest.Test(t, func(t *testing.T) {
			s := vicetest.Start(t)
			n := newNetwork(s)
			c := start(t, s, of(profile), n.use)
			c.write("file", "")
			c.mkdir("other")
			c.settle()
			root, other := must(c.at("")), must(c.at("other"))
			must(c.ReadDirectory(t.Context(), other.Fid))
			time.Sleep(time.Second)
			n.hold()
			made := later(func() error { return c.makeDirectory(root.Fid, "new") })
			looked := later(func() error { _, err := c.Lookup(context.Background(), root.Fid, "file"); return err })
			elsewhere := later(func() error { _, err := c.Lookup(context.Background(), other.Fid, "none"); return err })
			require.ErrorIs(t, <-elsewhere, coda.NotFound)
			if waits {
				require.Empty(t, made)
				require.Empty(t, looked)
				require.Contains(t, c.State(), "waits for the lock of "+root.Fid.String())
			} else {
				require.Len(t, made, 1)
				require.Len(t, looked, 1)
			}
			n.release()
			require.NoError(t, <-made)
			require.NoError(t, <-looked)
		})
	}
}

// must gives what cannot fail in a test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// When the close of a written file returns, the server has it, and so has everything else that was done before.
func TestConnectedChangesAreOnTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		a, b := start(t, s, of(coda.Coda61)), start(t, s, of(coda.Modern))
		a.mkdir("dir")
		a.write("dir/file", "one")
		require.Zero(t, a.Volume().LogRecords)
		require.Equal(t, "one", b.read("dir/file"))
		dir, _ := a.parent("dir/file")
		_, h, err := a.Create(t.Context(), dir, "file", 0, 0, venus.OpenFlags{Write: true})
		require.NoError(t, err)
		for _, contents := range []string{"two", "three"} {
			_, err = h.WriteAt([]byte(contents), 0)
			require.NoError(t, err)
			require.NoError(t, h.Flush(t.Context()))
			require.Zero(t, a.Volume().LogRecords)
			synctest.Wait() // the other client has the break
			require.Equal(t, contents, b.read("dir/file"))
		}
		require.NoError(t, h.Close(t.Context()))
		a.rename("dir/file", "dir/moved")
		a.remove("dir/moved")
		require.Zero(t, a.Volume().LogRecords)
	})
}

// Those who write at the same time do not take each other's changes for a log that is left.
func TestConnectedWritersStayConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		c := start(t, s, of(coda.Coda61))
		must(c.at(""))
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				for j := range 20 {
					c.write(fmt.Sprintf("file%d-%d", i, j), "contents")
				}
			})
		}
		writers.Wait()
		require.Zero(t, c.Volume().LogRecords)
	})
}

// What the server refuses is an error of the caller, and no conflict.
func TestConnectedChangesAreRefusedToTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		n := newNetwork(s)
		a, b := start(t, s, of(coda.Coda61), n.use), start(t, s, of(coda.Modern))
		b.write("file", "")
		b.settle()
		root := must(a.at(""))
		a.read("file")
		n.hold()
		made := later(func() error { return a.makeDirectory(root.Fid, "new") })
		b.mkdir("new")
		b.settle()
		n.release()
		require.ErrorIs(t, <-made, coda.Exists)
		require.Empty(t, must(a.Conflicts()))
		require.Equal(t, must(b.at("new")).Fid, must(a.at("new")).Fid)
	})
}

// While the server is away changes are logged, and when it is back they have to be old enough.
func TestDisconnectedChangesAreLoggedAndAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		a, b := start(t, s, of(coda.Coda61)), start(t, s, of(coda.Modern))
		a.write("file", "connected")
		a.Disconnect()
		a.write("file", "disconnected")
		require.EqualValues(t, 1, a.Volume().LogRecords)
		a.Reconnect()
		time.Sleep(20 * time.Second)
		a.write("other", "while there is a log")
		require.EqualValues(t, 3, a.Volume().LogRecords)
		require.Equal(t, "connected", b.read("file"))
		time.Sleep(2 * time.Minute)
		require.Zero(t, a.Volume().LogRecords)
		require.Equal(t, "disconnected", b.read("file"))
		a.write("file", "connected again")
		require.Zero(t, a.Volume().LogRecords)
		synctest.Wait() // the other client has the break
		require.Equal(t, "connected again", b.read("file"))
	})
}

// A caller who finds the volume busy sleeps for 15 seconds, however soon it is free.
func TestBusyCallersSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t, func(c *vice.Config) { c.Profile = coda.Coda61 })
		a := start(t, s, of(coda.Coda61))
		a.mkdir("dir")
		a.mkdir("other")
		dir, other := must(a.at("dir")), must(a.at("other"))
		holder, log := s.Client(7), s.Client(8).Log()
		session := holder.Open()
		must(holder.Fetch(other.Fid))
		log.MakeDirectory(other.Fid, "reintegrated")
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		reintegrated := later(func() error { _, err := log.SendContext(ctx); return err })
		begin := time.Now()
		made := later(func() error { return a.makeDirectory(dir.Fid, "new") })
		time.Sleep(time.Second)
		require.Empty(t, made)
		require.NoError(t, session.Acknowledge(must(session.Next()).Number))
		require.NoError(t, <-reintegrated)
		require.NoError(t, <-made)
		require.Equal(t, 15*time.Second, time.Since(begin).Round(time.Second))
	})
}

// After twenty times the caller gets an error, and nothing was done.
func TestBusyCallersGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t, func(c *vice.Config) { c.Profile, c.Timing.Death = coda.Coda61, time.Hour })
		a := start(t, s, of(coda.Coda61))
		a.mkdir("dir")
		a.mkdir("other")
		dir, other := must(a.at("dir")), must(a.at("other"))
		holder, log := s.Client(7), s.Client(8).Log()
		holder.Open()
		must(holder.Fetch(other.Fid))
		log.MakeDirectory(other.Fid, "reintegrated")
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		reintegrated := later(func() error { _, err := log.SendContext(ctx); return err })
		begin := time.Now()
		require.ErrorIs(t, a.makeDirectory(dir.Fid, "new"), coda.Busy)
		require.Equal(t, 300*time.Second, time.Since(begin).Round(time.Second))
		holder.Open() // in the place of the session that is waited for
		require.NoError(t, <-reintegrated)
		_, err := a.at("dir/new")
		require.ErrorIs(t, err, coda.NotFound)
		require.Empty(t, must(a.Conflicts()))
		require.NoError(t, a.makeDirectory(dir.Fid, "new"))
	})
}

// From 6.9 on everything is logged, and the log is looked at each ten seconds.
func TestTheLogTrickles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		a, b := start(t, s, of(coda.Coda69)), start(t, s, of(coda.Modern))
		a.write("first", "")
		a.settle()
		time.Sleep(10 * time.Second)
		a.write("file", "logged")
		time.Sleep(time.Second)
		require.EqualValues(t, 2, a.Volume().LogRecords)
		time.Sleep(10 * time.Second)
		require.Zero(t, a.Volume().LogRecords)
		require.Equal(t, "logged", b.read("file"))
	})
}

// In Coda whoever needs a directory after somebody has changed it fetches all of it; today the change is with the break.
func TestDirectoriesAreFetchedAgain(t *testing.T) {
	for profile, waits := range map[coda.Profile]bool{coda.Coda61: true, coda.Coda69: true, coda.Modern: false} {
		synctest.Test(t, func(t *testing.T) {
			s := vicetest.Start(t)
			n := newNetwork(s)
			a, b := start(t, s, of(coda.Modern)), start(t, s, of(profile), n.use)
			a.write("file", "")
			a.settle()
			require.Empty(t, b.read("file"))
			root := must(b.at(""))
			a.write("new", "")
			a.settle()
			time.Sleep(time.Second)
			n.hold()
			looked := later(func() error { _, err := b.Lookup(context.Background(), root.Fid, "file"); return err })
			if waits {
				require.Empty(t, looked)
			} else {
				require.Len(t, looked, 1)
			}
			n.release()
			require.NoError(t, <-looked)
		})
	}
}
