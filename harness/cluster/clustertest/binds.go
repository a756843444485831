package clustertest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Binds mounts a new directory in several places, for the time of a test.
func Binds(t *testing.T, count int) (source string, mounts []string) {
	t.Helper()
	source = t.TempDir()
	for range count {
		mount := t.TempDir()
		if err := unix.Mount(source, mount, "", unix.MS_BIND, ""); err != nil {
			t.Skipf("needs the right to mount: %v", err)
		}
		t.Cleanup(func() { require.NoError(t, unix.Unmount(mount, 0)) })
		mounts = append(mounts, mount)
	}
	return source, mounts
}
