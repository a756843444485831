package agent

import (
	"context"
	"errors"
	"os"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/agent/supervise"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/proxy"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// service answers the harness.
type service struct {
	agentpb.UnimplementedAgentServer
	*agent
}

// Hello implements agentpb.AgentServer.
func (s *service) Hello(context.Context, *agentpb.HelloRequest) (*agentpb.HelloReply, error) {
	return &agentpb.HelloReply{
		Node: s.config.Node, Version: s.config.Version, Pid: int64(os.Getpid()), Clock: int64(history.Now()),
	}, nil
}

// Heartbeat implements agentpb.AgentServer. The end of the stream is not the end of the harness: it may connect again within the patience.
func (s *service) Heartbeat(stream agentpb.Agent_HeartbeatServer) error {
	ended := make(chan error, 1)
	go func() {
		for {
			beat, err := stream.Recv()
			if err != nil {
				ended <- nil
				return
			}
			s.heart.beat()
			if err := stream.Send(&agentpb.HeartbeatReply{Number: beat.Number, Clock: int64(history.Now())}); err != nil {
				ended <- err
				return
			}
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-s.over:
		return nil
	}
}

// Shutdown implements agentpb.AgentServer.
func (s *service) Shutdown(ctx context.Context, _ *agentpb.ShutdownRequest) (*agentpb.ShutdownReply, error) {
	s.asked.Do(func() { close(s.shutdown) })
	select {
	case <-s.over:
		return &agentpb.ShutdownReply{Problems: s.problems}, nil
	case <-ctx.Done():
		return nil, statusOf(ctx.Err())
	}
}

// Daemons implements agentpb.AgentServer.
func (s *service) Daemons(context.Context, *agentpb.DaemonsRequest) (*agentpb.DaemonsReply, error) {
	reply := &agentpb.DaemonsReply{}
	for _, one := range s.daemons.Status() {
		reply.Daemons = append(reply.Daemons, daemonMessage(one))
	}
	return reply, nil
}

// StartDaemon implements agentpb.AgentServer.
func (s *service) StartDaemon(ctx context.Context, r *agentpb.DaemonRequest) (*agentpb.Daemon, error) {
	return s.daemon(ctx, r, s.daemons.Start)
}

// WaitReady implements agentpb.AgentServer.
func (s *service) WaitReady(ctx context.Context, r *agentpb.DaemonRequest) (*agentpb.Daemon, error) {
	return s.daemon(ctx, r, s.daemons.WaitReady)
}

// KillDaemon implements agentpb.AgentServer.
func (s *service) KillDaemon(ctx context.Context, r *agentpb.DaemonRequest) (*agentpb.Daemon, error) {
	return s.daemon(ctx, r, s.daemons.Kill)
}

// TerminateDaemon implements agentpb.AgentServer.
func (s *service) TerminateDaemon(ctx context.Context, r *agentpb.DaemonRequest) (*agentpb.Daemon, error) {
	return s.daemon(ctx, r, s.daemons.Terminate)
}

// WipeDaemon implements agentpb.AgentServer.
func (s *service) WipeDaemon(ctx context.Context, r *agentpb.DaemonRequest) (*agentpb.Daemon, error) {
	return s.daemon(ctx, r, s.daemons.Wipe)
}

// PauseDaemon implements agentpb.AgentServer.
func (s *service) PauseDaemon(ctx context.Context, r *agentpb.DaemonRequest) (*agentpb.Daemon, error) {
	return s.daemon(ctx, r, s.daemons.Pause)
}

// ResumeDaemon implements agentpb.AgentServer.
func (s *service) ResumeDaemon(ctx context.Context, r *agentpb.DaemonRequest) (*agentpb.Daemon, error) {
	return s.daemon(ctx, r, s.daemons.Resume)
}

func (s *service) daemon(
	ctx context.Context, r *agentpb.DaemonRequest, do func(context.Context, string) error,
) (*agentpb.Daemon, error) {
	if err := do(ctx, r.Name); err != nil {
		return nil, statusOf(err)
	}
	now, err := s.daemons.StatusOf(r.Name)
	if err != nil {
		return nil, statusOf(err)
	}
	return daemonMessage(now), nil
}

// Events implements agentpb.AgentServer. The stream ends when the node is cleared, with everything that happened by then.
func (s *service) Events(r *agentpb.EventsRequest, stream agentpb.Agent_EventsServer) error {
	last := r.After
	for cleared := false; ; {
		news, more := s.events.after(last)
		for _, event := range news {
			if err := stream.Send(event); err != nil {
				return err
			}
			last = event.Number
		}
		if cleared {
			return nil
		}
		select {
		case <-more:
		case <-s.over:
			cleared = true
		case <-stream.Context().Done():
			return statusOf(stream.Context().Err())
		}
	}
}

// Reach implements agentpb.AgentServer.
func (s *service) Reach(ctx context.Context, r *agentpb.ReachRequest) (*agentpb.ReachReply, error) {
	if s.hooks.Reach == nil {
		return nil, errNotHere
	}
	begin := history.Now()
	err := s.hooks.Reach(ctx, r.Peer)
	reply := &agentpb.ReachReply{Reached: err == nil, Took: int64(history.Now() - begin)}
	if err != nil {
		reply.Problem = err.Error()
	}
	return reply, nil
}

// stateMessage gives a state its number on the wire; daemonState is its inverse.
func stateMessage(s supervise.State) agentpb.DaemonState {
	switch s {
	case supervise.Starting:
		return agentpb.DaemonState_DAEMON_STATE_STARTING
	case supervise.Running:
		return agentpb.DaemonState_DAEMON_STATE_RUNNING
	case supervise.Paused:
		return agentpb.DaemonState_DAEMON_STATE_PAUSED
	default:
		return agentpb.DaemonState_DAEMON_STATE_EXITED
	}
}

func daemonState(m agentpb.DaemonState) supervise.State {
	for _, s := range []supervise.State{supervise.Starting, supervise.Running, supervise.Paused} {
		if stateMessage(s) == m {
			return s
		}
	}
	return supervise.Exited
}

func daemonMessage(d supervise.Status) *agentpb.Daemon {
	return &agentpb.Daemon{
		Name: d.Name, State: stateMessage(d.State), Pid: int64(d.PID), Started: int64(d.Started), Ready: int64(d.Ready),
		Starts: d.Starts, Exit: d.Exit,
	}
}

// errNotHere answers what the node's hooks cannot do.
var errNotHere = status.Error(codes.Unimplemented, "this node does not do that")

// statusOf gives an error its code, by which the client knows it again.
func statusOf(err error) error {
	if _, has := status.FromError(err); has {
		return err
	}
	code := codes.Internal
	switch {
	case errors.Is(err, supervise.ErrUnknown), errors.Is(err, proxy.ErrNoLink):
		code = codes.NotFound
	case errors.Is(err, supervise.ErrState), errors.Is(err, proxy.ErrClosed), errors.Is(err, ErrState):
		code = codes.FailedPrecondition
	case errors.Is(err, proxy.ErrLinkExists):
		code = codes.AlreadyExists
	case errors.Is(err, proxy.ErrFlow):
		code = codes.InvalidArgument
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	}
	return status.Error(code, err.Error())
}
