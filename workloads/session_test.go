package workloads

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// However a file is edited, the same changes make the same content.
func TestWaysToEdit(t *testing.T) {
	for name, how := range map[string]How{
		"plain": {}, "synced": {Sync: true}, "appending": {Appending: true}, "mapped": {Mapped: true}, "mapped and synced": {Mapped: true, Sync: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := LocalDirectory{Root: t.TempDir()}
			require.NoError(t, d.WriteFile(t.Context(), "file", []byte("0123456789"), How{}))
			require.NoError(t, d.EditFile(t.Context(), "file", func(content []byte) ([]Change, error) {
				require.Equal(t, "0123456789", string(content))
				return []Change{{Offset: 2, Data: []byte("ab")}, {Offset: 10, Data: []byte("cd")}, {Data: []byte("e")}}, nil
			}, how))
			require.NoError(t, d.EditFile(t.Context(), "file", func(content []byte) ([]Change, error) {
				require.Equal(t, "e1ab456789cd", string(content))
				return []Change{{Offset: 4, Truncate: true}}, nil
			}, how))
			content, err := os.ReadFile(filepath.Join(d.Root, "file"))
			require.NoError(t, err)
			require.Equal(t, "e1ab", string(content))
		})
	}
}

func TestAnEmptyFileIsEditedWithoutAMapping(t *testing.T) {
	d := LocalDirectory{Root: t.TempDir()}
	require.NoError(t, d.WriteFile(t.Context(), "file", nil, How{}))
	require.NoError(t, d.EditFile(t.Context(), "file", func(content []byte) ([]Change, error) {
		require.Empty(t, content)
		return []Change{{Data: []byte("new")}}, nil
	}, How{Mapped: true}))
	content, err := os.ReadFile(filepath.Join(d.Root, "file"))
	require.NoError(t, err)
	require.Equal(t, "new", string(content))
}

// A page that is not there any more is an error of the call, and the process lives on.
func TestAMappingThatFaults(t *testing.T) {
	d := LocalDirectory{Root: t.TempDir()}
	require.NoError(t, d.WriteFile(t.Context(), "file", make([]byte, 3*os.Getpagesize()), How{}))
	err := d.EditFile(t.Context(), "file", func([]byte) ([]Change, error) {
		return []Change{{Offset: int64(2 * os.Getpagesize()), Data: []byte("lost")}}, os.Truncate(filepath.Join(d.Root, "file"), 1)
	}, How{Mapped: true})
	require.ErrorIs(t, err, syscall.EIO)
	var call *CallError
	require.ErrorAs(t, err, &call)
	require.Equal(t, Maybe, call.Effect)
}
