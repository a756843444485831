package direct_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus/cfs"
	"github.com/codastress/codastress/system/venus/direct"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// What a person tells hoard, and what hoard answers.
func TestHoardCommands(t *testing.T) {
	s := vicetest.Start(t)
	home, c := startOn(t, s), startOn(t, s)
	_, err := home.MakeDirectory(t.Context(), "d", 0o755)
	require.NoError(t, err)
	for _, file := range []string{"d/1", "d/2", "x"} {
		_, err := home.WriteFile(t.Context(), file, strings.NewReader("contents"), direct.Write{Create: true, Mode: 0o644})
		require.NoError(t, err)
	}
	forced, _ := cfs.Find("fr")
	require.NoError(t, forced.Run(t.Context(), home.Control(), &strings.Builder{}, cfs.Input{}))

	try := func(name string, in cfs.Input) (string, error) {
		all := cfs.HoardCommands()
		i := slices.IndexFunc(all, func(c cfs.Command) bool { return c.Name == name })
		require.GreaterOrEqual(t, i, 0, name)
		var out strings.Builder
		err := all[i].Run(t.Context(), c.Control(), &out, in)
		return out.String(), err
	}
	run := func(name, path, more string) string {
		out, err := try(name, cfs.Input{Path: path, More: more})
		require.NoError(t, err)
		return out
	}
	require.Equal(t, "d: 1 entries of the hoard database were made or changed\n", run("add", "d", "100:c+"))
	run("add", "x", "")
	run("add", "none", "7")
	require.Equal(t, "d 100:c+\nx 10\nnone 7\n", run("list", "", ""))
	require.Contains(t, run("verify", "", ""), "x 10 : unknown")
	require.Regexp(t, `3 entries mean 4 objects; 3 files with 24 bytes were fetched in .*\n1 entries lead nowhere now\n`, run("walk", "", ""))
	require.Equal(t, "d 100 directory: valid\nd/1 100 file: valid\nd/2 100 file: valid\n0 of 3 are missing\n", run("verify", "d", ""))
	require.Contains(t, run("modify", "d", "c"), "d: 3 entries")
	require.Equal(t, "d 10\nd/1 10\nd/2 10\nx 10\nnone 7\n", run("list", "", ""))
	require.Empty(t, run("delete", "none", ""))
	_, err = try("modify", cfs.Input{Path: "none", More: "8"})
	require.Equal(t, coda.NotFound, coda.KindOf(err))
	_, err = try("add", cfs.Input{Path: "x", More: "much"})
	require.ErrorContains(t, err, "PRIORITY[:ATTRIBUTES]")
	_, err = try("add", cfs.Input{Path: "x", More: "1:e"})
	require.Equal(t, coda.Invalid, coda.KindOf(err))
	_, err = try("add", cfs.Input{Path: "x", More: "1001"})
	require.Equal(t, coda.Invalid, coda.KindOf(err))
	require.Equal(t, "4 entries were deleted\n", run("clear", "", ""))
	require.Empty(t, run("list", "", ""))
}
