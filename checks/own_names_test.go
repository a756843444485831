package checks

import (
	"math/rand/v2"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// smallName is what one client saw of a name that another, or the same, changes: a few turns, and sightings that are right by and large.
func smallName(random *rand.Rand) (lookout, []sighting) {
	l := lookout{own: random.IntN(2) == 0}
	now := history.Time(10)
	states := []state{{}, {kind: directory}, {kind: file, content: 1}, {kind: file, content: 2}}
	for range 1 + random.IntN(4) {
		t := turn{from: now, to: now + history.Time(1+random.IntN(10)), is: states[random.IntN(len(states))]}
		now = t.to + history.Time(1+random.IntN(5))
		if random.IntN(8) == 0 {
			t.any, t.to = true, history.Forever
		}
		l.turns = append(l.turns, t)
	}
	var all []sighting
	at := history.Time(1)
	for range 1 + random.IntN(5) {
		at += history.Time(random.IntN(12))
		s := sighting{row: 0, invoked: at, completed: at + history.Time(1+random.IntN(12)), is: states[random.IntN(len(states))]}
		switch random.IntN(4) {
		case 0:
			s.there = true
		case 1:
			s.kindOnly = true
		}
		all = append(all, s)
	}
	return l, all
}

// explainable tries every turn for every sighting.
func explainable(l *lookout, all []sighting, chosen []int) bool {
	i := len(chosen)
	if i == len(all) {
		return true
	}
	s := &all[i]
	for turn := -1; turn < len(l.turns); turn++ {
		fits := turn < 0 && s.matches(state{}) || turn >= 0 && l.turns[turn].from <= s.completed && (l.turns[turn].any || s.matches(l.turns[turn].is))
		for later := turn + 1; l.own && later < len(l.turns); later++ {
			fits = fits && l.turns[later].to >= s.invoked // it had been made before
		}
		for before := range i {
			fits = fits && (all[before].completed >= s.invoked || chosen[before] <= turn)
		}
		if fits && explainable(l, all, append(chosen, turn)) {
			return true
		}
	}
	return false
}

func TestSightingsAreExplainedWhereAnyExplanationExists(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	verdicts := map[bool]int{}
	for range 20_000 {
		l, all := smallName(random)
		want := explainable(&l, all, nil)
		bad, _ := l.first(all)
		require.Equal(t, want, bad == nil, "%+v sees %+v", l, all)
		verdicts[want]++
	}
	require.Greater(t, verdicts[true], 2_000)
	require.Greater(t, verdicts[false], 2_000)
}

// For the client that makes the changes, with a certain outcome each, being explained is being linearizable.
func TestOwnSightingsAreJudgedAsPorcupineJudgesThem(t *testing.T) {
	type input struct {
		set  bool
		is   state
		sees sighting
	}
	model := porcupine.Model{
		Init: func() any { return state{} },
		Step: func(now, in, _ any) (bool, any) {
			i := in.(input)
			if i.set {
				return true, i.is
			}
			return i.sees.matches(now.(state)), now
		},
	}
	random := rand.New(rand.NewPCG(3, 4))
	verdicts := map[bool]int{}
	for range 20_000 {
		l, all := smallName(random)
		l.own = true
		var operations []porcupine.Operation
		for i := range l.turns {
			turn := &l.turns[i]
			if turn.any {
				turn.any, turn.to = false, turn.from+1
			}
			operations = append(operations, porcupine.Operation{
				Input: input{set: true, is: turn.is}, Call: int64(turn.from), Return: int64(turn.to),
			})
		}
		for _, s := range all {
			operations = append(operations, porcupine.Operation{
				ClientId: len(operations), Input: input{sees: s}, Call: int64(s.invoked), Return: int64(s.completed),
			})
		}
		want := porcupine.CheckOperations(model, operations)
		bad, _ := l.first(all)
		require.Equal(t, want, bad == nil, "%+v sees %+v", l, all)
		verdicts[want]++
	}
	require.Greater(t, verdicts[true], 1_000)
	require.Greater(t, verdicts[false], 1_000)
}
