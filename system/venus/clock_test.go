package venus_test

import (
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

// wrongClock is a machine's clock, and how far it is ahead.
type wrongClock struct{ ahead atomic.Int64 }

func (w *wrongClock) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())).Round(0) }

func (w *wrongClock) set(ahead time.Duration) { w.ahead.Store(int64(ahead)) }

// use gives a client the clock, and a disk with it.
func (w *wrongClock) use(c *venus.Config) {
	d := simdisk.New()
	d.SetClock(w.now)
	c.Disk, c.Clock = d, w.now
}

// jumps are from a second to a week, in both directions.
func jumps() []time.Duration {
	return []time.Duration{time.Second, -time.Second, time.Hour, -time.Hour, 7 * 24 * time.Hour, -7 * 24 * time.Hour}
}

// What is logged reaches the server no later because the clock is set in between, also when venus is started again.
func TestAClockThatIsSetHoldsNothingUp(t *testing.T) {
	for profile, within := range map[coda.Profile]time.Duration{coda.Modern: time.Second, coda.Coda61: 2 * time.Minute, coda.Coda69: time.Minute} {
		for _, jump := range jumps() {
			synctest.Test(t, func(t *testing.T) {
				s := vicetest.Start(t)
				var clock wrongClock
				c := start(t, s, of(profile), clock.use)
				c.warm()
				for _, ahead := range []time.Duration{jump, 0} {
					c.Disconnect()
					c.write("file", ahead.String())
					clock.set(ahead)
					c.mkdir("directory " + ahead.String())
					c.Reconnect()
					time.Sleep(within)
					require.Zero(t, c.Volume().LogRecords, "%s, %v", profile, jump)

					c.Disconnect()
					c.write("file", "again")
					clock.set(-ahead)
					c = c.restart()
					c.ShowToken()
					time.Sleep(within)
					require.Zero(t, c.Volume().LogRecords, "%s, %v, after a restart", profile, jump)
				}
			})
		}
	}
}

// While records are logged one after the other, the clock is set back between the first and the look at it.
func TestAClockThatIsSetBackWhileTheLogIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		var clock wrongClock
		c := start(t, s, of(coda.Modern), clock.use)
		c.warm()
		c.write("file", "")
		time.Sleep(time.Millisecond)
		clock.set(-time.Hour)
		time.Sleep(time.Second)
		require.Zero(t, c.Volume().LogRecords)
	})
}

// A lease, an attempt and a deadline last as long as they should, whatever the clock says: only the times of files change.
func TestAClockThatIsSetShortensNoDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		var clock wrongClock
		n := newNetwork(s)
		a, b := start(t, s, of(coda.Modern), clock.use, n.use), start(t, s, of(coda.Modern))
		b.write("file", "first")
		b.settle()
		a.warm()
		require.Equal(t, "first", a.read("file"))
		for _, jump := range append(jumps(), 0) {
			clock.set(jump)
			began := time.Now()
			time.Sleep(5 * time.Second)
			require.True(t, a.Servers()[0].Up, "%v", jump)
			b.write("file", jump.String())
			b.settle()
			synctest.Wait()
			require.Equal(t, jump.String(), a.read("file"))
			require.Less(t, time.Since(began), 6*time.Second)
			a.write("mine", jump.String())
			at := must(a.at("mine")).Modified.Standard()
			require.WithinDuration(t, clock.now(), at, time.Second, "%v", jump)
			require.Zero(t, a.age("mine"))
			emptied := a.open("mine", venus.OpenFlags{Write: true, Truncate: true})
			require.NoError(t, emptied.Close(t.Context()))
			require.Zero(t, a.age("mine"), "%v, truncated", jump)
		}
	})
}

// age is how far the time of a file is from what venus takes for the present, in whole minutes.
func (c *client) age(p string) time.Duration {
	at, err := c.at(p)
	require.NoError(c.t, err)
	return c.Clock().Sub(at.Modified.Standard()).Truncate(time.Minute)
}

// A directory has the time of the last change of a name in it, also where that is before the time that it had: that can be from another client's clock, or
// set by a program. At the server it has it, too, as soon as the change is there.
func TestDirectoriesChangeAtTheTimeOfTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		var clock wrongClock
		clock.set(time.Hour)
		a, b := start(t, s, of(coda.Modern), clock.use), start(t, s, of(coda.Modern))
		a.mkdir("d")
		a.write("d/x", "")
		a.settle()
		require.WithinDuration(t, time.Now().Add(time.Hour), must(b.at("d")).Modified.Standard(), time.Second)
		b.warm()
		b.Disconnect()
		b.write("d/y", "")
		here := must(b.at("d")).Modified
		require.WithinDuration(t, time.Now(), here.Standard(), time.Second)
		b.Reconnect()
		b.settle()
		require.Equal(t, here, s.Tree()["d"].Modified)
		require.Equal(t, here, must(b.at("d")).Modified)
	})
}
