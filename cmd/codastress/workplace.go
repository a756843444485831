package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
)

// A workplace is a folder beside the run directories in which simulated runs are made before they get their names. It has a caretaker, a process
// that removes it when its owner is gone, however the owner ended. The simulations in it die with the owner.
type workplace struct {
	folder    string
	lock      *os.File // locked while the owner lives, which the kernel sees to
	caretaker *exec.Cmd
	pipe      *os.File // its end is the owner's
	rooms     atomic.Uint64
}

const (
	workplacePrefix = ".simulation-"
	workplaceLock   = "lock"
	ownerlessTime   = time.Minute            // after which a workplace without a lock belongs to nobody
	caretakerTime   = 10 * time.Second       // for the simulations to die, which may go on writing meanwhile
	caretakerPause  = 100 * time.Millisecond // between two attempts to remove the folder
)

// openWorkplace makes a workplace in a folder, which it makes as well where it is not there.
func openWorkplace(beside string) (*workplace, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the executable of the caretaker: %w", err)
	}
	return openWorkplaceOf(executable, beside)
}

func openWorkplaceOf(executable, beside string) (*workplace, error) {
	beside, err := filepath.Abs(beside)
	if err == nil {
		err = os.MkdirAll(beside, 0o755)
	}
	if err != nil {
		return nil, unwritable(err)
	}
	w := &workplace{folder: filepath.Join(beside, fmt.Sprintf("%s%d-%d", workplacePrefix, os.Getpid(), time.Now().UnixNano()))}
	// The caretaker is there before the folder: at no moment would a killed owner leave it.
	if err := w.hire(executable); err != nil {
		return nil, err
	}
	if err := w.make(); err != nil {
		return nil, errors.Join(unwritable(err), w.close())
	}
	return w, nil
}

func unwritable(err error) error {
	return fmt.Errorf("%w: %w: choose a folder that can be written with --dir", harness.ErrRunDirectory, err)
}

func (w *workplace) make() error {
	if err := os.Mkdir(w.folder, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(w.folder, workplaceLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	w.lock = lock
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	return nil
}

// hire starts the caretaker, in a session of its own, so that no terminal's signal reaches it.
func (w *workplace) hire(executable string) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making the caretaker's pipe: %w", err)
	}
	defer reader.Close() //nolint:errcheck // the caretaker has its own descriptor
	w.caretaker, w.pipe = exec.Command(executable, "node", "caretaker", w.folder), writer
	w.caretaker.Stdin, w.caretaker.Dir = reader, "/"
	w.caretaker.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := w.caretaker.Start(); err != nil {
		return errors.Join(fmt.Errorf("starting the caretaker of %s: %w", w.folder, err), writer.Close())
	}
	return nil
}

// room makes a folder for one run.
func (w *workplace) room() (string, error) {
	folder := filepath.Join(w.folder, strconv.FormatUint(w.rooms.Add(1), 10))
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", unwritable(err)
	}
	return folder, nil
}

// close removes the workplace. No simulation may be in it any more.
func (w *workplace) close() error {
	err := removeAll(w.folder)
	if w.lock != nil {
		err = errors.Join(err, w.lock.Close())
	}
	err = errors.Join(err, w.pipe.Close())
	if waiting := w.caretaker.Wait(); waiting != nil {
		err = errors.Join(err, fmt.Errorf("the caretaker of %s: %w", w.folder, waiting))
	}
	return err
}

func caretakerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "caretaker FOLDER",
		Short: "Remove a folder when standard input ends",
		Args:  oneArgument("folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			// What ends the owner must not end its caretaker: that stays until the pipe is closed, and not for long after that.
			signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
			_, err := io.Copy(io.Discard, cmd.InOrStdin())
			return errors.Join(err, takeCare(context.WithoutCancel(cmd.Context()), args[0]))
		},
	}
}

// takeCare removes a folder in which somebody may still be at work for a moment.
func takeCare(ctx context.Context, folder string) error {
	ctx, cancel := context.WithTimeout(ctx, caretakerTime)
	defer cancel()
	for {
		err := removeAll(folder)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(caretakerPause):
		case <-ctx.Done():
			return err
		}
	}
}

// cleanWorkplaces removes the workplaces in a folder whose owners are gone, and returns them.
func cleanWorkplaces(beside string) (removed []string, err error) {
	entries, err := os.ReadDir(beside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for what simulations left: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		folder := filepath.Join(beside, entry.Name())
		if !strings.HasPrefix(entry.Name(), workplacePrefix) || !entry.IsDir() || owned(entry, folder) {
			continue
		}
		if err := removeAll(folder); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, folder)
	}
	return removed, errors.Join(errs...)
}

// owned says whether the owner of a workplace lives, or may be about to lock it.
func owned(entry fs.DirEntry, folder string) bool {
	lock := filepath.Join(folder, workplaceLock)
	if _, err := os.Stat(lock); err == nil {
		return cluster.Alive(lock)
	}
	info, err := entry.Info()
	return err == nil && time.Since(info.ModTime()) < ownerlessTime
}
