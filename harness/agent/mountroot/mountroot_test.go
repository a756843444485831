package mountroot

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	for _, test := range []struct {
		path    string
		mounted bool
		want    error
	}{
		{"/proc", true, nil},
		{"/proc/", true, nil},
		{t.TempDir(), false, nil},
		{t.TempDir(), true, syscall.ENOTCONN},
		{filepath.Join(t.TempDir(), "none"), true, syscall.ENOTCONN},
		{filepath.Join(t.TempDir(), "none"), false, syscall.ENOTCONN},
	} {
		root, err := Open(test.path, test.mounted)
		require.ErrorIs(t, err, test.want, test.path)
		if err == nil {
			require.NoError(t, root.Close())
		}
	}
}
