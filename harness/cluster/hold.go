package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The names of what a run has below the temporary folder of the machine.
const (
	folderPrefix = "codastress-"
	newPrefix    = "codastress-new-" // while the lock is not taken yet
	lockName     = "lock"
)

// settlingTime is longer than it takes to lock a new folder.
const settlingTime = time.Minute

// hold is a run's temporary folder, with a lock file in it that is locked while the run's harness lives: the kernel unlocks it when the harness
// dies, however it dies.
type hold struct {
	folder string
	lock   *os.File
}

// takeHold makes the folder of a run. It gets its name once it is locked, so that a folder of that name without a lock is always left over.
func takeHold(runID string) (*hold, error) {
	fresh, err := os.MkdirTemp("", newPrefix)
	if err != nil {
		return nil, fmt.Errorf("making the run's temporary folder: %w", err)
	}
	// Mounts are found by their real paths.
	if fresh, err = filepath.EvalSymlinks(fresh); err != nil {
		return nil, fmt.Errorf("making the run's temporary folder: %w", err)
	}
	folder := filepath.Join(filepath.Dir(fresh), folderPrefix+runID)
	lock, err := os.OpenFile(filepath.Join(fresh, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the run's lock: %w", err), os.RemoveAll(fresh))
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", lock.Name(), err), lock.Close(), os.RemoveAll(fresh))
	}
	if err := os.Rename(fresh, folder); err != nil {
		return nil, errors.Join(fmt.Errorf("naming the run's temporary folder: %w", err), lock.Close(), os.RemoveAll(fresh))
	}
	return &hold{folder: folder, lock: lock}, nil
}

func (h *hold) lockFile() string { return filepath.Join(h.folder, lockName) }

// release unlocks. The folder is removed before by who calls it.
func (h *hold) release() error { return h.lock.Close() }

// Alive says whether the harness lives whose lock file this is. When that cannot be known it is taken to be alive.
func Alive(lockFile string) bool {
	lock, err := os.Open(lockFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		return true
	}
	defer lock.Close() //nolint:errcheck // only read
	return unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
}

// foldersOfRuns finds the temporary folders of all runs, alive or not.
func foldersOfRuns() ([]Leftover, error) {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("looking for temporary folders: %w", err)
	}
	var found []Leftover
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(os.TempDir(), entry.Name())
		runID, ours := strings.CutPrefix(name, folderPrefix)
		if !ours || !entry.IsDir() || !hasLock(path) {
			continue
		}
		if strings.HasPrefix(name, newPrefix) && !olderThan(entry, settlingTime) {
			continue
		}
		found = append(found, Leftover{RunID: runID, Kind: kindFolder, Name: path, Lock: filepath.Join(path, lockName)})
	}
	return found, nil
}

// hasLock says whether a folder has a lock, or nothing at all yet: other folders of such a name are people's own.
func hasLock(folder string) bool {
	entries, err := os.ReadDir(folder)
	return err == nil && (len(entries) == 0 || slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return entry.Name() == lockName }))
}

func olderThan(entry fs.DirEntry, age time.Duration) bool {
	info, err := entry.Info()
	return err == nil && time.Since(info.ModTime()) > age
}
