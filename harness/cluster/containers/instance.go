package containers

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/lastresort"
)

// instance is a node's container.
type instance struct {
	site *site
	id   string
	node cluster.NodeName
	done chan struct{}
	err  error // written before done is closed
}

var _ cluster.Instance = (*instance)(nil)

// await closes done when the container is gone, or when the engine does not say any more whether it is.
func (s *site) await(one *instance) {
	waiting := s.engine.api.ContainerWait(s.living, one.id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	s.following.Go(func() {
		defer close(one.done)
		select {
		case ended := <-waiting.Result:
			one.err = fmt.Errorf("exit status %d", ended.StatusCode)
			if ended.Error != nil {
				one.err = errors.New(ended.Error.Message)
			}
		case err := <-waiting.Error:
			one.err = fmt.Errorf("the container engine does not answer: %w", err)
		}
	})
}

// Address implements cluster.Instance.
func (i *instance) Address() string { return i.site.address(i.node) }

// Done implements cluster.Instance.
func (i *instance) Done() <-chan struct{} { return i.done }

// Err implements cluster.Instance.
func (i *instance) Err() error { return i.err }

// graceTime is how long a killed container may take before the FUSE file system that its processes may wait for is aborted.
const graceTime = time.Second

// Kill implements cluster.Instance.
func (i *instance) Kill(ctx context.Context) error {
	mounted := i.mounted(ctx)
	removing := make(chan error, 1)
	go func() { removing <- i.site.engine.removeContainer(ctx, i.id) }()
	select {
	case <-i.done:
		return <-removing
	case <-time.After(graceTime):
	case <-ctx.Done():
	}
	var errs []error
	for _, connection := range mounted {
		errs = append(errs, lastresort.Abort(connection))
	}
	select {
	case <-i.done:
		return <-removing
	case <-ctx.Done():
		return errors.Join(append(errs, fmt.Errorf("waiting for the container to be removed: %w", ctx.Err()))...)
	}
}

// removeContainer kills and removes a container. That it is gone, or that somebody else removes it, is no error.
func (e *engine) removeContainer(ctx context.Context, id string) error {
	_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err == nil || errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("removing the container: %w", err)
}

// mounted returns the FUSE connection of the node's mount, where the engine runs on this machine.
func (i *instance) mounted(ctx context.Context) []lastresort.Connection {
	result, err := i.site.engine.api.ContainerInspect(ctx, i.id, client.ContainerInspectOptions{})
	if err != nil || result.Container.State == nil || result.Container.State.Pid == 0 {
		return nil
	}
	pid := result.Container.State.Pid
	// On another machine this is the number of some other process.
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(environment, []byte(cluster.RunVariable+"="+i.site.ground.RunID+"\x00")) {
		return nil
	}
	found, err := lastresort.Of(pid, codaFolder)
	if err != nil {
		i.site.log.Debug("looking for mounts", "node", i.node.Name, "error", err)
	}
	return found
}

// Pause implements cluster.Instance.
func (i *instance) Pause(ctx context.Context) error {
	if _, err := i.site.engine.api.ContainerPause(ctx, i.id, client.ContainerPauseOptions{}); err != nil {
		return fmt.Errorf("pausing the container of %s: %w", i.node.Name, err)
	}
	return nil
}

// Resume implements cluster.Instance.
func (i *instance) Resume(ctx context.Context) error {
	if _, err := i.site.engine.api.ContainerUnpause(ctx, i.id, client.ContainerUnpauseOptions{}); err != nil {
		return fmt.Errorf("resuming the container of %s: %w", i.node.Name, err)
	}
	return nil
}

// Elsewhere implements cluster.Instance.
func (i *instance) Elsewhere() bool { return true }

// SaveLogs implements cluster.Instance. The engine may be on another machine.
func (i *instance) SaveLogs(ctx context.Context) error {
	result, err := i.site.engine.api.CopyFromContainer(ctx, i.id, client.CopyFromContainerOptions{SourcePath: logsFolder})
	if err != nil {
		return fmt.Errorf("copying them from the container: %w", err)
	}
	defer result.Content.Close() //nolint:errcheck // it was read
	stop := context.AfterFunc(ctx, func() { _ = result.Content.Close() })
	defer stop()
	archive := tar.NewReader(result.Content)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("copying them from the container: %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := save(filepath.Join(i.site.folder(i.node.Name), filepath.Base(header.Name)), archive); err != nil {
			return err
		}
	}
}

func save(path string, content io.Reader) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
