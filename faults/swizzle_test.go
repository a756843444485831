package faults

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// TestSwizzleHealsInAnotherOrder looks at what the links were told, and when: each of some was cut once, one by one, and healed once, one by one in another
// order. Nothing but these links is excused.
func TestSwizzleHealsInAnotherOrder(t *testing.T) {
	many := Topology{Servers: []string{"server1", "server2"}, Clients: []string{"client1", "client2"}}
	for _, topology := range []Topology{threeClients, many, {Servers: []string{"server1"}, Clients: []string{"client1", "client2"}}} {
		sizes := map[int]bool{}
		for seed := range uint64(50) {
			synctest.Test(t, func(t *testing.T) {
				step := history.Step{Nodes: Swizzle{}.Targets(topology)[0], Seed: seed}
				c := newFakeCluster(topology)
				injection, err := Swizzle{}.Prepare(On(c), step)
				require.NoError(t, err)
				proving := Proving{injection}
				require.NoError(t, proving.Inject(t.Context()))
				cuts := slices.Clone(c.sets)
				require.NoError(t, proving.Recover(t.Context()))
				requireSwizzled(t, cuts, c.sets[len(cuts):])
				requireExcused(t, cuts, injection.Record().Cuts)
				sizes[len(cuts)] = true
			})
		}
		require.Len(t, sizes, len(links(topology))-1, "from two links to all, by seed")
	}
}

func requireSwizzled(t *testing.T, cuts, heals []fakeSet) {
	t.Helper()
	order := func(sets []fakeSet, cut bool) (names []string) {
		for i, set := range sets {
			require.Equal(t, cut, set.cut, "%v", sets)
			require.NotContains(t, names, set.link)
			names = append(names, set.link)
			if i > 0 {
				require.GreaterOrEqual(t, set.at.Sub(sets[i-1].at), swizzlePause, "one by one")
			}
		}
		return names
	}
	cut, healed := order(cuts, true), order(heals, false)
	require.GreaterOrEqual(t, len(cut), 2)
	require.ElementsMatch(t, cut, healed)
	require.NotEqual(t, cut, healed)
}

// requireExcused has the links of some sets be the only ones that a record excuses, whichever end comes first.
func requireExcused(t *testing.T, cuts []fakeSet, excused []history.Cut) {
	t.Helper()
	pairs := map[history.Cut]bool{}
	for _, pair := range excused {
		there := slices.ContainsFunc(cuts, func(set fakeSet) bool {
			return set.link == pair.Node+"-"+pair.Peer || set.link == pair.Peer+"-"+pair.Node
		})
		require.True(t, there, "%v was not cut", pair)
		require.False(t, pairs[pair] || pairs[history.Cut{Node: pair.Peer, Peer: pair.Node}], "%v is excused twice", pair)
		pairs[pair] = true
	}
	for _, set := range cuts {
		require.True(t, slices.ContainsFunc(excused, func(pair history.Cut) bool {
			return set.link == pair.Node+"-"+pair.Peer || set.link == pair.Peer+"-"+pair.Node
		}), "%s was cut, and is not excused", set.link)
	}
}
