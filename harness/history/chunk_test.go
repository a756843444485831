package history_test

import (
	"io/fs"
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// chunks records operations of which each is whole before the next begins.
func chunks(operations []history.Operation) [][]byte {
	var out emitted
	r := history.NewRecorder("client1", out.emit)
	w := r.Worker()
	for _, op := range operations {
		w.Begin(op.Kind, op.Path, op.Target).End(history.End{
			Outcome: op.Outcome, Errno: op.Errno, HTTP: op.HTTP, Content: op.Content, Parents: op.Parents, Length: op.Length,
			Problem: op.Problem, Synced: op.Synced, Mode: op.Mode, Entries: op.Entries,
		})
	}
	r.Close()
	return out.chunks
}

func operation(t *rapid.T) history.Operation {
	nonce := rapid.Custom(func(t *rapid.T) history.Nonce { return history.Nonce{rapid.Byte().Draw(t, "nonce")} })
	op := history.Operation{
		Kind: history.Kind(rapid.IntRange(int(history.Read), int(history.ReadLink)).Draw(t, "kind")),
		Path: rapid.String().Draw(t, "path"), Target: rapid.String().Draw(t, "target"),
		Outcome: history.Outcome(rapid.IntRange(int(history.OK), int(history.Indeterminate)).Draw(t, "outcome")),
		HTTP:    rapid.Uint16().Draw(t, "http"), Content: nonce.Draw(t, "content"), Length: rapid.Int64Min(0).Draw(t, "length"),
		Problem: rapid.String().Draw(t, "problem"), Synced: rapid.Bool().Draw(t, "synced"),
		Mode: fs.FileMode(rapid.Uint32().Draw(t, "mode")),
	}
	if parents := rapid.SliceOf(nonce).Draw(t, "parents"); len(parents) > 0 {
		op.Parents = parents
	}
	if entries := rapid.SliceOf(rapid.String()).Draw(t, "entries"); len(entries) > 0 {
		op.Entries = entries
	}
	return op
}

func TestOperationsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(operation), 0, 30).Draw(t, "operations")
		packed, err := history.Chunks(chunks(want)...)
		require.NoError(t, err)
		again := make([]history.Operation, 0, len(want))
		for op := range packed.All() {
			again = append(again, op)
		}
		require.Len(t, again, len(want))
		repacked := history.Pack(again)
		for i := range want {
			require.Equal(t, again[i], repacked.At(i))
			want[i].Node, want[i].Worker, want[i].Number = "client1", 1, uint64(i+1)
			want[i].Invoked, want[i].Completed = again[i].Invoked, again[i].Completed
			require.Equal(t, want[i], again[i])
		}
	})
}

func TestEveryDamagedByteOfAChunkIsSeen(t *testing.T) {
	chunk := chunks([]history.Operation{{Kind: history.Read, Outcome: history.OK, Path: "a", Content: history.Nonce{1}}})[0]
	for i := range chunk {
		chunk[i] ^= 0x10
		_, err := history.Chunks(chunk)
		require.ErrorIs(t, err, history.ErrChunk)
		chunk[i] ^= 0x10
	}
	_, err := history.Chunks(chunk)
	require.NoError(t, err)
}

func TestTwoRecordersOfANodeKeepTheirWorkersApart(t *testing.T) {
	one := chunks([]history.Operation{{Kind: history.Read, Outcome: history.OK, Path: "a"}})
	two := chunks([]history.Operation{{Kind: history.Read, Outcome: history.OK, Path: "b"}})
	packed, err := history.Chunks(append(one, two...)...)
	require.NoError(t, err)
	require.EqualValues(t, 1, packed.At(0).Worker)
	require.EqualValues(t, 2, packed.At(1).Worker)
	require.Equal(t, "client1", packed.At(1).Node)
}

func TestChunkThatComesTwiceCountsOnce(t *testing.T) {
	one := chunks([]history.Operation{{Kind: history.Read, Outcome: history.OK, Path: "a"}})
	packed, err := history.Chunks(one[0], one[0])
	require.NoError(t, err)
	require.Equal(t, 1, packed.Len())
}

func FuzzChunks(f *testing.F) {
	for _, chunk := range chunks([]history.Operation{
		{Kind: history.Read, Outcome: history.OK, Path: "a/b", Content: history.Nonce{1}},
		{
			Kind: history.Rename, Outcome: history.Failed, Path: "a/c", Target: "a/b", Errno: 5, HTTP: 200, Parents: []history.Nonce{{1}, {2}},
			Problem: "it is torn", Synced: true,
		},
		{Kind: history.List, Outcome: history.OK, Path: "a", Length: 2, Entries: []string{"a/b", "a/c"}},
		{Kind: history.ReadLink, Outcome: history.OK, Path: "a/d", Mode: fs.ModeSymlink | 0o777},
	}) {
		f.Add(chunk)
	}
	f.Fuzz(func(t *testing.T, chunk []byte) {
		history.FixChecksum(chunk)
		packed, err := history.Chunks(chunk)
		if err == nil {
			_, _, err = history.CountOperations(chunk)
			require.NoError(t, err)
		}
		for op := range packed.All() {
			require.NotZero(t, op.Kind)
			require.NotZero(t, op.Outcome)
		}
	})
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte("steps:\n- number: 1\n  name: partition\n  start: 1.5s\n  args: {a: b}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = history.ParsePlan(text)
	})
}

func FuzzHistory(f *testing.F) {
	var file []byte
	file = append(file, history.FileMagic...)
	file = history.AppendFrame(file, 'e', []byte(`{"node":"client1"}`))
	file = history.AppendFrame(file, 'c', chunks([]history.Operation{{Kind: history.Read, Outcome: history.OK, Path: "a"}})[0])
	f.Add(file)
	f.Fuzz(func(t *testing.T, file []byte) {
		run, err := history.ReadFrom(file)
		if err == nil && run.Operations != nil {
			for op := range run.Operations.All() {
				require.NotZero(t, op.Kind)
			}
		}
	})
}
