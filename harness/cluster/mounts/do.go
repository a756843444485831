package mounts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a directory of a run has in it.
const (
	markName = "marker"
	workName = "work" // what the clients see of the mount
)

// Do is the whole life of a process that `codastress node directory` starts: it does what the request says, and writes the answer.
func Do(text string, to io.Writer) error {
	var r request
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return fmt.Errorf("reading a request: %w", err)
	}
	var a answer
	var err error
	switch r.Verb {
	case verbLook:
		a.Identity, err = look(r.Directory)
	case verbMake:
		err = makeDirectory(r)
	case verbFind:
		err = find(r)
	case verbRemove:
		err = remove(r.Directory)
	default:
		return fmt.Errorf("reading a request: there is no verb %q", r.Verb)
	}
	if err != nil {
		a.Problem = err.Error()
	}
	return json.NewEncoder(to).Encode(a)
}

// look identifies a directory.
func look(path string) (identity, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		return identity{}, errors.New("there is no such directory: mount the file system there")
	case errors.Is(err, unix.ENOTCONN):
		return identity{}, errors.New("the file system that was mounted there has ended: unmount it, and mount it again")
	case err != nil:
		return identity{}, fmt.Errorf("it cannot be looked at: %w", err)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return identity{}, errors.New("it is not a directory: name the directory that the file system is mounted on")
	}
	return identity{Mount: st.Mnt_id, Device: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino}, nil
}

// makeDirectory makes the directory of a run.
func makeDirectory(r request) error {
	err := os.Mkdir(r.Directory, 0o777)
	if err == nil {
		err = os.Mkdir(filepath.Join(r.Directory, workName), 0o777)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(r.Directory, markName), []byte(r.Mark), 0o666)
	}
	if err != nil {
		return fmt.Errorf("%w: it has to be writable for this user", unwritable(err))
	}
	return nil
}

// unwritable shortens an error of a call to what the user has to know.
func unwritable(err error) error {
	if call, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("nothing can be made in it: %w", call.Err)
	}
	return err
}

// findPause is between two looks.
const findPause = 50 * time.Millisecond

// find waits until a mount shows the directory of a run as it was made in another, and sees whether it can be written to.
func find(r request) error {
	until := time.Now().Add(r.Patience)
	for {
		err := findOnce(r)
		if err == nil {
			break
		}
		if time.Now().After(until) {
			return err
		}
		time.Sleep(findPause)
	}
	probe, err := os.CreateTemp(r.Directory, "probe")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return fmt.Errorf("%w: it has to be writable for this user", unwritable(err))
	}
	return nil
}

// errElsewhere says that a mount does not show what others do.
var errElsewhere = errors.New("all the directories have to be mounts of one file system")

func findOnce(r request) error {
	mark, err := os.ReadFile(filepath.Join(r.Directory, markName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("what was made in the first of the mounts does not appear in it within %v: %w", r.Patience, errElsewhere)
	case err != nil:
		return fmt.Errorf("what was made in the first of the mounts cannot be read in it: %w", err)
	case string(mark) != r.Mark:
		return fmt.Errorf("what was made in the first of the mounts has another content in it for %v: %w", r.Patience, errElsewhere)
	}
	info, err := os.Stat(filepath.Join(r.Directory, workName))
	if err != nil || !info.IsDir() {
		return fmt.Errorf("only a part of what was made in the first of the mounts appears in it within %v: %w", r.Patience, errElsewhere)
	}
	return nil
}

// removeTime bounds a removal, and removePause is between two attempts: a cache may show, or hide, for a while what is not so.
const (
	removeTime  = 2 * time.Minute
	removePause = 250 * time.Millisecond
)

// remove removes the directory of a run.
func remove(path string) error {
	until := time.Now().Add(removeTime)
	for {
		err := os.RemoveAll(path)
		if err == nil {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("removing what the run has made: %w", err)
		}
		time.Sleep(removePause)
	}
}

// RemoveLater has a process of its own remove the directory of a run that a client works in. It does not wait for it, and the process does not belong to
// the run any more: nobody ends it before it is done, or its time is up.
func RemoveLater(binary, work string) error {
	text, err := json.Marshal(request{Verb: verbRemove, Directory: filepath.Dir(work)})
	if err != nil {
		return fmt.Errorf("writing a request: %w", err)
	}
	cmd := exec.Command(binary, "node", "directory", string(text))
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the removal of %s: %w", work, err)
	}
	return cmd.Process.Release()
}
