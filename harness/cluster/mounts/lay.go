package mounts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// ErrMounts says that some directories are no mounts that a run can be carried out on. What to do about it is said, too.
var ErrMounts = errors.New("the mounts cannot be used")

// Try looks whether directories are mounts of one file system, each of which can be written to. It leaves nothing in them. The executable is
// codastress's. An error is ErrMounts, or the context's.
func Try(ctx context.Context, binary string, mounts []string) error {
	name := directoryPrefix + "try-" + strings.ToLower(rand.Text()[:10])
	err := lay(ctx, binary, mounts, name, showing)
	if err != nil {
		return err
	}
	_, err = ask(ctx, binary, removing, request{Verb: verbRemove, Directory: filepath.Join(mounts[0], name)})
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMounts, mounts[0], err)
	}
	return nil
}

// The bounds of what is asked of the file system before anything is known of it.
const (
	looking  = 10 * time.Second // at a directory
	removing = 10 * time.Second // a tree, before it is left to the process that does it
	showing  = 40 * time.Second // until what was made in one mount is there in another: file systems may promise that only for later
)

// lay makes a directory in the first mount and waits until all others show it.
func lay(ctx context.Context, binary string, mounts []string, name string, patience time.Duration) error {
	answers := make([]answer, len(mounts))
	err := each(mounts, func(i int, mount string) (err error) {
		answers[i], err = ask(ctx, binary, looking, request{Verb: verbLook, Directory: mount})
		return err
	})
	if err == nil {
		err = same(mounts, answers)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMounts, err)
	}
	mark := rand.Text()
	if _, err := ask(ctx, binary, looking, request{Verb: verbMake, Directory: filepath.Join(mounts[0], name), Mark: mark}); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMounts, mounts[0], err)
	}
	err = each(mounts, func(_ int, mount string) error {
		_, err := ask(ctx, binary, patience+looking, request{Verb: verbFind, Directory: filepath.Join(mount, name), Mark: mark, Patience: patience})
		return err
	})
	if err == nil {
		return nil
	}
	_, clearing := ask(context.WithoutCancel(ctx), binary, removing, request{Verb: verbRemove, Directory: filepath.Join(mounts[0], name)})
	return fmt.Errorf("%w: %w", ErrMounts, errors.Join(err, clearing))
}

// same says which of the directories are one: no two clients would be told apart there.
func same(mounts []string, answers []answer) error {
	for i, one := range answers {
		for k, other := range answers[:i] {
			if one.Identity == other.Identity {
				return fmt.Errorf("%s and %s are the same directory of the same mount: mount the file system once for each client", mounts[k], mounts[i])
			}
		}
	}
	return nil
}

// each does something in all mounts at once, and gives the first error with the mount that it is about.
func each(mounts []string, do func(i int, mount string) error) error {
	errs := make([]error, len(mounts))
	var all sync.WaitGroup
	for i, mount := range mounts {
		all.Go(func() { errs[i] = do(i, mount) })
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", mounts[i], err)
		}
	}
	return nil
}
