package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
	testcontainers "github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// engine is a container engine that answers.
type engine struct {
	provider *testcontainers.DockerProvider
	api      client.APIClient
}

// errEngine says that containers cannot be had.
var errEngine = errors.New("no container engine answers")

// setUp tells the library what it takes from the process's environment and from globals of its own: not to start its reaper, whose image may not be
// there, and not to write to the terminal.
//
//nolint:gochecknoglobals // it guards state of the library, of which there is one
var setUp = sync.OnceValue(func() error {
	tclog.SetDefault(tclog.NewNoopLogger())
	return os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
})

// connect finds the engine, within ctx: it may accept a connection and never answer.
func connect(ctx context.Context) (*engine, error) {
	type result struct {
		engine *engine
		err    error
	}
	connected := make(chan result, 1)
	go func() {
		found, err := connectNow(ctx)
		connected <- result{found, err}
	}()
	select {
	case r := <-connected:
		return r.engine, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errEngine, ctx.Err())
	}
}

func connectNow(ctx context.Context) (*engine, error) {
	if err := setUp(); err != nil {
		return nil, fmt.Errorf("%w: %w", errEngine, err)
	}
	if err := askedFor(ctx); err != nil {
		return nil, err
	}
	// The provider below asks without a bound. What this call learns it takes from memory.
	first, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err == nil {
		_, err = first.Ping(ctx, client.PingOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errEngine, firstLine(err))
	}
	// With a kind of engine that it knows, the library makes no network of its own.
	provider, err := testcontainers.ProviderDefault.GetProvider()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errEngine, firstLine(err))
	}
	docker, ok := provider.(*testcontainers.DockerProvider)
	if !ok {
		return nil, fmt.Errorf("%w: the library has %T", errEngine, provider)
	}
	found := &engine{provider: docker, api: docker.Client()}
	// The janitor that this process starts may look for the engine while it is away for a moment, and must not take another one for it.
	if err := os.Setenv(client.EnvOverrideHost, found.api.DaemonHost()); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errEngine, err), provider.Close())
	}
	return found, nil
}

// engineTime bounds the question whether an engine is there.
const engineTime = 5 * time.Second

// askedFor says why an engine that was asked for does not answer. The library would take another one in its place, and would remember that or its
// failure for ever.
func askedFor(ctx context.Context) error {
	host := os.Getenv(client.EnvOverrideHost)
	if host == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	asked, err := client.New(client.FromEnv)
	if err == nil {
		_, err = asked.Ping(ctx, client.PingOptions{})
		err = errors.Join(err, asked.Close())
	}
	if err != nil {
		return fmt.Errorf("%w at %s=%s: %s", errEngine, client.EnvOverrideHost, host, firstLine(err))
	}
	return nil
}

func (e *engine) close() { _ = e.provider.Close() }

// check says why the engine cannot run our nodes.
func (e *engine) check(ctx context.Context) error {
	result, err := e.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("%w: %s", errEngine, firstLine(err))
	}
	if result.Info.OSType != "linux" {
		return fmt.Errorf("the container engine runs %s containers, not linux", result.Info.OSType)
	}
	if theirs := architecture(result.Info.Architecture); theirs != runtime.GOARCH {
		return fmt.Errorf("the container engine's machine is %s, and this executable is for %s", theirs, runtime.GOARCH)
	}
	return nil
}

// architecture translates what uname says to Go's names.
func architecture(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return machine
}

// firstLine makes one line of an error that tells of every place where an engine could have been.
func firstLine(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return line
}
