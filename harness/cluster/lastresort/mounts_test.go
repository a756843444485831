package lastresort

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyFUSEMountsInTheFolderAreFound(t *testing.T) {
	const mountinfo = `26 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 26 0:40 / / rw,nodev - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0
36 31 0:53 / /tmp/codastress-a/client1/coda rw shared:7 master:2 - fuse.coda coda rw,fd=3
37 31 0:54 / /tmp/codastress-ab/coda rw - fuse coda rw
38 31 0:55 / /tmp/codastress-a/proc rw - proc proc rw
39 31 0:56 / /tmp/codastress-a rw - fuse coda rw
40 31 0:57
41 31 0:58 / /tmp/a\040folder\134/coda rw - fuse coda rw
nonsense`
	require.Equal(t, []Connection{"53", "56"}, in(mountinfo, "/tmp/codastress-a"))
	require.Equal(t, []Connection{"54"}, in(mountinfo, "/tmp/codastress-ab/coda"))
	require.Equal(t, []Connection{"58"}, in(mountinfo, `/tmp/a folder\`))
	require.Empty(t, in(mountinfo, "/coda"))
}

func TestWhatIsGoneIsNoError(t *testing.T) {
	const nobody = 1 << 30
	found, err := Of(nobody, "/")
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, Abort("4000000000"))
	_, err = Of(os.Getpid(), "/nowhere")
	require.NoError(t, err)
}
