package vice_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

const (
	callTime = 30 * time.Second
	tick     = 5 * time.Millisecond
)

func TestBreaks(t *testing.T) {
	s := vicetest.Start(t)
	w := newWorld(t, s)
	me, you := w.me, s.Client(3)
	mine, yours := me.Open(), you.Open()
	for _, f := range []coda.Fid{w.root, w.file.Fid, w.other.Fid} {
		for _, c := range []*vicetest.Client{me, you} {
			got, err := c.Fetch(f)
			require.NoError(t, err)
			require.True(t, got.Promised)
			require.Zero(t, got.Breaks)
		}
	}
	before := me.Status(w.root)
	log := me.Log()
	v := log.Store(w.file.Fid, w.file.Version, data(1, 1))
	log.Store(w.file.Fid, v, data(1, 2))
	log.Add(coda.Remove{Parent: w.root, Name: "other", Fid: w.other.Fid, Base: w.other.Version})
	f, _ := log.Create(w.root, "new")
	log.Add(storeOf(w.leaf.Fid, w.leaf.Version)) // you hold no promise about it
	answer := log.Apply()
	for _, changed := range answer.Changed {
		require.True(t, changed.Promised)
	}

	breaks, err := mine.Sync()
	require.NoError(t, err)
	require.Empty(t, breaks, "the answer has told its own client")
	breaks, err = yours.Sync()
	require.NoError(t, err)
	require.Equal(t, []wire.Break{
		{Number: 1, Fid: w.root, Change: &coda.DirectoryChange{
			From: before.Version, Status: me.Status(w.root), Removed: []string{"other"}, Added: []coda.Entry{{Name: "new", Fid: f, Kind: coda.File}},
		}},
		{Number: 2, Fid: w.file.Fid},
		{Number: 3, Fid: w.other.Fid},
	}, breaks)

	// The promise on the directory has stayed, the others are gone with their breaks.
	log = me.Log()
	log.Store(w.file.Fid, me.Status(w.file.Fid).Version, data(1, 3))
	log.Add(coda.SetAttributes{Fid: w.root, Mode: &mode})
	log.Apply()
	breaks, err = yours.Sync()
	require.NoError(t, err)
	require.Len(t, breaks, 1)
	require.EqualValues(t, 4, breaks[0].Number)
	require.Equal(t, mode, breaks[0].Change.Status.Mode)

	// What the author created, stored and left alone it is told about.
	log = you.Log()
	log.Store(f, me.Status(f).Version, data(9, 9))
	log.Store(w.leaf.Fid, me.Status(w.leaf.Fid).Version, data(9, 9))
	log.Apply()
	breaks, err = mine.Sync()
	require.NoError(t, err)
	require.Equal(t, []wire.Break{{Number: 1, Fid: w.leaf.Fid}, {Number: 2, Fid: f}}, breaks)
}

func TestValidate(t *testing.T) {
	s := vicetest.Start(t)
	w := newWorld(t, s)
	callbacks := w.me.Open()
	gone := w.me.NewFid(coda.File)
	ask := func(session uint64) *vicepb.ValidateReply {
		request := &vicepb.ValidateRequest{Session: session, Items: []*vicepb.ValidateItem{
			{Fid: wire.FidToProto(w.file.Fid), Version: wire.VersionToProto(w.file.Version)},
			{Fid: wire.FidToProto(w.other.Fid), Version: wire.VersionToProto(old)},
			{Fid: wire.FidToProto(gone)},
		}}
		reply, err := w.me.Vice.Validate(t.Context(), request)
		require.NoError(t, err)
		require.Len(t, reply.Results, 3)
		return reply
	}
	for _, session := range []uint64{0, 999, w.me.Session} {
		known := session == w.me.Session
		reply := ask(session)
		current, err := wire.ValidityFromProto(reply.Results[0], w.file.Fid)
		require.NoError(t, err)
		require.Equal(t, wire.Validity{Answer: vicepb.ValidateResult_ANSWER_CURRENT, Promised: known}, current)
		stale, err := wire.ValidityFromProto(reply.Results[1], w.other.Fid)
		require.NoError(t, err)
		require.Equal(t, wire.Validity{Answer: vicepb.ValidateResult_ANSWER_STALE, Promised: known, Status: w.other}, stale)
		require.Equal(t, vicepb.ValidateResult_ANSWER_GONE, reply.Results[2].Answer)
	}
	you := s.Client(3)
	log := you.Log()
	log.Add(storeOf(w.file.Fid, w.file.Version))
	log.Add(storeOf(w.other.Fid, w.other.Version))
	log.Apply()
	breaks, err := callbacks.Sync()
	require.NoError(t, err)
	require.Len(t, breaks, 2)
	require.EqualValues(t, 2, ask(w.me.Session).Breaks)

	_, err = w.me.Vice.Validate(t.Context(), &vicepb.ValidateRequest{Items: make([]*vicepb.ValidateItem, wire.MaxValidate+1)})
	require.ErrorIs(t, err, coda.Invalid)
	_, err = w.me.Vice.Validate(t.Context(), &vicepb.ValidateRequest{Items: make([]*vicepb.ValidateItem, 1)})
	require.ErrorIs(t, err, coda.Invalid)
}

func TestPromisesAreBounded(t *testing.T) {
	s := vicetest.Start(t, func(c *vice.Config) { c.Limits.Promises = 2 })
	w := newWorld(t, s)
	w.me.Open()
	for i, f := range []coda.Fid{w.root, w.dir, w.full, w.root} {
		got, err := w.me.Fetch(f)
		require.NoError(t, err)
		require.Equal(t, i != 2, got.Promised)
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Run("another session of the same client", func(t *testing.T) {
		s := vicetest.Start(t)
		c := s.Client(1)
		first := c.Open()
		_, err := c.Fetch(c.Root)
		require.NoError(t, err)
		c.Open()
		_, err = first.Wait()
		require.ErrorIs(t, err, coda.Busy)
	})
	t.Run("too many", func(t *testing.T) {
		s := vicetest.Start(t, func(c *vice.Config) { c.Limits.Sessions = 1 })
		s.Client(1).Open()
		_, err := s.Client(2).TryOpen()
		require.ErrorIs(t, err, coda.Busy)
	})
	t.Run("no Hello", func(t *testing.T) {
		s := vicetest.Start(t)
		stream, err := s.Client(1).Vice.Callbacks(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(&vicepb.CallbackRequest{Part: &vicepb.CallbackRequest_Ping{Ping: 1}}))
		_, err = stream.Recv()
		require.ErrorIs(t, err, coda.Invalid)
	})
	t.Run("client leaves", func(t *testing.T) {
		s := vicetest.Start(t)
		callbacks := s.Client(1).Open()
		require.Contains(t, s.Vice().State(), "sessions: 1")
		callbacks.Close()
		require.Eventually(t, func() bool { return contains(s.Vice().State(), "sessions: 0") }, callTime, tick)
	})
	t.Run("server stops", func(t *testing.T) {
		s := vicetest.Start(t)
		callbacks := s.Client(1).Open()
		s.Stop()
		_, err := callbacks.Wait()
		require.Error(t, err)
	})
}

// A client that does not read its events delays nobody; it loses its session and learns that when it reads again.
func TestSlowClientDelaysNobody(t *testing.T) {
	s := vicetest.Start(t, func(c *vice.Config) { c.Limits.Queue = 2000 })
	slow, fast := s.Client(1), s.Client(2)
	callbacks := slow.Open()
	_, err := slow.Fetch(slow.Root)
	require.NoError(t, err)
	for i := 0; !contains(s.Vice().State(), "sessions: 0"); i++ {
		require.Less(t, i, 1000, "the session of a client that reads nothing lives on")
		log := fast.Log()
		for j := range 100 {
			log.Create(fast.Root, fmt.Sprintf("%0200d-%d", i, j))
		}
		log.Apply()
	}
	_, err = callbacks.Wait()
	require.ErrorIs(t, err, coda.Busy)
	got, err := slow.Fetch(slow.Root)
	require.NoError(t, err)
	require.False(t, got.Promised, "the session is over")
}

// cache is what a client knows of one directory.
type cache struct {
	version coda.VersionVector
	entries map[string]coda.Entry
}

func (c *cache) refetch(t *testing.T, from *vicetest.Client, dir coda.Fid) uint64 {
	got, err := from.Fetch(dir)
	require.NoError(t, err)
	require.True(t, got.Promised)
	c.version, c.entries = got.Status.Version, map[string]coda.Entry{}
	for _, e := range got.Entries {
		c.entries[e.Name] = e
	}
	require.EqualValues(t, len(c.entries), got.Status.Length)
	return got.Breaks
}

// apply carries out a change, and checks that it is one of the cached version.
func (c *cache) apply(t *testing.T, change *coda.DirectoryChange) {
	require.Equal(t, c.version, change.From)
	for _, name := range change.Removed {
		require.Contains(t, c.entries, name)
		delete(c.entries, name)
	}
	for _, e := range change.Added {
		c.entries[e.Name] = e
	}
	c.version = change.Status.Version
	require.EqualValues(t, len(c.entries), change.Status.Length)
}

// A directory cached once and changed by nothing but breaks is at every pong what a fetch brings. Two writers change it meanwhile, and
// fetches at random moments check the numbers that order breaks and fetches.
func TestChangesEqualRefetch(t *testing.T) {
	s := vicetest.Start(t)
	reader := s.Client(1)
	callbacks := reader.Open()
	var cached cache
	seen := cached.refetch(t, reader, reader.Root)
	var writers sync.WaitGroup
	for id := range uint64(2) {
		c := s.Client(10 + id)
		writers.Go(func() { churn(t, c, id) })
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	pending := map[uint64]*coda.DirectoryChange{}
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true
		default:
		}
		breaks, err := callbacks.Sync()
		require.NoError(t, err)
		for _, b := range breaks {
			require.Equal(t, reader.Root, b.Fid)
			require.NotNil(t, b.Change)
			pending[b.Number] = b.Change
		}
		for ; pending[seen+1] != nil; seen++ {
			cached.apply(t, pending[seen+1])
			delete(pending, seen+1)
		}
		require.Empty(t, pending)
		var fresh cache
		at := fresh.refetch(t, reader, reader.Root)
		if at == seen {
			require.Equal(t, cached, fresh)
		} else {
			cached, seen = fresh, at // what the fetch has seen comes again on the stream, and is passed over
			breaks, err := callbacks.Sync()
			require.NoError(t, err)
			for _, b := range breaks {
				if b.Number > seen {
					pending[b.Number] = b.Change
				}
			}
		}
	}
	var fresh cache
	require.Equal(t, seen, fresh.refetch(t, reader, reader.Root))
	require.Equal(t, fresh, cached)
}

// churn makes, renames and removes symlinks of its own in the root: their removal needs no version.
func churn(t *testing.T, c *vicetest.Client, id uint64) {
	random := rand.New(rand.NewPCG(id, id))
	mine := map[string]coda.Fid{}
	for range 60 {
		log := c.Log()
		for range 1 + random.IntN(20) {
			name, other := fmt.Sprintf("%d-%d", id, random.IntN(30)), fmt.Sprintf("%d-%d", id, random.IntN(30))
			f, taken := mine[name]
			switch {
			case !taken:
				mine[name] = c.NewFid(coda.Symlink)
				log.Add(coda.MakeSymlink{Parent: c.Root, Name: name, Fid: mine[name], PointsTo: "x"})
			case random.IntN(2) == 0:
				log.Add(coda.Rename{FromParent: c.Root, FromName: name, Fid: f, ToParent: c.Root, ToName: other, Replaced: mine[other]})
				delete(mine, name)
				mine[other] = f
			default:
				log.Add(coda.Remove{Parent: c.Root, Name: name, Fid: f})
				delete(mine, name)
			}
		}
		log.Apply()
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }
