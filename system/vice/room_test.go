package vice_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// Who has a session knows what a volume with a quota holds, and how much of that is his own.
func TestRoomsAreTold(t *testing.T) {
	s := vicetest.Start(t)
	a, b := s.Client(1), s.Client(2)
	early := a.Open()
	hear := func(c *vicetest.Callbacks) coda.Room {
		t.Helper()
		rooms, err := c.Rooms()
		require.NoError(t, err)
		require.Len(t, rooms, 1)
		require.NotZero(t, rooms[0].Number)
		rooms[0].Number = 0
		return rooms[0]
	}
	last := map[*vicetest.Client]uint64{}
	site := func(c *vicetest.Client, name string, length int) *coda.Room {
		log, _, _ := site(c, name, length)
		answer := log.Apply()
		last[c] = answer.Done
		return answer.Room
	}
	none := func(c *vicetest.Callbacks) {
		t.Helper()
		rooms, err := c.Rooms()
		require.NoError(t, err)
		require.Empty(t, rooms)
	}
	require.Nil(t, site(a, "first", 10), "without a quota nobody needs to know")
	require.NoError(t, s.Vice().SetQuota(t.Context(), vicetest.Volume, vice.Quota{Bytes: 1000, Objects: 100}))
	want := coda.Room{Volume: a.Volume, QuotaBytes: 1000, QuotaObjects: 100, UsedBytes: 10, UsedObjects: 2, Counted: last[a]}
	require.Equal(t, want, hear(early))

	late := b.Open()
	want.Counted = 0
	require.Equal(t, want, hear(late), "a new session is told of what there is")
	answer := site(b, "second", 20)
	none(late) // the author hears it with the answer
	want.UsedBytes, want.UsedObjects, want.Counted = 30, 4, last[b]
	require.NotZero(t, answer.Number)
	answer.Number = 0
	require.Equal(t, want, *answer)
	want.Counted = last[a]
	require.Equal(t, want, hear(early), "the others are told")

	require.NoError(t, s.Vice().SetQuota(t.Context(), vicetest.Volume, vice.Quota{}))
	want.QuotaBytes, want.QuotaObjects = 0, 0
	require.Equal(t, want, hear(early), "also that there is no quota any more")
	require.Nil(t, site(b, "third", 1))
	none(early)
}
