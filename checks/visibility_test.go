package checks

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// smallMount is what the clients of a file system that is not ours did to one name, and what they saw of it.
func smallMount(random *rand.Rand) (changes, looks []history.Operation) {
	number := uint64(0)
	operation := func(worker int, kind history.Kind, at history.Time) history.Operation {
		number++
		from := at + history.Time(1+random.IntN(10))
		return history.Operation{
			Node: fmt.Sprint("client", 1+worker%2), Worker: uint32(worker), Number: number, Kind: kind, Path: "d/a",
			Invoked: from, Completed: from + history.Time(1+random.IntN(10)), Outcome: history.OK,
		}
	}
	for worker := range 1 + random.IntN(2) {
		at := history.Time(10)
		for range 1 + random.IntN(3) {
			change := operation(worker, history.Write, at)
			if random.IntN(3) == 0 {
				change.Kind = history.Remove
			} else {
				change.Content, change.Length = history.Nonce{byte(change.Number)}, 10
			}
			at = change.Completed
			if random.IntN(8) == 0 {
				change.Outcome = history.Indeterminate
			}
			changes = append(changes, change)
		}
	}
	for worker := range 1 + random.IntN(3) {
		looks = append(looks, smallLook(random, operation(10+worker, history.Read, history.Time(random.IntN(50))), changes))
	}
	return changes, looks
}

// smallLook has a look see something.
func smallLook(random *rand.Rand, look history.Operation, changes []history.Operation) history.Operation {
	saw := changes[random.IntN(len(changes))]
	switch {
	case saw.Kind == history.Remove || saw.Invoked > look.Completed:
		look.Kind = []history.Kind{history.Read, history.Stat, history.List}[random.IntN(3)]
		if look.Kind != history.List {
			look.Outcome, look.Errno = history.Failed, syscall.ENOENT
		}
	case random.IntN(3) == 0:
		look.Kind, look.Mode = history.Stat, 0o644
	case random.IntN(3) == 0:
		look.Kind, look.Entries, look.Length = history.List, []string{"d/a"}, 1
	default:
		look.Content, look.Length = saw.Content, 10
	}
	if look.Kind == history.List {
		look.Path = "d"
	}
	return look
}

// mountModel is a name that is a set of one element, and a register where it is a file: no content is 0, which is there from the beginning.
func mountModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return byte(0) },
		Step: func(now, in, _ any) (bool, any) {
			is, op := now.(byte), in.(history.Operation)
			switch {
			case op.Kind == history.Write:
				return true, op.Content[0]
			case op.Kind == history.Remove:
				return true, byte(0)
			case op.Outcome == history.Failed, op.Kind == history.List && len(op.Entries) == 0:
				return is == 0, is
			case op.Kind == history.Read:
				return is == op.Content[0], is
			}
			return is != 0, is
		},
	}
}

// explained asks Porcupine whether a look saw what was there at some moment from the bound before it on. What was not sure to be done may never have been.
func explained(model porcupine.Model, changes []history.Operation, look history.Operation, bound history.Time) bool {
	var unsure []int
	for i := range changes {
		if changes[i].Outcome != history.OK {
			unsure = append(unsure, i)
		}
	}
	for left := range 1 << len(unsure) {
		some := []history.Operation{look}
		some[0].Invoked -= bound
		for i, change := range changes {
			skipped := false
			for bit, k := range unsure {
				skipped = skipped || k == i && left>>bit&1 == 1
			}
			if change.Outcome != history.OK {
				change.Completed = 1000
			}
			if !skipped {
				some = append(some, change)
			}
		}
		if porcupine.CheckOperations(model, porcupined(some)) {
			return true
		}
	}
	return false
}

func TestLooksAtMountsAreJudgedAsPorcupineJudgesThem(t *testing.T) {
	for _, bound := range []history.Time{0, 7} {
		t.Run(fmt.Sprint("within ", int64(bound)), func(t *testing.T) {
			random := rand.New(rand.NewPCG(7, 8))
			model := mountModel()
			meta := history.Meta{
				Clients: []string{"client1", "client2"}, Mounts: []string{"/a", "/b"}, Consistency: history.Consistency{Level: history.CloseToOpen},
			}
			if bound > 0 {
				meta.Consistency = history.Consistency{Level: history.Eventual, Bound: time.Duration(bound)}
			}
			verdicts := map[bool]int{}
			for range 5_000 {
				changes, looks := smallMount(random)
				want := true
				for _, look := range looks {
					want = want && explained(model, changes, look, bound)
				}
				all := append(changes, looks...)
				verdict := visibility(&history.Run{Meta: meta, Operations: history.Pack(all)})
				require.Equal(t, want, verdict.Result == history.Pass, "%s%+v", told(all), verdict)
				verdicts[want]++
			}
			require.Greater(t, verdicts[true], 500)
			require.Greater(t, verdicts[false], 500)
		})
	}
}
