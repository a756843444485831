package venusfs

import (
	"os"
	"os/exec"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"github.com/stretchr/testify/require"
)

// ruledOut are the tests of go-fuse's suite that Coda's design rules out. They are run all the same, and must not pass.
var ruledOut = map[string]string{
	"XAttr":      "Coda has no extended attributes",
	"XAttrLarge": "Coda has no extended attributes",
	"Tmpfile":    "Coda has no files without a name",
}

// wrong are the tests of the suite that ask for what a local file system does not do either. They must fail there, too.
var wrong = map[string]string{
	"FcntlFlockLocksFile": "a process is not kept out by its own lock",
}

func TestPosix(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		for name, test := range posixtest.All {
			t.Run(name, func(t *testing.T) {
				dir := client.path(name)
				require.NoError(t, os.Mkdir(dir, 0o755))
				if why, out := ruledOut[name]; out {
					requireNoPass(t, name, dir, why)
				} else if why, out := wrong[name]; out {
					requireNoPass(t, name, dir, why)
					requireNoPass(t, name, t.TempDir(), why)
				} else {
					defer func() { require.False(t, t.Skipped(), "the suite leaves it out without a reason of Coda's") }()
					test(t, dir)
				}
				require.NoError(t, os.RemoveAll(dir))
			})
		}
	})
}

// posixVariable has the test binary run one test of the suite in the directory that posixDirectoryVariable names.
const (
	posixVariable          = "VENUSFS_TEST_POSIX"
	posixDirectoryVariable = "VENUSFS_TEST_POSIX_DIRECTORY"
)

// requireNoPass runs a test of the suite in a process of its own, because it is meant to fail.
func requireNoPass(t *testing.T, name, dir, why string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestPosixRuledOut$", "-test.v")
	cmd.Env = append(os.Environ(), posixVariable+"="+name, posixDirectoryVariable+"="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil {
		require.Contains(t, string(out), "--- SKIP: TestPosixRuledOut", "it passes, although %s", why)
	}
}

func TestPosixRuledOut(t *testing.T) {
	if name := os.Getenv(posixVariable); name != "" {
		posixtest.All[name](t, os.Getenv(posixDirectoryVariable))
	}
}
