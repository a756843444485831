package venus_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

func TestRefusedWorkIsKept(t *testing.T) {
	s := vicetest.Start(t)
	a, b := start(t, s), start(t, s)
	a.mkdir("d")
	a.write("d/both", "original")
	a.write("d/removed", "original")
	a.write("d/updated", "original")
	a.settle()
	a.warm()
	b.warm()
	a.Disconnect()
	b.write("d/both", "b's")
	b.remove("d/removed")
	b.write("d/updated", "b's")
	b.write("d/name", "b's")
	b.mkdir("made")
	b.write("made/b", "b's")
	b.settle()

	a.write("d/both", "a's")
	a.write("d/removed", "a's")
	a.remove("d/updated")
	a.write("d/name", "a's")
	a.mkdir("made")
	a.write("made/a", "a's")
	a.write("d/free", "a's") // not in anybody's way
	a.Reconnect()
	a.await(true)
	a.settle()

	require.Equal(t, serverTree(s), a.tree())
	require.Eventually(t, func() bool { got, err := b.tryRead("d/free"); return err == nil && got == "a's" }, patience, 1e6)
	require.Equal(t, serverTree(s), b.tree())
	require.Equal(t, "b's", a.read("d/both"))
	require.Equal(t, "b's", a.read("d/name"))
	require.Equal(t, "b's", a.read("d/updated"))
	check := func(c *client) {
		list, err := c.Conflicts()
		require.NoError(t, err)
		kept := map[string]string{}
		for _, x := range list {
			if x.Kept != "" {
				whole, err := os.ReadFile(x.Kept)
				require.NoError(t, err)
				require.Equal(t, string(whole), string(x.Head))
			}
			kept[x.Operation+" "+x.Path] = string(x.Head)
		}
		for _, want := range []string{"store d/both", "store d/removed", "store d/name"} {
			require.Equal(t, "a's", kept[want], "%s among %v", want, kept)
		}
		require.Contains(t, kept, "remove d/updated")
		require.Contains(t, kept, "create d/name")
		require.Contains(t, kept, "mkdir made")
		require.EqualValues(t, len(list), c.Volume().Conflicts)
	}
	check(a)
	a = a.restart()
	check(a)
	a.write("d/both", "now it goes")
	a.settle()
	require.Equal(t, serverTree(s), a.tree())
}

// What one client does again and again, and whatever it does to what it did before, is no conflict.
func TestNoFalseConflicts(t *testing.T) {
	s := vicetest.Start(t)
	a, b := start(t, s), start(t, s)
	a.write("x", "0")
	for i := range 30 {
		a.write("x", "again")
		a.rename("x", "y")
		b.Conflicts()
		a.rename("y", "x")
		if i%3 == 0 {
			a.settle()
		}
		at, err := a.at("x")
		require.NoError(t, err)
		mode := uint32(0o600 + i%8)
		_, err = a.SetAttributes(t.Context(), at.Fid, venus.Changes{Mode: &mode})
		require.NoError(t, err)
		if i%5 == 0 {
			a.remove("x")
			a.write("x", "new")
		}
	}
	a.settle()
	list, err := a.Conflicts()
	require.NoError(t, err)
	require.Empty(t, list)
	// An open file that another client changes meanwhile is one, and each side's contents survive.
	w := a.open("x", venus.OpenFlags{Write: true})
	b.write("x", "b's")
	b.settle()
	require.Eventually(t, func() bool { got, err := a.tryRead("x"); return err == nil && got == "b's" }, patience, 1e6)
	put(t, w, 0, "a's")
	require.NoError(t, w.Close(t.Context()))
	a.settle()
	require.Eventually(t, func() bool { got, err := a.tryRead("x"); return err == nil && got == "b's" }, patience, 1e6)
	list, err = a.Conflicts()
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(list, func(c venus.Conflict) bool { return strings.HasPrefix(string(c.Head), "a's") }))
	require.Equal(t, coda.Conflict.Error(), list[0].Why[:len(coda.Conflict.Error())])
}
