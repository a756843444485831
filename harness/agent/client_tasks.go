package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/history"
)

// RunTask carries out a step of a workload on the node, and calls chunk for each part of the history in order, all of them before it returns. It has
// no bound but ctx, and ends when the agent is lost. An error says that the step could not be carried out, or was not to its end.
func (c *Client) RunTask(ctx context.Context, step history.Step, chunk func(chunk []byte)) (history.Load, error) {
	var load history.Load
	text, err := json.Marshal(step)
	if err != nil {
		return load, fmt.Errorf("writing step %d: %w", step.Number, err)
	}
	stream, err := c.agent.RunTask(ctx, &agentpb.RunTaskRequest{Step: text})
	if err != nil {
		return load, known(err)
	}
	loaded := false
	err = receive(ctx, stream, func(m *agentpb.RunTaskReply) error {
		switch part := m.Part.(type) {
		case *agentpb.RunTaskReply_Chunk:
			chunk(part.Chunk)
		case *agentpb.RunTaskReply_Load:
			loaded = true
			return json.Unmarshal(part.Load, &load)
		}
		return nil
	})
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err == nil && !loaded {
		err = fmt.Errorf("%w: it ended step %d without a load", ErrLost, step.Number)
	}
	return load, err
}

// PendingOperations returns the operations of all tasks that were invoked and have not returned. Tasks may use the same numbers of workers;
// the time of invocation tells their operations apart.
func (c *Client) PendingOperations(ctx context.Context) ([]history.Operation, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.PendingOperations(ctx, &agentpb.PendingOperationsRequest{})
	if err != nil {
		return nil, known(err)
	}
	var operations []history.Operation
	if err := json.Unmarshal(reply.Operations, &operations); err != nil {
		return nil, fmt.Errorf("reading the pending operations: %w", err)
	}
	return operations, nil
}

// Status asks the node's daemon how it is doing. The error is ErrNotHere, or why it does not say.
func (c *Client) Status(ctx context.Context) (history.Status, error) {
	var status history.Status
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.Status(ctx, &agentpb.StatusRequest{})
	if err != nil {
		return status, known(err)
	}
	if err := json.Unmarshal(reply.Status, &status); err != nil {
		return status, fmt.Errorf("reading a status: %w", err)
	}
	return status, nil
}

// Order has the node's daemon do what a person on the machine can tell it, and returns when it has, with the number that it says, where it says one. The error
// is ErrNotHere, or why it does not.
func (c *Client) Order(ctx context.Context, order string) (said int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.Order(ctx, &agentpb.OrderRequest{Order: order})
	if err != nil {
		return 0, known(err)
	}
	return int(reply.Said), nil
}

// Observe describes the node's tree. The error is ErrNotHere, or why it cannot be observed.
func (c *Client) Observe(ctx context.Context) (history.Observation, error) {
	var observation history.Observation
	ctx, cancel := context.WithTimeout(ctx, observeTime)
	defer cancel()
	stream, err := c.agent.Observe(ctx, &agentpb.ObserveRequest{})
	if err != nil {
		return observation, known(err)
	}
	var text bytes.Buffer
	err = receive(ctx, stream, func(m *agentpb.ObserveReply) error {
		text.Write(m.Piece)
		return nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return observation, err
	}
	if err := json.Unmarshal(text.Bytes(), &observation); err != nil {
		return observation, fmt.Errorf("reading an observation: %w", err)
	}
	return observation, nil
}

// Evidence saves goroutine dumps, states and the ends of the logs of the node's daemons into a folder, which is made, and returns the paths of the
// files. They are returned also with an error: what was there until it.
func (c *Client) Evidence(ctx context.Context, folder string) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("saving evidence: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, collectTime)
	defer cancel()
	stream, err := c.agent.Evidence(ctx, &agentpb.EvidenceRequest{})
	if err != nil {
		return nil, known(err)
	}
	var files []string
	seen := map[string]bool{}
	err = receive(ctx, stream, func(m *agentpb.EvidenceReply) error {
		path := filepath.Join(folder, filepath.Base(plainName(m.File)))
		if !seen[path] {
			seen[path] = true
			files = append(files, path)
			return os.WriteFile(path, m.Piece, 0o644)
		}
		return appendTo(path, m.Piece)
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("saving evidence: %w", err)
	}
	return files, err
}

func appendTo(path string, piece []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(piece)
	return errors.Join(err, file.Close())
}

// receive calls take for every message of a stream until it ends or ctx does, which are no errors.
func receive[M any](ctx context.Context, stream interface{ Recv() (*M, error) }, take func(*M) error) error {
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) || err != nil && ctx.Err() != nil {
			return nil //nolint:nilerr // the caller looks at its context, where that matters
		}
		if err != nil {
			return known(err)
		}
		if err := take(message); err != nil {
			return err
		}
	}
}
