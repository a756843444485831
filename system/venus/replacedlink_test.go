package venus_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/vice/vicetest"
)

// A file that was made and removed again, and in between took one of the two names of another, is not sent, but that the other lost the name is: before what
// was done to that one since, also where it is gone by then. A file with two names cannot leave its directory.
func TestALinkThatWasReplacedIsGoneBeforeItsFileMoves(t *testing.T) {
	for name, gone := range map[string]bool{"and stays": false, "and is removed": true} {
		t.Run(name, func(t *testing.T) {
			s := vicetest.Start(t)
			a := start(t, s)
			a.mkdir("d1")
			a.mkdir("d3")
			a.write("d3/f2", "x")
			a.settle()
			a.Disconnect()
			dir, _ := a.parent("d3/f2")
			must(a.Link(t.Context(), dir, "f125", must(a.at("d3/f2")).Fid))
			a.write("d3/other", "y")
			a.rename("d3/other", "d3/f125")
			a.rename("d3/f2", "d1/f1")
			if gone {
				a.remove("d1/f1")
			}
			a.remove("d3/f125")
			a.Reconnect()
			a.await(true)
			a.settle()
			require.Empty(t, must(a.Conflicts()))
			require.Equal(t, serverTree(s), a.tree())
		})
	}
}
