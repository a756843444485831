package venus_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// Two clients move each of two directories into the other. The one that comes second keeps a conflict, which shows in the directory that it wanted to move
// below: the local version of it would be a directory that the conflict is in, so that whoever walks through the tree would never come to an end.
func TestAnExpandedConflictDoesNotLeadUpwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		a, b := start(t, s, of(coda.Modern)), start(t, s, of(coda.Modern))
		a.mkdir("x")
		a.mkdir("y")
		a.write("x/file", "contents")
		a.settle()
		b.warm()
		a.Disconnect()
		a.rename("x", "y/x")
		b.rename("y", "x/y")
		b.settle()
		a.Reconnect()
		time.Sleep(time.Minute)
		require.Len(t, must(a.Conflicts()), 1)
		require.NoError(t, a.Expand(t.Context(), "x/y/x"))
		at := must(a.at("x/y/x"))
		require.Equal(t, coda.Directory, at.Kind)
		require.Empty(t, must(a.ReadDirectory(t.Context(), at.Fid)))
		require.Equal(t, "contents", a.read("x/file"))
	})
}
