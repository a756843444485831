package history_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func header(length int64) history.Header {
	random := rand.New(rand.NewPCG(1, uint64(length)))
	return history.Header{
		Nonce: history.NewNonce(random), Node: "client3", Worker: 7, Number: 1 << 40, Path: "www/site1/page-0007.html", Length: length,
		Parents: []history.Nonce{history.NewNonce(random), history.NewNonce(random)},
	}
}

func content(t require.TestingT, h history.Header) []byte {
	made, err := history.MakeContent(h)
	require.NoError(t, err)
	return made
}

func TestContentSaysWhereItComesFrom(t *testing.T) {
	for _, length := range []int64{int64(header(0).Size()), 200, 4096, 4099, 1 << 20} {
		want := header(length)
		made := content(t, want)
		require.Len(t, made, int(length))
		got, problem := history.CheckContent(made, want.Path)
		require.Empty(t, problem)
		require.Equal(t, want, got)
		got, problem = history.ReadHeader(made[:want.Size()])
		require.Empty(t, problem)
		require.Equal(t, want, got)
	}
}

func TestContentShorterThanItsHeaderIsRefused(t *testing.T) {
	h := header(int64(header(0).Size()) - 1)
	_, err := history.MakeContent(h)
	require.ErrorIs(t, err, history.ErrContentLength)
}

func TestContentNeedsRoomForItsFields(t *testing.T) {
	_, err := history.MakeContent(history.Header{Path: string(make([]byte, 1<<16)), Length: 1 << 20})
	require.ErrorIs(t, err, history.ErrContentLength)
}

func TestDamagedContentIsFound(t *testing.T) {
	h := header(10_000)
	other := h
	other.Nonce[0]++
	whole, others := content(t, h), content(t, other)
	damage := func(change func(b []byte) []byte) []byte { return change(bytes.Clone(whole)) }
	for name, c := range map[string]struct {
		content []byte
		problem string
	}{
		"empty":       {nil, "it is empty"},
		"zeros":       {make([]byte, 10_000), "it is 10000 zeros"},
		"few zeros":   {make([]byte, 3), "it is 3 zeros"},
		"something":   {[]byte("<html>something that nobody here has written</html>"), "it does not begin with a header"},
		"little":      {whole[:7], "it is truncated to 7 bytes, within its header"},
		"half header": {whole[:50], "it is truncated to 50 bytes, within its header"},
		"header only": {whole[:h.Size()], "it is truncated to 123 of 10000 bytes"},
		"short":       {whole[:9_999], "it is truncated to 9999 of 10000 bytes"},
		"long":        {append(bytes.Clone(whole), 0, 1), "2 bytes follow its end"},
		"twice":       {append(bytes.Clone(whole), whole...), "10000 bytes follow its end"},
		"torn":        {append(bytes.Clone(whole[:8_192]), others[8_192:]...), "it is torn: from byte 8192 on it is not what was written"},
		"mixed": {
			append(bytes.Clone(whole[:5_000]), others[:5_000]...), "it is mixed with another content from byte 5000 on",
		},
		"zeros at the end": {append(bytes.Clone(whole[:8_192]), make([]byte, 10_000-8_192)...), "it has zeros from byte 8192 on"},
		"a bit of the body": {
			damage(func(b []byte) []byte { b[9_000] ^= 4; return b }), "it is torn: from byte 9000 on it is not what was written",
		},
		"a bit of the header": {damage(func(b []byte) []byte { b[40] ^= 4; return b }), "its header is damaged"},
		"a bit of its size":   {damage(func(b []byte) []byte { b[11] ^= 4; return b }), "its header is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problem := history.CheckContent(c.content, h.Path)
			require.Equal(t, c.problem, problem)
			require.False(t, history.IsMisplaced(problem))
		})
	}
}

func TestMisplacedContentIsFoundUnlessAnyPlaceIsRight(t *testing.T) {
	h := header(500)
	got, problem := history.CheckContent(content(t, h), "www/site1/page-0008.html")
	require.Equal(t, "it is misplaced: it was written to www/site1/page-0007.html", problem)
	require.Equal(t, h.Nonce, got.Nonce)
	require.True(t, history.IsMisplaced(problem))
	_, problem = history.CheckContent(content(t, h), "")
	require.Empty(t, problem)
}

func TestContentInPiecesIsJudgedAsAWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := header(rapid.Int64Range(123, 20_000).Draw(t, "length"))
		whole := content(t, h)
		switch rapid.IntRange(0, 3).Draw(t, "damage") {
		case 1:
			whole[rapid.IntRange(0, len(whole)-1).Draw(t, "at")] ^= 1
		case 2:
			whole = whole[:rapid.IntRange(0, len(whole)).Draw(t, "to")]
		case 3:
			clear(whole[rapid.IntRange(0, len(whole)-1).Draw(t, "from"):])
		}
		wantHeader, want := history.CheckContent(whole, h.Path)
		checker := history.NewContentChecker(h.Path)
		for rest := whole; len(rest) > 0; {
			n := rapid.IntRange(1, min(len(rest), 5_000)).Draw(t, "piece")
			_, err := io.Copy(checker, bytes.NewReader(rest[:n]))
			require.NoError(t, err)
			rest = rest[n:]
		}
		gotHeader, got := checker.Finish()
		// In pieces it is not always seen how the damage goes on, but always that it is there and whose content it is.
		require.Equal(t, want == "", got == "")
		require.Equal(t, wantHeader, gotHeader)
	})
}

func FuzzCheckContent(f *testing.F) {
	h := header(300)
	made, err := history.MakeContent(h)
	require.NoError(f, err)
	f.Add(made)
	f.Add(made[:100])
	h.Area = 256
	f.Add(content(f, h))
	f.Add(content(f, h.Spliced(header(0), 10, 20, false)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, problem := history.CheckContent(b, ""); problem == "" {
			require.Equal(t, content(t, got), b)
		}
		history.ReadHeader(b)
	})
}

func BenchmarkMakeContent(b *testing.B) {
	h := header(64 << 10)
	b.SetBytes(h.Length)
	for b.Loop() {
		_, _ = history.MakeContent(h)
	}
}

func BenchmarkCheckContent(b *testing.B) {
	h := header(64 << 10)
	made := content(b, h)
	b.SetBytes(h.Length)
	for b.Loop() {
		_, _ = history.CheckContent(made, h.Path)
	}
}

// A content is the same in memory that others were in.
func TestMakeContentInUsedMemory(t *testing.T) {
	h := history.Header{Nonce: history.Nonce{1, 2}, Node: "client1", Path: "d/a", Length: 3000, Area: 512}
	fresh, err := history.MakeContent(h)
	require.NoError(t, err)
	used := bytes.Repeat([]byte{0xff}, 5000)
	again, err := history.MakeContentIn(used, h)
	require.NoError(t, err)
	require.Equal(t, fresh, again)
	require.Same(t, &used[0], &again[0])
	larger, err := history.MakeContentIn(again, history.Header{Nonce: h.Nonce, Node: h.Node, Path: h.Path, Length: 9000})
	require.NoError(t, err)
	require.Len(t, larger, 9000)
}
