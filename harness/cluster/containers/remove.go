package containers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/lastresort"
)

// graceTime is how long a killed container may take before the FUSE file system that its processes may wait for is aborted.
const graceTime = time.Second

// removeContainer kills and removes a container. That it is gone, or that somebody else removes it, is no error.
func (e *engine) removeContainer(ctx context.Context, id string) error {
	mounted, looking := e.mountedIn(ctx, id)
	removing := make(chan error, 1)
	go func() {
		_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		removing <- err
	}()
	var err error
	select {
	case err = <-removing:
	case <-time.After(graceTime):
		var errs []error
		for _, connection := range mounted {
			errs = append(errs, lastresort.Abort(connection))
		}
		if err = <-removing; err != nil { // the client returns with its context
			err = errors.Join(append(errs, err, looking)...)
		}
	}
	if err == nil || errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("removing the container: %w", err)
}

// mountedIn returns the FUSE connection of the mount in a node's container, where the engine runs on this machine. It has to be asked before the
// first process dies.
func (e *engine) mountedIn(ctx context.Context, id string) ([]lastresort.Connection, error) {
	result, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil || result.Container.State == nil || result.Container.State.Pid == 0 || result.Container.Config == nil {
		return nil, nil //nolint:nilerr // it does not run
	}
	pid := result.Container.State.Pid
	mark := cluster.RunVariable + "=" + result.Container.Config.Labels[runLabel] + "\x00"
	// On another machine this is the number of some other process, or of none.
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(environment, []byte(mark)) {
		return nil, nil //nolint:nilerr // likewise
	}
	return lastresort.Of(pid, codaFolder)
}
