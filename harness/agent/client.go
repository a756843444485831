package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/agent/supervise"
	"github.com/codastress/codastress/harness/history"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// The bounds of calls. A call whose context has a deadline of its own is bounded by the earlier one; streams of tasks, events and heartbeats end
// with their context, or when the agent is not there any more.
const (
	callTime      = 10 * time.Second
	daemonTime    = 20 * time.Second // to end a daemon, or to clear the mount and start it
	readyTime     = time.Minute
	observeTime   = 10 * time.Minute // more than what a hung call is waited for
	collectTime   = 15 * time.Second
	shutdownTime  = 50 * time.Second // more than the sum of an agent's bounds
	keepaliveTime = 10 * time.Second
	mostMessage   = 64 << 20 // bytes
)

// Errors that tell what an agent answered. Of a failed call, errors.Is tells which fits; errors of the context are the context's.
var (
	ErrUnknown = errors.New("no such daemon or link")
	ErrState   = errors.New("not in this state")       // such as starting a daemon that runs
	ErrNotHere = errors.New("not on this node")        // it has no links, no tree, no tasks
	ErrLost    = errors.New("the agent is not there")  // not reached, or gone in the middle of a call
	ErrReach   = errors.New("the peer is not reached") // what Reach found
)

// Client talks to the agent of one node. Its methods may be called from several goroutines, and all are bounded in time.
type Client struct {
	connection *grpc.ClientConn
	agent      agentpb.AgentClient
}

// Dial prepares to talk to the agent at an address: host:port, or "unix:" and the path of a socket. It does not wait for the agent; Hello does.
// Without TLS the connection is not protected.
func Dial(address string, trust *tls.Config) (*Client, error) {
	protection := insecure.NewCredentials()
	if trust != nil {
		protection = credentials.NewTLS(trust)
	}
	target := "passthrough:///" + address
	if strings.HasPrefix(address, "unix:") {
		target = address
	}
	// A node that is just being started listens within milliseconds.
	retries := backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond}
	connection, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(protection),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retries, MinConnectTimeout: callTime}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTime, PermitWithoutStream: true}),
	)
	if err != nil {
		return nil, fmt.Errorf("agent at %s: %w", address, err)
	}
	return &Client{connection: connection, agent: agentpb.NewAgentClient(connection)}, nil
}

// Close ends the connection and every call on it.
func (c *Client) Close() error { return c.connection.Close() }

// Hello is who answered, and when by its clock.
type Hello struct {
	Node    string
	Version string
	PID     int
	Clock   history.Time
}

// Hello waits until the agent answers, or ctx ends.
func (c *Client) Hello(ctx context.Context) (Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.Hello(ctx, &agentpb.HelloRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return Hello{}, known(err)
	}
	return Hello{Node: reply.Node, Version: reply.Version, PID: int(reply.Pid), Clock: history.Time(reply.Clock)}, nil
}

// Clock measures by how much the node's clock is ahead of ours. The truth is within the uncertainty, which is half of the quickest of some round trips.
func (c *Client) Clock(ctx context.Context) (ahead, uncertainty time.Duration, err error) {
	const trips = 5
	for i := range trips {
		before := history.Now()
		hello, err := c.Hello(ctx)
		after := history.Now()
		if err != nil {
			return 0, 0, err
		}
		half := time.Duration(after-before)/2 + 1
		if i == 0 || half < uncertainty {
			ahead, uncertainty = time.Duration(hello.Clock-before)-half, half
		}
	}
	return ahead, uncertainty, nil
}

// Beat keeps the node alive: it sends heartbeats until ctx ends, which is no error. ErrLost says that the agent did not answer one for as long as
// patience, whatever was tried.
func (c *Client) Beat(ctx context.Context, interval, patience time.Duration) error {
	answered := time.Now()
	for ctx.Err() == nil {
		err := c.beatOnce(ctx, interval, patience, &answered)
		if ctx.Err() == nil && time.Since(answered) > patience {
			return fmt.Errorf("%w: no answer to heartbeats for %v: %w", ErrLost, patience, err)
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
		}
	}
	return nil
}

// beatOnce beats on one stream until it breaks, or an answer takes longer than the patience.
func (c *Client) beatOnce(ctx context.Context, interval, patience time.Duration, answered *time.Time) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(patience, func() { cancel(errLate) })
	defer late.Stop()
	stream, err := c.agent.Heartbeat(ctx)
	if err != nil {
		return err
	}
	for number := uint64(1); ; number++ {
		if err := stream.Send(&agentpb.HeartbeatRequest{Number: number}); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		*answered = time.Now()
		late.Reset(patience)
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errLate = errors.New("a heartbeat was not answered in time")

// Shutdown makes the agent clear its node and end. It returns what could not be cleared as ErrLeft.
func (c *Client) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTime)
	defer cancel()
	reply, err := c.agent.Shutdown(ctx, &agentpb.ShutdownRequest{})
	if err != nil {
		return known(err)
	}
	if len(reply.Problems) > 0 {
		return fmt.Errorf("%w: %s", ErrLeft, strings.Join(reply.Problems, "; "))
	}
	return nil
}

// Reach asks the node to reach a peer through its link. ErrReach says that it could not, and why.
func (c *Client) Reach(ctx context.Context, peer string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.Reach(ctx, &agentpb.ReachRequest{Peer: peer})
	if err != nil {
		return known(err)
	}
	if !reply.Reached {
		return fmt.Errorf("%w: %s", ErrReach, reply.Problem)
	}
	return nil
}

// Daemon is the state of a daemon.
type Daemon = supervise.Status

// known gives an answer of an agent its meaning.
func known(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	said := status.Convert(err)
	meaning := map[codes.Code]error{
		codes.NotFound:           ErrUnknown,
		codes.FailedPrecondition: ErrState,
		codes.AlreadyExists:      ErrState,
		codes.Unimplemented:      ErrNotHere,
		codes.Unavailable:        ErrLost,
		codes.DeadlineExceeded:   context.DeadlineExceeded,
		codes.Canceled:           context.Canceled,
	}[said.Code()]
	if meaning == nil {
		return errors.New(said.Message())
	}
	return fmt.Errorf("%w: %s", meaning, said.Message())
}
