package vice_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// Two replicas that have applied two updates of a directory in another order have versions that are equal, and not the same time. The one that compares them
// for the sake of an older update takes the other's time over, which gives it a version of its own; the other one has nothing to compare, and has to be told.
func TestAComparisonThatMakesAVersionIsToldToTheOther(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, unhurried)
	settleAll(t, servers) // they find out that there is nothing to be filled with
	clients, others := clientsOf(servers, 1), clientsOf(servers, 2)
	older := clients[0].Log()
	dir := older.MakeDirectory(clients[0].Root, "dir")
	for _, c := range clients {
		older.At(c).Apply()
	}
	require.NoError(t, servers[1].Vice().JoinFrom(t.Context(), 0)) // so that it alone has something to compare when this is forgotten
	for _, c := range clients {
		older.At(c).COP2(0, 1)
	}
	early, late := clients[0].Log(), others[0].Log()
	early.Add(coda.SetAttributes{Fid: dir, Modified: new(coda.Time(1000))})
	late.Add(coda.SetAttributes{Fid: dir, Modified: new(coda.Time(2000))})
	early.At(clients[0]).Apply()
	late.At(others[0]).Apply()
	late.At(others[1]).Apply()
	early.At(clients[1]).Apply()
	for slot := range servers {
		early.At(clients[slot]).COP2(0, 1)
		late.At(others[slot]).COP2(0, 1)
	}
	before := clients[1].Status(dir)
	require.Equal(t, clients[0].Status(dir).Version.Slots, before.Version.Slots)
	require.NotEqual(t, clients[0].Status(dir).Modified, before.Modified)
	for range 3 { // what is forgotten in one round is compared in the next
		settleAll(t, servers)
	}
	require.NotEqual(t, before.Version.Slots, clients[1].Status(dir).Version.Slots)
	requireEqual(t, servers)
}
