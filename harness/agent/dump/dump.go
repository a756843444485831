package dump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
)

const (
	sendTime   = 5 * time.Second // of one dump
	mostLength = 64 << 20        // of a dump; a longer one is cut off
)

// Serve gives everyone who connects to the unix socket at path the stacks of all goroutines, until ctx ends. The socket is removed then; one that is
// there before, left by a process that was killed, is replaced.
func Serve(ctx context.Context, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("making room for the debug socket: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("listening for debuggers: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		asker, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return errors.Join(fmt.Errorf("waiting for debuggers: %w", err), listener.Close())
		}
		all.Go(func() {
			_ = asker.SetDeadline(time.Now().Add(sendTime))
			_, _ = asker.Write(Stacks()) // who has gone does not want it
			_ = asker.Close()
		})
	}
}

// Fetch asks the process behind a unix socket for its stacks. A process that is stopped does not answer before ctx ends.
func Fetch(ctx context.Context, path string) ([]byte, error) {
	socket, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("asking for stacks: %w", err)
	}
	defer socket.Close() //nolint:errcheck // everything was read
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Now()) })
	defer stop()
	text, err := io.ReadAll(io.LimitReader(socket, mostLength))
	if err == nil {
		return text, nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return text, fmt.Errorf("asking for stacks: %w", err)
}

// Stacks returns the stacks of all goroutines of this process.
func Stacks() []byte {
	for length := 1 << 20; ; length *= 2 {
		text := make([]byte, length)
		if n := runtime.Stack(text, true); n < length || length >= mostLength {
			return text[:n]
		}
	}
}
