package checks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// smallFile is a file that two processes of one client write to, while another client has one process that reads it and writes to it, or two that read it.
func smallFile(random *rand.Rand) []history.Operation {
	var all []history.Operation
	began := map[byte]history.Time{}
	add := func(node string, worker int, kind history.Kind, content byte, at history.Time) history.Time {
		from := at + history.Time(1+random.IntN(15))
		to := from + history.Time(1+random.IntN(20))
		if kind == history.Read && began[content] >= to {
			return at // nobody sees what is not written yet
		}
		if kind == history.Write {
			began[content] = from
		}
		all = append(all, history.Operation{
			Node: node, Worker: uint32(worker), Number: uint64(len(all)), Kind: kind, Path: "d/a", Content: history.Nonce{content}, Length: 1,
			Invoked: from, Completed: to, Outcome: history.OK,
		})
		return to
	}
	written := byte(0)
	for worker := range 2 {
		at := history.Time(10)
		for range 1 + random.IntN(2) {
			written++
			at = add("writer", worker, history.Write, written, at)
		}
	}
	processes, own := 1+random.IntN(2), 0
	for worker := range processes {
		at := history.Time(10)
		for range 2 + random.IntN(3) {
			if processes == 1 && own < 2 && random.IntN(3) == 0 {
				own++
				at = add("reader", worker, history.Write, written+byte(own), at)
			} else {
				at = add("reader", worker, history.Read, byte(1+random.IntN(int(written)+own)), at)
			}
		}
	}
	return all
}

// sessionModel is a file of which each client may see an old version, but none before what it has seen or written.
func sessionModel() porcupine.Model {
	type file struct {
		versions string // contents, in their order
		seen     int    // what the reader has seen, and must not go behind
	}
	return porcupine.Model{
		Init: func() any { return file{} },
		Step: func(now, in, _ any) (bool, any) {
			f, op := now.(file), in.(history.Operation)
			content := op.Content[0]
			if op.Kind == history.Write {
				f.versions += string(rune(content))
				if op.Node == "reader" {
					f.seen = len(f.versions) - 1
				}
				return true, f
			}
			at := slices.Index([]byte(f.versions), content)
			if at < f.seen {
				return false, f
			}
			f.seen = at
			return true, f
		},
	}
}

// told is a small history in a few words.
func told(all []history.Operation) string {
	var text strings.Builder
	for _, op := range all {
		fmt.Fprintf(&text, "%s/%d %d..%d %s %s %d %s\n", op.Node, op.Worker, op.Invoked, op.Completed, op.Kind, op.Path, op.Content[0], op.Outcome)
	}
	return text.String()
}

func porcupined(all []history.Operation) []porcupine.Operation {
	operations := make([]porcupine.Operation, len(all))
	for i, op := range all {
		operations[i] = porcupine.Operation{ClientId: i, Input: op, Call: int64(op.Invoked), Return: int64(op.Completed)}
	}
	return operations
}

func TestReadsOfASessionAreJudgedAsPorcupineJudgesThem(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	model := sessionModel()
	verdicts := map[bool]int{}
	for range 20_000 {
		all := smallFile(random)
		run := &history.Run{Operations: history.Pack(all), Meta: history.Meta{
			Clients: []string{"writer", "reader"}, Servers: []string{"server1"}, Limits: history.Limits{Hang: time.Minute, Converge: time.Minute},
		}}
		want := porcupine.CheckOperations(model, porcupined(all))
		verdict := sessionReads(run)
		require.Equal(t, want, verdict.Result == history.Pass, "%s%+v", told(all), verdict)
		verdicts[want]++
	}
	require.Greater(t, verdicts[true], 2_000)
	require.Greater(t, verdicts[false], 2_000)
}
