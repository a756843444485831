package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness"
)

func TestChooseMount(t *testing.T) {
	there := func() error { return nil }
	missing := func() error { return errors.New("no such device") }
	for _, test := range []struct {
		asked string
		fuse  func() error
		mount string
		why   string
	}{
		{"auto", there, "fuse", ""},
		{"auto", missing, "direct", "mount direct, since there is no FUSE: no such device"},
		{"fuse", there, "fuse", ""},
		{"direct", there, "direct", ""},
		{"direct", missing, "direct", ""},
	} {
		mount, why, err := chooseMount(test.asked, test.fuse)
		require.NoError(t, err)
		require.Equal(t, test.mount, mount, "%s", test.asked)
		require.Equal(t, test.why, why, "%s", test.asked)
	}

	_, _, err := chooseMount("fuse", missing)
	require.ErrorIs(t, err, harness.ErrCluster)
	require.ErrorContains(t, err, "no FUSE: no such device: run as root with /dev/fuse, or use --mount direct")
	require.Equal(t, exitCluster, exitStatus(err))

	_, _, err = chooseMount("fsue", there)
	require.ErrorContains(t, err, `unknown mount "fsue": did you mean "fuse"?`)
	require.Equal(t, exitUsage, exitStatus(err))
}
