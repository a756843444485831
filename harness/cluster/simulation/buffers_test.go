package simulation

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Bytes on their way do not change, whatever memory was used before, and no more of it is kept than is allowed.
func TestBuffersBelongToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s buffers
		type sent struct{ buffer, want []byte }
		var all []sent
		for step := range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(all) > 0 && rapid.Bool().Draw(t, "read") {
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				require.Equal(t, all[i].want, all[i].buffer)
				s.done(all[i].buffer)
				all = append(all[:i], all[i+1:]...)
				continue
			}
			length := rapid.OneOf(rapid.IntRange(1, 3000), rapid.Just(1<<largestBuffer), rapid.Just(1<<largestBuffer+1)).Draw(t, "length")
			want := bytes.Repeat([]byte{byte(step)}, length)
			all = append(all, sent{s.copyOf(want), want})
		}
		for k, free := range s.free {
			require.LessOrEqual(t, len(free)<<k, mostFree)
		}
	})
}
