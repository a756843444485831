package venus_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// takenByBoth gives a client that gave a file another name, did something by it, and removed the file's other name, while another client removed the name that the
// file had had. What the first one did is still in its log, which waits for a minute.
func takenByBoth(t *testing.T, name string, do func(a *client)) (a, b *client) {
	s := vicetest.Start(t)
	slow := func(c *venus.Config) { c.Timing.Age = time.Minute }
	a, b = start(t, s, of(coda.Modern), slow), start(t, s, of(coda.Modern))
	b.write("first", "file")
	at := must(b.at("first"))
	dir, _ := b.parent("first")
	must(b.Link(t.Context(), dir, "second", at.Fid))
	b.settle()
	require.Equal(t, "file", a.read("second"))
	a.rename("second", name)
	do(a)
	a.remove("first")
	b.remove("second")
	b.settle()
	return a, b
}

// goneBehind gives a client with a name that stands for a file that is gone.
func goneBehind(t *testing.T, name string) *client {
	a, _ := takenByBoth(t, name, func(*client) {})
	time.Sleep(time.Second)
	_, err := a.at(name)
	require.ErrorIs(t, err, coda.NotFound)
	require.EqualValues(t, 2, a.Volume().LogRecords)
	return a
}

// A file can neither be opened by such a name nor made. Without the server nothing will change about that, so that the call fails at once.
func TestAFileIsNotMadeWhereANameStandsForWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := goneBehind(t, "third")
		a.Disconnect()
		dir, name := a.parent("third")
		ctx := &impatient{Context: t.Context(), done: make(chan struct{})}
		go ctx.lose(t)
		_, h, err := a.Create(ctx, dir, name, 0o644, 0, venus.OpenFlags{Write: true})
		require.Nil(t, h)
		require.ErrorIs(t, err, coda.TimedOut)
	})
}

// impatient is a context that ends although no time passes: somebody is busy.
type impatient struct {
	context.Context
	done chan struct{}
}

func (i *impatient) lose(t *testing.T) {
	for n := 0; n < 10_000 && t.Context().Err() == nil; n++ {
		runtime.Gosched()
	}
	close(i.done)
}

func (i *impatient) Done() <-chan struct{} { return i.done }

func (i *impatient) Err() error {
	select {
	case <-i.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// With the server the call waits until that has said what it thinks of the log.
func TestANameThatStandsForWhatIsGoneIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := goneBehind(t, "third")
		require.ErrorIs(t, a.tryWrite("third", "new"), coda.Invalid, "it is in conflict now")
	})
}

// What was written to a file by a name that the server refuses is kept and shows, although this client and another one have taken all names that the
// server knows of it.
func TestWhatWasWrittenToAFileThatIsGoneShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := takenByBoth(t, "third", func(a *client) { a.write("third", "mine") })
		a.Disconnect()
		a.Reconnect() // so that it asks what the server has by now
		time.Sleep(2 * time.Minute)
		require.Zero(t, a.Volume().LogRecords)
		require.NotEmpty(t, must(a.Conflicts()))
		require.NoError(t, a.Expand(t.Context(), "third"))
		require.Equal(t, "mine", a.read("third/local"))
		require.NoError(t, a.Collapse(t.Context(), "third"))
		must(a.Repair(t.Context(), "third", venus.KeepLocal))
		time.Sleep(2 * time.Minute)
		require.Zero(t, a.Volume().LogRecords)
		require.Equal(t, "mine", b.read("third"))
	})
}

// What a client had moved into a directory that the server refused to make may be gone by now. The name in the local version leads nowhere then, and
// nothing will ever settle it: nobody asks the server again and again.
func TestANameInARefusedDirectoryCanLeadNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		n := newNetwork(s)
		a, b := start(t, s, of(coda.Modern), n.use), start(t, s, of(coda.Modern))
		b.write("file", "old")
		b.settle()
		require.Equal(t, "old", a.read("file"))
		synctest.Wait() // it has vnode numbers, too
		a.Disconnect()
		a.mkdir("d")
		a.rename("file", "d/moved")
		b.mkdir("d")
		b.remove("file")
		b.settle()
		a.Reconnect()
		time.Sleep(time.Minute)
		require.Len(t, must(a.Conflicts()), 2)
		require.NoError(t, a.Expand(t.Context(), "d"))
		local := must(a.at("d/local"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n.limit(100_000, cancel)
		_, err := a.Lookup(ctx, local.Fid, "moved")
		require.ErrorIs(t, err, coda.NotFound)
		require.NoError(t, ctx.Err(), "the server was asked again and again")
	})
}

// limit calls something when so many bytes have come from the server.
func (n *network) limit(bytes int, reached func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onRead = func(_ *network, read int) {
		if bytes -= read; bytes < 0 {
			reached()
		}
	}
}

// A file whose only name on the server another client has taken has the name that this client had given it, also when this client takes the first name as well,
// and in however many batches that is refused.
func TestANameGivenToAFileThatIsGoneShows(t *testing.T) {
	for _, records := range []int{1, 2, 3, 4} {
		synctest.Test(t, func(t *testing.T) {
			s := vicetest.Start(t)
			batches := func(c *venus.Config) { c.Limits.BatchRecords = records }
			a, b := start(t, s, of(coda.Modern), batches), start(t, s, of(coda.Modern))
			b.write("first", "file")
			b.settle()
			require.Equal(t, "file", a.read("first"))
			a.Disconnect()
			dir, _ := a.parent("first")
			must(a.Link(t.Context(), dir, "second", must(a.at("first")).Fid))
			a.write("second", "mine")
			b.remove("first")
			b.settle()
			a.remove("first")
			require.Equal(t, "mine", a.read("second"))
			a.Reconnect()
			time.Sleep(2 * time.Minute)
			require.Zero(t, a.Volume().LogRecords)
			kept := must(a.Conflicts())
			require.NotEmpty(t, kept)
			shown := kept[len(kept)-1].Path
			require.NoError(t, a.Expand(t.Context(), shown), kept)
			require.Equal(t, "mine", a.read(shown+"/local"), records)
		})
	}
}
