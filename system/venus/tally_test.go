package venus_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// What is asked of the server is counted, and what it sends of files.
func TestRequestsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		a, b := start(t, s, of(coda.Modern)), start(t, s, of(coda.Modern))
		a.write("file", string(make([]byte, 100_000)))
		a.settle()
		b.at("")
		before := b.Counters()
		require.NotZero(t, before.Requests)
		b.read("file")
		after := b.Counters()
		require.Greater(t, after.Requests, before.Requests)
		require.InDelta(t, 100_000, after.Fetched-before.Fetched, 2000)
		require.Zero(t, after.Resolutions)
		b.read("file")
		require.Equal(t, after, b.Counters(), "it is cached")
		require.Less(t, a.Counters().Fetched, uint64(2000))
	})
}
