package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/history"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// tasks are what the node carries out. Each has a recorder of its own, whose chunks go where the task was asked for.
type tasks struct {
	running sync.WaitGroup

	mu        sync.Mutex
	ended     bool // no task may begin any more
	recorders map[*history.Recorder]struct{}
}

// begin registers a recorder, or returns ErrState when the node is about to be cleared. done must be called in the end.
func (t *tasks) begin(node string, emit func(chunk []byte)) (recorder *history.Recorder, done func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return nil, nil, fmt.Errorf("%w: the node is being cleared", ErrState)
	}
	recorder = history.NewRecorder(node, emit)
	if t.recorders == nil {
		t.recorders = make(map[*history.Recorder]struct{})
	}
	t.recorders[recorder] = struct{}{}
	t.running.Add(1)
	return recorder, func() {
		recorder.Close()
		t.mu.Lock()
		delete(t.recorders, recorder)
		t.mu.Unlock()
		t.running.Done()
	}, nil
}

// end keeps further tasks from beginning.
func (t *tasks) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

// wait waits until all tasks have ended.
func (t *tasks) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.running.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.New("tasks do not end")
	}
}

// pending returns what was begun and has not ended, of all tasks.
func (t *tasks) pending() []history.Operation {
	t.mu.Lock()
	defer t.mu.Unlock()
	pending := []history.Operation{}
	for recorder := range t.recorders {
		pending = append(pending, recorder.Pending()...)
	}
	return pending
}

// RunTask implements agentpb.AgentServer. The record is complete when the load is sent: the recorder was closed before.
func (s *service) RunTask(r *agentpb.RunTaskRequest, stream agentpb.Agent_RunTaskServer) error {
	if s.hooks.RunTask == nil {
		return errNotHere
	}
	var step history.Step
	if err := json.Unmarshal(r.Step, &step); err != nil {
		return status.Errorf(codes.InvalidArgument, "reading a step: %v", err)
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	stop := context.AfterFunc(s.working, func() { cancel(errors.New("the node is being cleared")) })
	defer stop()
	recorder, done, err := s.tasks.begin(s.config.Node, func(chunk []byte) {
		if stream.Context().Err() != nil {
			return // nobody listens any more
		}
		if err := stream.Send(&agentpb.RunTaskReply{Part: &agentpb.RunTaskReply_Chunk{Chunk: chunk}}); err != nil {
			cancel(fmt.Errorf("sending a part of the history: %w", err))
		}
	})
	if err != nil {
		return statusOf(err)
	}
	load, err := s.hooks.RunTask(ctx, step, recorder)
	done()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && stream.Context().Err() == nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return statusOf(err)
	}
	text, err := json.Marshal(load)
	if err != nil {
		return statusOf(fmt.Errorf("writing a load: %w", err))
	}
	return stream.Send(&agentpb.RunTaskReply{Part: &agentpb.RunTaskReply_Load{Load: text}})
}

// PendingOperations implements agentpb.AgentServer.
func (s *service) PendingOperations(context.Context, *agentpb.PendingOperationsRequest) (*agentpb.PendingOperationsReply, error) {
	text, err := json.Marshal(s.tasks.pending())
	if err != nil {
		return nil, statusOf(fmt.Errorf("writing the pending operations: %w", err))
	}
	return &agentpb.PendingOperationsReply{Operations: text}, nil
}

// Status implements agentpb.AgentServer.
func (s *service) Status(ctx context.Context, _ *agentpb.StatusRequest) (*agentpb.StatusReply, error) {
	if s.hooks.Status == nil {
		return nil, errNotHere
	}
	status, err := s.hooks.Status(ctx)
	if err != nil {
		return nil, statusOf(err)
	}
	status.Node, status.Time = s.config.Node, history.Now()
	text, err := json.Marshal(status)
	if err != nil {
		return nil, statusOf(fmt.Errorf("writing a status: %w", err))
	}
	return &agentpb.StatusReply{Status: text}, nil
}

// Order implements agentpb.AgentServer.
func (s *service) Order(ctx context.Context, r *agentpb.OrderRequest) (*agentpb.OrderReply, error) {
	if s.hooks.Order == nil {
		return nil, errNotHere
	}
	said, err := s.hooks.Order(ctx, r.Order)
	if err != nil {
		return nil, statusOf(err)
	}
	return &agentpb.OrderReply{Said: int64(said)}, nil
}

// Observe implements agentpb.AgentServer.
func (s *service) Observe(_ *agentpb.ObserveRequest, stream agentpb.Agent_ObserveServer) error {
	if s.hooks.Observe == nil {
		return errNotHere
	}
	observation, err := s.hooks.Observe(stream.Context())
	if err != nil {
		return statusOf(err)
	}
	observation.Node = s.config.Node
	text, err := json.Marshal(observation)
	if err != nil {
		return statusOf(fmt.Errorf("writing an observation: %w", err))
	}
	for len(text) > 0 {
		piece := text[:min(len(text), pieceLength)]
		text = text[len(piece):]
		if err := stream.Send(&agentpb.ObserveReply{Piece: piece}); err != nil {
			return err
		}
	}
	return nil
}
