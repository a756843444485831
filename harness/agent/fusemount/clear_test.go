package fusemount

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/agent/fusemount/fusetest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// touch looks at a path from a goroutine.
func touch(path string) <-chan error {
	result := make(chan error, 1)
	go func() {
		var stat syscall.Stat_t
		result <- syscall.Stat(path, &stat)
	}()
	return result
}

func receive(t *testing.T, result <-chan error) error {
	select {
	case err := <-result:
		return err
	case <-time.After(patience):
		require.Fail(t, "a call on the mount did not return")
		return nil
	}
}

func TestClearFreesWhoWaits(t *testing.T) {
	path := fusetest.NewDeaf(t).Path
	waiting := touch(filepath.Join(path, "file"))
	select {
	case err := <-waiting:
		require.Fail(t, "the mount answered", "%v", err)
	case <-time.After(50 * time.Millisecond):
	}
	mounted, err := Mounted(path)
	require.NoError(t, err)
	require.True(t, mounted)
	require.NoError(t, Clear(t.Context(), path))
	require.ErrorIs(t, receive(t, waiting), syscall.ECONNABORTED)
	mounted, err = Mounted(path)
	require.NoError(t, err)
	require.False(t, mounted)
	require.NoError(t, receive(t, touch(path)))
	require.NoError(t, Clear(t.Context(), path), "nothing is there any more")
}

func TestAbortLeavesTheMount(t *testing.T) {
	path := fusetest.NewDeaf(t).Path
	require.NoError(t, Abort(t.Context(), path))
	require.ErrorIs(t, receive(t, touch(filepath.Join(path, "file"))), syscall.ENOTCONN)
	mounted, err := Mounted(path)
	require.NoError(t, err)
	require.True(t, mounted)
}

func TestClearADeadMount(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	path := mount.Path
	mount.Die()
	require.NoError(t, Clear(t.Context(), path))
	mounted, err := Mounted(path)
	require.NoError(t, err)
	require.False(t, mounted)
}

func TestUnderFindsMountsInAFolder(t *testing.T) {
	path := fusetest.NewDeaf(t).Path
	found, err := Under(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, []string{path}, found)
	found, err = Under(path)
	require.NoError(t, err)
	require.Equal(t, []string{path}, found)
	found, err = Under(t.TempDir())
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestClearRefusesOtherMounts(t *testing.T) {
	require.ErrorContains(t, Clear(t.Context(), "/proc"), "not of FUSE")
}

func TestAPathThroughASymlink(t *testing.T) {
	path := fusetest.NewDeaf(t).Path
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(filepath.Dir(path), link))
	mounted, err := Mounted(filepath.Join(link, filepath.Base(path)))
	require.NoError(t, err)
	require.True(t, mounted)
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []mount
		wrong      bool
	}{
		{"empty", "", nil, false},
		{
			"optional fields and escapes",
			`36 35 98:0 /mnt1 /mnt\0402\134 rw,noatime master:1 shared:2 - fuse.coda coda rw,fd=3`,
			[]mount{{device: "98:0", path: `/mnt 2\`, kind: "fuse.coda"}},
			false,
		},
		{"no optional fields", "22 1 0:53 / /coda rw - fuse x rw", []mount{{device: "0:53", path: "/coda", kind: "fuse"}}, false},
		{"no separator", "22 1 0:53 / /coda rw fuse x rw", nil, true},
		{"cut off", "22 1 0:53 / - ", nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parse(strings.NewReader(test.text))
			require.Equal(t, test.wrong, err != nil)
			require.Equal(t, test.want, got)
		})
	}
	require.Equal(t, "53", mount{device: "0:53"}.connection())
	require.True(t, mount{kind: "fuse"}.isFUSE())
	require.False(t, mount{kind: "fusectl"}.isFUSE())
}

func FuzzParse(f *testing.F) {
	f.Add(`36 35 98:0 / /mnt\0402 rw - fuse.coda coda rw`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parse(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, m := range all {
			require.NotEmpty(t, m.kind)
			require.NotEmpty(t, m.path)
			require.LessOrEqual(t, len(m.connection()), len(m.device))
		}
	})
}
