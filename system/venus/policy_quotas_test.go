package venus_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// bound sets the quota of the volume at the root. Clients in reach have heard of it when it returns.
func bound(t *testing.T, s *vicetest.Server, q vice.Quota) {
	t.Helper()
	require.NoError(t, s.Vice().SetQuota(t.Context(), vicetest.Volume, q))
	time.Sleep(time.Second)
}

// put writes a file, or makes it, as an application does that looks at what each call says.
func (c *client) put(p, contents string) error {
	dir, name := c.parent(p)
	_, h, err := c.Create(c.t.Context(), dir, name, 0o644, 0, venus.OpenFlags{Write: true, Truncate: true})
	if err != nil {
		return err
	}
	_, err = h.WriteAt([]byte(contents), 0)
	return errors.Join(err, h.Flush(c.t.Context()), h.Close(c.t.Context()))
}

// What a volume has no room for is refused before anybody is told that it is done, and what makes room does so at once, whoever does it.
func TestQuotasAreForeseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		a, b := start(t, s), start(t, s)
		a.write("x", "one")
		a.settle()
		require.Equal(t, "one", b.read("x"))
		bound(t, s, vice.Quota{Bytes: 10, Objects: 2})

		require.ErrorIs(t, a.put("x", "more than ten bytes"), coda.QuotaExceeded)
		require.Equal(t, "one", a.read("x"))
		require.NoError(t, a.put("y", "seven b"))
		require.ErrorIs(t, a.put("z", ""), coda.QuotaExceeded)
		require.ErrorIs(t, must2(a.MakeDirectory(t.Context(), a.volumeRoot(), "d", 0o755, 0)), coda.QuotaExceeded)
		require.ErrorIs(t, a.put("y", "eight by"), coda.QuotaExceeded)
		require.EqualValues(t, 6, a.Counters().OverQuota, "what is written is refused at its flush and at its close")
		time.Sleep(time.Second)
		require.ErrorIs(t, b.put("x", "four"), coda.QuotaExceeded, "it has heard of what the other one did")
		b.remove("x")
		require.NoError(t, b.put("z", "two"))
		a.settle()
		b.settle()
		bound(t, s, vice.Quota{})
		require.NoError(t, a.put("y", "more than ten bytes"))
		a.settle()
		for _, c := range []*client{a, b} {
			require.Zero(t, c.Volume().Conflicts)
			require.Equal(t, serverTree(s), c.tree())
		}
	})
}

// What was flushed before stays, and does not grow with what was refused later.
func TestWhatIsRefusedIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		c := start(t, s)
		c.warm()
		bound(t, s, vice.Quota{Bytes: 10})
		_, h, err := c.Create(t.Context(), c.volumeRoot(), "x", 0o644, 0, venus.OpenFlags{Write: true})
		require.NoError(t, err)
		must(h.WriteAt([]byte("12345"), 0))
		require.NoError(t, h.Sync(t.Context()))
		must(h.WriteAt([]byte("67890 and more"), 5))
		require.ErrorIs(t, h.Sync(t.Context()), coda.QuotaExceeded)
		require.NoError(t, h.Close(t.Context()))
		c.settle()
		require.Zero(t, c.Volume().Conflicts)
		require.Equal(t, "12345", c.read("x"))
		require.Equal(t, c.tree(), serverTree(s))
	})
}

// Who is cut off does not know what room there is: what is over the quota then is a conflict.
func TestQuotasOfTheDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		c := start(t, s)
		c.write("x", "one")
		c.settle()
		bound(t, s, vice.Quota{Bytes: 10})
		c.Disconnect()
		c.write("x", "more than ten bytes")
		c.Reconnect()
		c.await(true)
		c.settle()
		require.EqualValues(t, 1, c.Volume().Conflicts)
		require.Contains(t, c.ListLocal("")[0].Why, "quota exceeded")
		require.EqualValues(t, 3, s.Tree()["x"].Length)
	})
}

// Venus of old does not know quotas: with connected updates a close that is over one fails, and what was written is kept, as with every refusal.
func TestQuotaOfConnectedUpdates(t *testing.T) {
	s := vicetest.Start(t, func(c *vice.Config) { c.Profile = coda.Coda61 })
	c := start(t, s, of(coda.Coda61))
	c.write("x", "one")
	c.settle()
	require.NoError(t, s.Vice().SetQuota(t.Context(), vicetest.Volume, vice.Quota{Bytes: 10}))
	require.ErrorIs(t, c.put("x", "more than ten bytes"), coda.QuotaExceeded)
	require.EqualValues(t, 3, s.Tree()["x"].Length)
	require.EqualValues(t, 1, c.Volume().Conflicts)
	require.Empty(t, must(c.Repair(t.Context(), "x", venus.KeepGlobal)))
	require.Equal(t, "one", c.read("x"))
}

// budget is what a volume holds in a model, by paths; directories have no length.
type budget struct {
	quota vice.Quota
	files map[string]int
	freed bool // something became shorter or was replaced, and the server may not have that yet
}

// fits is the outcome of having a file with a length, which may be new.
func (m *budget) fits(p string, length int) (created bool, kind coda.ErrorKind) {
	sum := 0
	for _, n := range m.files {
		sum += n
	}
	was, there := m.files[p]
	if !there && uint64(len(m.files)+1) > m.quota.Objects {
		return false, coda.QuotaExceeded
	}
	if length > was && uint64(sum-was+length) > m.quota.Bytes {
		return true, coda.QuotaExceeded
	}
	return true, 0
}

// A client refuses what the server would refuse, however much is still to be sent, as long as others take no room; and nothing else, once the server has what
// has made room. Another client changes something that takes none all the time: then the server says anew what there is, at any moment of what the client sends.
func TestForeseenQuotasAreExact(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inBubble(t, r, func(t *testing.T, b bubbled) {
			s := vicetest.Start(t)
			c, other := start(t, s), start(t, s)
			c.warm()
			other.write("other", "")
			other.settle()
			m := &budget{quota: vice.Quota{Bytes: 100, Objects: 4}, files: map[string]int{}}
			bound(t, s, vice.Quota{Bytes: m.quota.Bytes, Objects: m.quota.Objects + 1})
			for i := range rapid.IntRange(1, 40).Draw(r, "steps") {
				m.step(r, b, c)
				pause := rapid.SampledFrom([]time.Duration{0, 0, 100 * time.Microsecond, time.Millisecond, time.Second})
				time.Sleep(pause.Draw(r, "pause"))
				if rapid.Bool().Draw(r, "other") {
					other.chmod("other", uint32(0o600+i))
					time.Sleep(pause.Draw(r, "other's pause"))
				}
			}
			c.settle()
			other.settle()
			require.Zero(b, c.Volume().Conflicts)
			require.Len(b, s.Tree(), len(m.files)+2)
			for p, length := range m.files {
				require.EqualValues(b, length, s.Tree()[p].Length, p)
			}
		})
	})
}

func (m *budget) step(r *rapid.T, b bubbled, c *client) {
	p := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(r, "path")
	_, there := m.files[p]
	switch what := rapid.IntRange(0, 4).Draw(r, "what"); {
	case what == 0 && there:
		c.remove(p)
		delete(m.files, p)
	case what == 1 && there:
		to := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(r, "to")
		c.rename(p, to)
		length := m.files[p]
		m.freed = true
		delete(m.files, p)
		m.files[to] = length
	default:
		length := rapid.IntRange(0, 60).Draw(r, "length")
		created, want := m.fits(p, length)
		err := c.put(p, strings.Repeat("x", length))
		if created && err != nil && m.freed {
			require.ErrorIs(b, err, coda.QuotaExceeded)
			c.settle()
			m.freed = false
			err = c.put(p, strings.Repeat("x", length))
		}
		require.Equal(b, want, coda.KindOf(err))
		if created && !there {
			m.files[p] = 0
		}
		if want == 0 {
			m.freed = m.freed || length < m.files[p]
			m.files[p] = length
		}
	}
}
