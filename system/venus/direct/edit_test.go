package direct_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/venus/direct"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// Both ways to a venus, over its socket and in the same process, edit alike.
func TestEditFile(t *testing.T) {
	s := vicetest.Start(t)
	v, err := venus.Open(t.Context(), venus.Config{Dir: t.TempDir(), Servers: []venus.Server{{Address: "vicetest"}}, Dial: s.Dial, Volume: vicetest.Volume})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close(context.Background())) })
	for name, files := range map[string]direct.Files{"socket": start(t), "same process": direct.Local{Venus: v}} {
		t.Run(name, func(t *testing.T) { editFile(t, files) })
	}
}

func editFile(t *testing.T, files direct.Files) {
	ctx := t.Context()
	big := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	_, err := files.WriteFile(ctx, "f", bytes.NewReader(big), direct.Write{Create: true, Mode: 0o640})
	require.NoError(t, err)
	content := func() []byte {
		var got bytes.Buffer
		_, err := files.CopyFile(ctx, "f", &got)
		require.NoError(t, err)
		return got.Bytes()
	}
	change := func(changes ...direct.Change) direct.Edit {
		return func([]byte) ([]direct.Change, error) { return changes, nil }
	}

	_, err = files.EditFile(ctx, "f", func(seen []byte) ([]direct.Change, error) {
		require.True(t, bytes.Equal(big, seen))
		return []direct.Change{{Offset: int64(len(big)), Data: big[:100_000]}, {Offset: 3, Data: []byte("new")}}, nil
	}, true)
	require.NoError(t, err)
	want := append(bytes.Clone(big), big[:100_000]...)
	copy(want[3:], "new")
	require.True(t, bytes.Equal(want, content()))

	status, err := files.EditFile(ctx, "f", change(direct.Change{Offset: 7, Truncate: true}, direct.Change{Offset: 9, Data: []byte("x")}), false)
	require.NoError(t, err)
	require.EqualValues(t, 10, status.Length)
	require.Equal(t, "012new6\x00\x00x", string(content()))

	_, err = files.EditFile(ctx, "f", func([]byte) ([]direct.Change, error) { return nil, errBroken }, false)
	require.ErrorIs(t, err, errBroken)
	_, err = files.EditFile(ctx, "f", change(direct.Change{Offset: -1, Data: []byte("x")}), false)
	require.ErrorIs(t, err, coda.Invalid)
	_, err = files.EditFile(ctx, "none", change(), false)
	require.ErrorIs(t, err, coda.NotFound)
	require.Equal(t, "012new6\x00\x00x", string(content()), "what fails changes nothing")

	// A file that others remove while it is open can be edited, and stays removed.
	_, err = files.EditFile(ctx, "f", func([]byte) ([]direct.Change, error) {
		return []direct.Change{{Data: []byte("gone")}}, files.Remove(ctx, "f")
	}, false)
	require.NoError(t, err)
	_, err = files.Stat(ctx, "f")
	require.ErrorIs(t, err, coda.NotFound)
}

func TestSetAttributes(t *testing.T) {
	c := start(t)
	_, err := c.WriteFile(t.Context(), "f", strings.NewReader("x"), direct.Write{Create: true, Mode: 0o640})
	require.NoError(t, err)
	mode, modified := uint32(0o604), time.Unix(1_234_567_890, 0)
	status, err := c.SetAttributes(t.Context(), "f", direct.Attributes{Mode: &mode, Modified: &modified})
	require.NoError(t, err)
	require.Equal(t, mode, status.Mode)
	require.Equal(t, coda.TimeOf(modified), status.Modified)
	_, err = c.SetAttributes(t.Context(), "none", direct.Attributes{Mode: &mode})
	require.ErrorIs(t, err, coda.NotFound)
}
