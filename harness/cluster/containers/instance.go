package containers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/codastress/codastress/harness/cluster"
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

// Kill implements cluster.Instance.
func (i *instance) Kill(ctx context.Context) error {
	removing := i.site.engine.removeContainer(ctx, i.id)
	select {
	case <-i.done:
		return removing
	case <-ctx.Done():
		return errors.Join(removing, fmt.Errorf("waiting for the container to be removed: %w", ctx.Err()))
	}
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
