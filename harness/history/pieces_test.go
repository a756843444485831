package history_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What an edit leaves alone stays as it was, byte for byte, and the whole describes itself.
func TestSplicedContentsKeepWhatWasNotChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "nonces"), 0))
		h := header(rapid.Int64Range(1024, 3000).Draw(t, "length"))
		h.Area = 1024
		was := content(t, h)
		for range rapid.IntRange(1, 8).Draw(t, "edits") {
			by := history.Header{Nonce: history.NewNonce(random), Node: "client2", Path: "a", Worker: 3}
			at := rapid.Int64Range(0, h.Body()).Draw(t, "at")
			length := rapid.Int64Range(0, 500).Draw(t, "bytes")
			cut := rapid.Bool().Draw(t, "cut")
			next := h.Spliced(by, at, length, cut)
			made := content(t, next)

			want := append([]byte{}, made[:h.Area]...) // the header is new in any case
			want = append(want, was[h.Area:int64(h.Area)+at]...)
			want = append(want, made[int64(h.Area)+at:int64(h.Area)+at+length]...)
			if rest := int64(h.Area) + at + length; !cut && rest < int64(len(was)) {
				want = append(want, was[rest:]...)
			}
			require.True(t, bytes.Equal(want, made))
			got, problem := history.CheckContent(made, "a")
			require.Empty(t, problem)
			require.Equal(t, by.Nonce, got.Nonce)
			require.Equal(t, []history.Nonce{h.Nonce}, got.Parents)
			h, was = got, made
		}
	})
}

func TestADamagedSpliceIsFound(t *testing.T) {
	h := header(3000)
	h.Area = 512
	next := h.Spliced(history.Header{Nonce: history.Nonce{7}, Node: "client2", Path: "a"}, 100, 200, false)
	whole, before := content(t, next), content(t, h)
	for name, damage := range map[string]func(b []byte){
		"the header is the old one":    func(b []byte) { copy(b, before[:512]) },
		"the new bytes are not there":  func(b []byte) { copy(b[612:], before[612:812]) },
		"one of them is not":           func(b []byte) { b[700] ^= 1 },
		"an old byte is another":       func(b []byte) { b[2999] ^= 1 },
		"the area is not empty":        func(b []byte) { b[511] = 1 },
		"the number of pieces is huge": func(b []byte) { b[60+len("client2")+1+16] = 255 },
	} {
		b := bytes.Clone(whole)
		damage(b)
		_, problem := history.CheckContent(b, "")
		require.NotEmpty(t, problem, name)
	}
	_, problem := history.CheckContent(whole[:2999], "")
	require.Equal(t, "it is truncated to 2999 of 3000 bytes", problem)
}

func TestAnAreaIsTooSmallForSomeHeaders(t *testing.T) {
	h := header(3000)
	h.Area = 150
	_, err := history.MakeContent(h)
	require.ErrorIs(t, err, history.ErrContentLength)
	h.Area, h.Pieces = 512, []history.Piece{{Nonce: h.Nonce, Length: 5}}
	_, err = history.MakeContent(h)
	require.ErrorIs(t, err, history.ErrContentLength)
	h.Area = 0
	_, err = history.MakeContent(h)
	require.ErrorIs(t, err, history.ErrContentLength)
}
