package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/agent/fusemount"
	"github.com/codastress/codastress/harness/agent/supervise"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// agent is a node's agent at work.
type agent struct {
	config  Config
	hooks   Hooks
	heart   *heart
	events  *events
	daemons *supervise.Supervisor

	working  context.Context    // of the tasks
	endTasks context.CancelFunc //
	tasks    tasks

	shutdown chan struct{} // closed when the end was asked for
	asked    sync.Once     //
	over     chan struct{} // closed when the node is cleared
	problems []string      // that were met then; written before over is closed
}

// serverEnd is how long calls may go on after the node is cleared.
const serverEnd = time.Second

// Run serves the harness until it asks for the end, ctx ends, or its heartbeat stops, which is ErrHeartbeat. Then it ends the daemons, clears the
// mount, removes the folders that it owns and returns; ErrLeft tells what that left behind. Every part of the end is bounded.
func Run(ctx context.Context, config Config, hooks Hooks) error {
	a, err := newAgent(config, hooks)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, a.config.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("agent of %s: %w", a.config.Node, err), a.daemons.Stop(ctx))
	}
	server := a.server()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	a.config.Log.Info("the agent listens", "node", a.config.Node, "address", listener.Addr().String())

	why := a.work(ctx, served)
	a.finish(a.clear())
	stopServer(server)
	if len(a.problems) > 0 {
		why = errors.Join(why, fmt.Errorf("%w: %s", ErrLeft, strings.Join(a.problems, "; ")))
	}
	if why != nil {
		return fmt.Errorf("agent of %s: %w", a.config.Node, why)
	}
	return nil
}

func newAgent(config Config, hooks Hooks) (*agent, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &agent{
		config: config, hooks: hooks,
		heart:    newHeart(config.FirstPatience, config.Patience),
		events:   newEvents(config.Node),
		shutdown: make(chan struct{}), over: make(chan struct{}),
	}
	a.working, a.endTasks = context.WithCancel(context.Background())
	supervision := supervise.Hooks{Ready: hooks.Ready, Event: a.events.add, Log: config.Log}
	if config.Mountpoint != "" {
		supervision.ClearMount = func(ctx context.Context) error { return fusemount.Clear(ctx, config.Mountpoint) }
		supervision.AbortMount = func(ctx context.Context) error { return fusemount.Abort(ctx, config.Mountpoint) }
	}
	a.daemons, err = supervise.New(config.Daemons, supervision)
	return a, err
}

// listen binds the address. A socket left by an agent that was killed is replaced.
func listen(ctx context.Context, address string) (net.Listener, error) {
	network := "tcp"
	if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		network, address = "unix", path
		if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
			if err := os.Remove(path); err != nil {
				return nil, fmt.Errorf("making room for the socket: %w", err)
			}
		}
	}
	return (&net.ListenConfig{}).Listen(ctx, network, address)
}

func (a *agent) server() *grpc.Server {
	trust := insecure.NewCredentials()
	if a.config.TLS != nil {
		trust = credentials.NewTLS(a.config.TLS)
	}
	server := grpc.NewServer(
		grpc.Creds(trust),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveTime / 2, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTime}),
	)
	agentpb.RegisterAgentServer(server, &service{agent: a})
	return server
}

// work returns when the agent is to end, and why, if it was not asked to.
func (a *agent) work(ctx context.Context, served <-chan error) error {
	watching, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	if os.Getpid() == 1 {
		all.Go(func() { a.daemons.ReapOrphans(watching) })
	}
	silent := make(chan error, 1)
	all.Go(func() { silent <- a.heart.watch(watching) })
	select {
	case <-ctx.Done():
		return nil
	case <-a.shutdown:
		return nil
	case err := <-silent:
		return err
	case err := <-served:
		return fmt.Errorf("serving the harness: %w", err)
	}
}

// finish tells who waits for the end of the clearing what was left.
func (a *agent) finish(problems []error) {
	for _, problem := range problems {
		a.problems = append(a.problems, problem.Error())
	}
	close(a.over)
}

// stopServer lets calls end by themselves for a moment, and leaves behind those that hang. It closes the listener, and with it removes a socket.
func stopServer(server *grpc.Server) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.GracefulStop()
	}()
	select {
	case <-ended:
	case <-time.After(serverEnd):
		server.Stop()
	}
}
