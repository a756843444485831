package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/codastress/codastress/harness/agent/fusemount"
)

// removeFolder detaches what is mounted in a folder and removes it. It never waits longer than ctx: a mount that came up meanwhile, and hangs, keeps the
// goroutine that removes, not the caller.
func removeFolder(ctx context.Context, folder string) error {
	result := make(chan error, 1)
	go func() { result <- removeNow(ctx, folder) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("removing %s: %w", folder, ctx.Err())
	}
}

func removeNow(ctx context.Context, folder string) error {
	if _, err := os.Lstat(folder); os.IsNotExist(err) {
		return nil
	}
	mounted, err := fusemount.Under(folder)
	if err != nil {
		return fmt.Errorf("looking for mounts in %s: %w", folder, err)
	}
	for _, path := range mounted {
		if err := fusemount.Clear(ctx, path); err != nil {
			return fmt.Errorf("detaching %s: %w", path, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("removing %s: %w", folder, err)
	}
	if err := removeAll(folder); err != nil {
		return fmt.Errorf("removing %s: %w", folder, err)
	}
	return nil
}

// removeAll removes the lock last: it is by that that the folder is known to be a run's, should this be broken off.
func removeAll(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, entry.Name())); err != nil {
			return err
		}
	}
	return os.RemoveAll(folder)
}
