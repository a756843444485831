package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/agent/fusemount"
)

// The bounds of the parts of the end. Nothing of it touches the mount, and what does not end in time is left behind.
const (
	tasksEnd   = 500 * time.Millisecond
	daemonsEnd = 30 * time.Second
	mountEnd   = 4 * time.Second
	linksEnd   = 2 * time.Second
	foldersEnd = 5 * time.Second
)

// clear ends everything that runs on the node and removes what the agent owns. It returns what could not be cleared.
func (a *agent) clear() []error {
	var problems []error
	keep := func(bound time.Duration, do func(ctx context.Context) error) {
		if err := within(context.Background(), bound, do); err != nil {
			a.config.Log.Warn("clearing the node", "error", err)
			problems = append(problems, err)
		}
	}
	a.tasks.end()
	a.endTasks()
	_ = within(context.Background(), tasksEnd, a.tasks.wait) // one may hang until the mount is cleared
	keep(daemonsEnd, a.daemons.Stop)
	if a.config.Mountpoint != "" {
		keep(mountEnd, func(ctx context.Context) error { return fusemount.Clear(ctx, a.config.Mountpoint) })
	}
	if closer, ok := a.hooks.Links.(interface{ Close(context.Context) error }); ok {
		keep(linksEnd, closer.Close)
	}
	keep(tasksEnd, a.tasks.wait)
	for _, folder := range a.config.Owned {
		keep(foldersEnd, func(context.Context) error { return removeFolder(folder) })
	}
	return problems
}

// removeFolder removes a folder with everything in it, unless something is mounted there: the files of a mount are not ours.
func removeFolder(folder string) error {
	mounts, err := fusemount.Under(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", folder, err)
	}
	if len(mounts) > 0 {
		return fmt.Errorf("removing %s: something is mounted at %s", folder, strings.Join(mounts, " and "))
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("removing %s: %w", folder, err)
	}
	return nil
}

// within calls do with a deadline and leaves it behind if it does not return by then: what it waits for may never come.
func within(ctx context.Context, bound time.Duration, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- do(ctx) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
