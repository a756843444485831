package containers

import (
	"archive/tar"
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

// await closes done when the container is gone. Whatever is between here and the engine may cut a connection that is silent for long, so a wait
// that breaks off is begun again, as long as the engine answers.
func (s *site) await(one *instance) {
	waiting := s.removal(one)
	s.following.Go(func() {
		for {
			select {
			case ended := <-waiting.Result:
				one.err = fmt.Errorf("exit status %d", ended.StatusCode)
				if ended.Error != nil {
					one.err = errors.New(ended.Error.Message)
				}
				close(one.done)
				return
			case err := <-waiting.Error:
				if errdefs.IsNotFound(err) {
					one.err = errors.New("the container is gone")
					close(one.done)
					return
				}
			}
			if !s.engineAnswers() {
				return
			}
			waiting = s.removal(one)
		}
	})
}

// removal waits for the removal of a container; the engine knows of the wait when it returns.
func (s *site) removal(one *instance) client.ContainerWaitResult {
	return s.engine.api.ContainerWait(s.living, one.id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
}

// enginePause keeps waits that break off at once from following each other without end.
const enginePause = 200 * time.Millisecond

// engineAnswers says, after a moment, whether the engine answers, and tells the cluster when it does not.
func (s *site) engineAnswers() bool {
	select {
	case <-time.After(enginePause):
	case <-s.living.Done():
		return false
	}
	asking, cancel := context.WithTimeout(s.living, engineTime)
	defer cancel()
	_, err := s.engine.api.Ping(asking, client.PingOptions{})
	if err != nil && s.living.Err() == nil {
		select {
		case s.lost <- fmt.Errorf("the container engine does not answer any more: %s", firstLine(err)):
		default: // it is known
		}
	}
	return err == nil
}

// Address implements cluster.Instance.
func (i *instance) Address() string { return i.site.address(i.node) }

// Done implements cluster.Instance.
func (i *instance) Done() <-chan struct{} { return i.done }

// Err implements cluster.Instance.
func (i *instance) Err() error { return i.err }

// Kill implements cluster.Instance.
func (i *instance) Kill(ctx context.Context) error {
	if err := i.site.engine.removeContainer(ctx, i.id); err != nil {
		return err
	}
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the container to be removed: %w", ctx.Err())
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

// SaveLogs implements cluster.Instance. The engine may be on another machine, and may have ceased to answer since it was heard last.
func (i *instance) SaveLogs(ctx context.Context) error {
	err := i.copyLogs(ctx)
	if err != nil {
		i.site.engineAnswers()
	}
	return err
}

func (i *instance) copyLogs(ctx context.Context) error {
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
