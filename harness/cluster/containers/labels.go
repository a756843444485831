package containers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The labels of everything that a run has in the engine.
const (
	runLabel     = "codastress.run"
	lockLabel    = "codastress.lock"    // the file that is locked while the run's harness lives
	machineLabel = "codastress.machine" // where that file is
)

// labels are those of a run.
func labels(runID, lock string) map[string]string {
	return map[string]string{runLabel: runID, lockLabel: lock, machineLabel: machineOf(lock)}
}

// machineOf names the file system that a run's folder is in, among all machines that may use the same engine: where the name is ours, the lock
// tells whether the harness lives.
func machineOf(lock string) string {
	hash := sha256.New()
	for _, file := range []string{"/etc/machine-id", "/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname"} {
		text, _ := os.ReadFile(file) // what is not there distinguishes nothing
		hash.Write(append(bytes.TrimSpace(text), 0))
	}
	var status unix.Stat_t
	if err := unix.Stat(filepath.Dir(filepath.Dir(lock)), &status); err == nil {
		fmt.Fprint(hash, status.Dev, " ", status.Ino)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}
