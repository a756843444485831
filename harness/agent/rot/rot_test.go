package rot

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABitIsFlippedAndFlippedBack(t *testing.T) {
	folder, contents := t.TempDir(), bytes.Repeat([]byte("contents "), 1000)
	require.NoError(t, os.Mkdir(filepath.Join(folder, "00"), 0o700))
	path := filepath.Join(folder, "00", "a")
	random := rand.New(rand.NewPCG(1, 1))
	_, err := Bits(Machine{}, in(t, folder), 1, random)
	require.ErrorIs(t, err, ErrNothing)
	require.NoError(t, os.WriteFile(path, contents, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "empty"), nil, 0o600))

	flips, err := Bits(Machine{}, in(t, folder), 0.3, random)
	require.NoError(t, err)
	require.Len(t, flips, 1)
	flip := flips[0]
	require.Equal(t, path, flip.Path)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, got, len(contents))
	require.NotEqual(t, contents, got)
	got[flip.Offset] = flip.Was
	require.Equal(t, contents, got, "nothing else has changed")
	requireState(t, Flipped, flip)

	states, err := Look(Machine{}, flips, true)
	require.NoError(t, err)
	require.Equal(t, map[State]int{Right: 1}, states)
	requireState(t, Right, flip)
	got, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, contents, got)
}

// What has other contents by now, or is gone, is left alone.
func TestWhatIsGoneIsNotFlippedBack(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	flips, err := Bits(Machine{}, in(t, folder), 1, rand.New(rand.NewPCG(1, 1)))
	require.NoError(t, err)
	flip := flips[0]
	for _, contents := range [][]byte{{flip.Was ^ 0xff ^ flip.Is ^ flip.Was}, nil} {
		require.NoError(t, os.WriteFile(path, contents, 0o600))
		states, err := Look(Machine{}, flips, true)
		require.NoError(t, err)
		require.Equal(t, map[State]int{Gone: 1}, states)
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(contents, got))
	}
	require.NoError(t, os.Remove(path))
	requireState(t, Gone, flip)
}

func in(t *testing.T, folder string) []Content {
	t.Helper()
	all, err := In(Machine{}, folder)
	require.NoError(t, err)
	return all
}

// A file that has other contents than were meant is neither harmed nor mended, also where the byte is the same by chance.
func TestOtherContentsAreLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	meant, other := []byte("what was meant"), []byte("something else")
	digest := sha256.Sum256(meant)
	among := []Content{{Path: path, Digest: digest[:]}}
	random := rand.New(rand.NewPCG(1, 1))
	require.NoError(t, os.WriteFile(path, other, 0o600))
	_, err := Bits(Machine{}, among, 1, random)
	require.ErrorIs(t, err, ErrNothing)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, other, got)

	require.NoError(t, os.WriteFile(path, meant, 0o600))
	flips, err := Bits(Machine{}, among, 1, random)
	require.NoError(t, err)
	requireState(t, Flipped, flips[0])
	other[flips[0].Offset] = flips[0].Is
	require.NoError(t, os.WriteFile(path, other, 0o600))
	states, err := Look(Machine{}, flips, true)
	require.NoError(t, err)
	require.Equal(t, map[State]int{Gone: 1}, states)
	got, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, other, got)
}

func requireState(t *testing.T, want State, flip Flip) {
	t.Helper()
	states, err := Look(Machine{}, []Flip{flip}, false)
	require.NoError(t, err)
	require.Equal(t, map[State]int{want: 1}, states)
}

func TestAShareOfTheFilesRots(t *testing.T) {
	folder := t.TempDir()
	for i := range 20 {
		require.NoError(t, os.WriteFile(filepath.Join(folder, strconv.Itoa(i)), []byte("some"), 0o600))
	}
	flips, err := Bits(Machine{}, in(t, folder), 0.3, rand.New(rand.NewPCG(1, 1)))
	require.NoError(t, err)
	require.Len(t, flips, 6)
	require.NoError(t, os.Remove(flips[2].Path))
	states, err := Look(Machine{}, flips, false)
	require.NoError(t, err)
	require.Equal(t, map[State]int{Flipped: 5, Gone: 1}, states)
	states, err = Look(Machine{}, flips, true)
	require.NoError(t, err)
	require.Equal(t, map[State]int{Right: 5, Gone: 1}, states)
}
