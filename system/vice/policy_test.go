package vice_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
)

// death is how long Coda's server waits for a client that does not answer a break.
const death = 30 * time.Second

// historical runs a test in virtual time with a server of coda-6.1, and a client that changes something of which another one was promised to be
// told.
func historical(t *testing.T, test func(t *testing.T, w *promised)) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t, func(c *vice.Config) { c.Profile = coda.Coda61 })
		w := &promised{world: newWorld(t, s), s: s, holder: s.Client(3)}
		w.me.Open()
		w.session = w.holder.Open()
		require.True(t, w.session.Welcome.Acknowledge)
		for _, f := range []coda.Fid{w.root, w.file.Fid} {
			got, err := w.holder.Fetch(f)
			require.NoError(t, err)
			require.True(t, got.Promised)
		}
		test(t, w)
	})
}

type promised struct {
	*world
	s       *vicetest.Server
	holder  *vicetest.Client
	session *vicetest.Callbacks
}

// within is a bound that no test reaches.
func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Hour)
}

// send sends a batch, and gives a channel that has the error when it has been answered.
func (w *promised) send(log *vicetest.Log) <-chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := within()
		defer cancel()
		_, err := log.SendContext(ctx)
		done <- err
	}()
	synctest.Wait()
	return done
}

// remove sends the remove of a file as a connected client does.
func (w *promised) remove() <-chan error {
	log := w.me.Log()
	log.Connected = true
	log.Add(coda.Remove{Parent: w.root, Name: "file", Fid: w.file.Fid, Base: w.file.Version})
	return w.send(log)
}

// fetch fetches something as another client, and gives a channel that has the error when it has been answered.
func (w *promised) fetch(f coda.Fid) <-chan error {
	done := make(chan error, 1)
	reader := w.s.Client(4)
	go func() {
		_, err := reader.Fetch(f)
		done <- err
	}()
	synctest.Wait()
	return done
}

// A change waits until everybody who was promised to be told has acknowledged, one object after the other, and so does who reads what it changes.
func TestChangesWaitForAcknowledgements(t *testing.T) {
	historical(t, func(t *testing.T, w *promised) {
		removed := w.remove()
		reading, unrelated := w.fetch(w.root), w.fetch(w.other.Fid)
		require.Empty(t, removed)
		require.Empty(t, reading)
		require.NoError(t, <-unrelated)
		require.Contains(t, w.s.Vice().State(), "waits for client test to acknowledge the break of "+w.root.String())
		require.Contains(t, w.s.Vice().State(), w.root.String()+" is locked for writing, 1 wait")
		b, err := w.session.Next()
		require.NoError(t, err)
		require.Equal(t, wire.Break{Number: 1, Fid: w.root}, b)
		require.NoError(t, w.session.Acknowledge(b.Number))
		b, err = w.session.Next()
		require.NoError(t, err)
		require.Equal(t, w.file.Fid, b.Fid)
		require.Empty(t, removed)
		require.NoError(t, w.session.Acknowledge(b.Number))
		require.NoError(t, <-removed)
		require.NoError(t, <-reading)
	})
}

// A client that does not answer holds a change up until it counts as dead, whether its connection is there or not. Then it is forgotten, which it
// learns with its next ping.
func TestChangesWaitForTheDead(t *testing.T) {
	for _, end := range []struct {
		name string
		do   func(*vicetest.Callbacks)
	}{
		{"frozen", func(*vicetest.Callbacks) {}},
		{"killed", func(c *vicetest.Callbacks) { c.Close() }},
	} {
		t.Run(end.name, func(t *testing.T) {
			historical(t, func(t *testing.T, w *promised) {
				end.do(w.session)
				synctest.Wait()
				start := time.Now()
				require.NoError(t, <-w.remove())
				require.Equal(t, death, time.Since(start).Round(time.Second))
				log := w.me.Log()
				log.Connected = true
				log.Create(w.root, "next")
				start = time.Now()
				require.NoError(t, <-w.send(log))
				require.Less(t, time.Since(start), time.Second)
				_, err := w.session.Sync()
				require.Error(t, err)
			})
		})
	}
}

// A client that is back is not waited for.
func TestChangesDoNotWaitForASessionThatWasReplaced(t *testing.T) {
	historical(t, func(t *testing.T, w *promised) {
		removed := w.remove()
		time.Sleep(death / 3)
		require.Empty(t, removed)
		w.holder.Open()
		start := time.Now()
		require.NoError(t, <-removed)
		require.Less(t, time.Since(start), time.Second)
	})
}

// Whoever finds the volume locked by somebody who has it for himself is refused at once. Those who share it are not.
func TestNobodyWaitsForTheVolume(t *testing.T) {
	historical(t, func(t *testing.T, w *promised) {
		other := w.s.Client(5)
		change := func(connected bool, name string) *vicetest.Log {
			log := other.Log()
			log.Connected = connected
			log.Create(w.root, name)
			return log
		}
		log := w.me.Log()
		log.Add(coda.Remove{Parent: w.root, Name: "file", Fid: w.file.Fid, Base: w.file.Version})
		reintegrating := w.send(log)
		require.ErrorIs(t, <-w.send(change(true, "a")), coda.Busy)
		require.ErrorIs(t, <-w.send(change(false, "a")), coda.Busy)
		require.NoError(t, <-reintegrating)

		_, err := w.holder.Fetch(w.root)
		require.NoError(t, err)
		w.holder.Open()
		_, err = w.holder.Fetch(w.root)
		require.NoError(t, err)
		shared := w.send(change(true, "b"))
		require.Empty(t, shared)
		third := w.s.Client(6)
		log = third.Log()
		log.Create(w.root, "c")
		alone := w.send(log)
		require.Empty(t, alone, "it waits for those who share the volume")
		require.ErrorIs(t, <-w.send(change(true, "d")), coda.Busy)
		require.NoError(t, <-shared)
		require.NoError(t, <-alone)
	})
}

// The server stops although somebody waits for a client.
func TestTheServerStopsWhileAChangeWaits(t *testing.T) {
	historical(t, func(t *testing.T, w *promised) {
		removed := w.remove()
		require.Empty(t, removed)
		w.s.Stop()
		require.Error(t, <-removed)
		w.s.Start()
	})
}

// Today nobody waits for anybody.
func TestModernChangesWaitForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		w := &promised{world: newWorld(t, s), s: s, holder: s.Client(3)}
		w.me.Open()
		w.session = w.holder.Open()
		require.False(t, w.session.Welcome.Acknowledge)
		_, err := w.holder.Fetch(w.root)
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, <-w.remove())
		require.Less(t, time.Since(start), time.Second)
	})
}
