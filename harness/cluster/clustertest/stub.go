package clustertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// stubPackage is the command that the nodes of the tests run.
const stubPackage = "github.com/codastress/codastress/harness/cluster/clustertest/stubnode"

// BuildStub builds stubnode statically, as containers need it, and returns its path.
func BuildStub(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stubnode")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, stubPackage)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := command.CombinedOutput()
	require.NoError(t, err, "building stubnode: %s", output)
	return path
}
