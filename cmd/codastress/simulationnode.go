package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/simulation/bubble"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
)

func simulationCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "simulation",
		Short: "Carry out one simulated run, as standard input says",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var o order
			if err := json.NewDecoder(cmd.InOrStdin()).Decode(&o); err != nil {
				return usageError{fmt.Errorf("reading the order of a simulation: %w", err)}
			}
			runtime.MemProfileRate = 0 // nobody asks for that profile, and its samples take time
			a, err := o.carryOut(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(a)
		},
	}
}

// carryOut is the whole life of a process that simulates.
func (o order) carryOut(stderr io.Writer) (answer, error) {
	request, err := o.request(stderr)
	if err != nil {
		return answer{}, err
	}
	var a answer
	var course string
	var runErr error
	bubbled := bubble.Run(func(ctx context.Context) {
		began := time.Now()
		collecting, stop := context.WithCancel(ctx)
		var collector sync.WaitGroup
		collector.Go(func() { course = collect(collecting) })
		defer collector.Wait()
		defer stop()
		runErr = harness.Run(ctx, request, catalog())
		a.Simulated = time.Since(began)
	})
	_, a.Exact = bubble.Seed()
	a.Problem = problemOf(runErr)
	if runErr != nil {
		a.Detail = runErr.Error()
	}
	if failed, ok := errors.AsType[*bubble.Error](bubbled); ok {
		a.Problem, a.Detail = problemLeft, failed.Reason
		if err := saveOutput(".", failed.Error()); err != nil {
			return a, err
		}
	}
	if a.Problem == "" || a.Problem == problemTask || a.Problem == problemLeft {
		result, err := judgeStored(request.Dir)
		if err != nil {
			return a, err
		}
		a.Verdicts = result.Verdicts
	}
	if recorded(request.Dir) {
		if err := os.WriteFile(filepath.Join(request.Dir, courseFile), []byte(course+"\n"), 0o644); err != nil {
			return a, fmt.Errorf("writing down the course of a simulation: %w", err)
		}
	}
	return a, nil
}

// request is the run of an order.
func (o order) request(stderr io.Writer) (harness.Request, error) {
	sc, err := scenario.Parse("the scenario", []byte(o.Scenario))
	if err != nil {
		return harness.Request{}, usageError{err}
	}
	log := slog.New(slog.DiscardHandler)
	if o.Verbose {
		log = logger(stderr, true)
	}
	return harness.Request{
		Scenario: sc, Seed: o.Seed, Plan: o.Plan, Dir: simulationRun, Runtime: simulated(o.Seed), Mount: cluster.MountDirect,
		Version: o.Version, Log: log, Progress: silent{},
	}, nil
}

// silent shows no progress.
type silent struct{}

var _ harness.Progress = silent{}

func (silent) Phase(string)                 {}
func (silent) Chunk([]byte)                 {}
func (silent) FaultInjecting(history.Step)  {}
func (silent) FaultRecovered(history.Fault) {}
func (silent) Stall(history.Stall)          {}
