package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestVolutil looks after a codasrv that runs.
func TestVolutil(t *testing.T) {
	codastressed, dir := clean(t), ground(t)
	socket := filepath.Join(t.TempDir(), "control")
	begin(t, codastressed, "node", "codasrv", "--dir", filepath.Join(dir, "state"), "--volume", "coda", "--control", socket, "--listen", "127.0.0.1:0")
	require.Eventually(t, func() bool {
		asked := begin(t, codastressed, "volutil", "fsck", "--socket", socket)
		return asked.wait(t, time.Minute) == exitPass && asked.stdout.String() == "1 objects, 0 problems\n"
	}, time.Minute, 50*time.Millisecond)
	said := codastress(t, exitPass, codastressed, "volutil", "salvage", "--socket", socket)
	require.Equal(t, "0 files in containers, 0 mended, 0 lost\n", said.stdout.String())
}
