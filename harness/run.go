package harness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
)

// A Request is everything that a run depends on.
type Request struct {
	Scenario scenario.Scenario
	Seed     uint64
	Plan     []history.Step // of a replay; nil makes one from the seed
	Dir      string         // the run directory; it must not exist
	Runtime  cluster.Runtime
	Mount    string // fuse, direct or foreign
	Binary   string // the codastress executable that the nodes run
	Version  string
	Log      *slog.Logger
	Progress Progress
}

// Progress is told what a run does, from several goroutines.
type Progress interface {
	Phase(name string)                   // what begins now
	Chunk(chunk []byte)                  // operations that were recorded
	FaultInjecting(step history.Step)    // a fault begins
	FaultRecovered(record history.Fault) // and ends
	Stall(stall history.Stall)           // an operation is older than it may be
}

// ErrCluster says that the cluster could not be started or was lost.
var ErrCluster = errors.New("cluster")

// ErrRecord says that the history could not be written to its end, so that nothing can be decided.
var ErrRecord = errors.New("the history is not whole")

// ErrTask says that a task of the workload could not be carried out. What was recorded can be judged nevertheless: a system that hangs
// keeps tasks from their end.
var ErrTask = errors.New("a task was not carried out")

// closingTime bounds the teardown of a cluster, also after an interruption.
const closingTime = 20 * time.Second

// quietTime is how long everything is healed before the trees are compared.
const quietTime = time.Second

// running is a run in progress.
type running struct {
	Request
	scenario   scenario.Scenario
	plan       []history.Step
	catalog    Catalog
	dir        string
	log        *slog.Logger
	progress   Progress
	cluster    *cluster.Cluster
	writer     *history.Writer
	triggers   *triggers // of the load; nil before
	standing   standing
	giveUp     context.CancelCauseFunc // ends the work
	unrecorded atomic.Pointer[error]   // why something could not be written first
}

// Run carries out a run and leaves its record in the run directory: plan, cluster, preparation, load under faults, healing,
// convergence, teardown. The verdicts come from Judge, on the record. An error means that the run could not be carried out to its
// end: ErrRunDirectory, ErrCluster, ErrRecord, ErrTask, or the context's.
func Run(ctx context.Context, request Request, catalog Catalog) error {
	r := &running{
		Request: request, scenario: request.Scenario, plan: request.Plan, catalog: catalog,
		dir: request.Dir, log: request.Log, progress: request.Progress,
	}
	if err := r.begin(); err != nil {
		return err
	}
	err := r.withCluster(ctx)
	if ending := r.end(); !errors.Is(err, ErrRecord) {
		err = errors.Join(err, ending)
	}
	return err
}

// begin puts everything that is known beforehand on disk.
func (r *running) begin() error {
	if r.plan == nil {
		plan, err := Plan(r.scenario, r.Seed, r.catalog)
		if err != nil {
			return err
		}
		r.plan = plan
	}
	limits := r.scenario.Limits
	if limits.Stale == 0 && !r.scenario.Foreign() && r.catalog.Lease != nil {
		var err error
		if limits.Stale, err = r.catalog.Lease(r.scenario); err != nil {
			return fmt.Errorf("working out the lease: %w", err)
		}
	}
	if limits.Cached == 0 && !r.scenario.Foreign() && r.scenario.Profile == scenario.DefaultProfile {
		limits.Cached = time.Second // in a historical profile everything may wait for a worker
	}
	meta := history.Meta{
		Scenario: r.scenario.Name, Seed: r.Seed,
		Clients: cluster.ClientNames(r.scenario.Clients), Servers: cluster.ServerNames(r.scenario.Servers),
		Limits: limits, Runtime: r.Runtime.Name(), Mount: r.Mount, Version: r.Version,
		Mounts: r.scenario.Mounts, Consistency: r.scenario.Consistency,
	}
	if err := makeRunDirectory(r.dir, r.scenario, meta, r.plan); err != nil {
		return err
	}
	writer, err := history.NewWriter(r.dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRunDirectory, err)
	}
	r.writer = writer
	return nil
}

// end closes the record and says whether something is missing from it.
func (r *running) end() error {
	err := r.writer.Close()
	if missing := r.unrecorded.Load(); missing != nil {
		err = *missing
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return nil
}

// note takes what writing to the history returned, and ends the work when that failed: without its record a run cannot prove
// anything. Only the first failure is told of, at the end.
func (r *running) note(err error) {
	if err != nil && r.unrecorded.CompareAndSwap(nil, &err) {
		r.giveUp(fmt.Errorf("%w: %w", ErrRecord, err))
	}
}

// withCluster starts the cluster, works on it and ends it.
func (r *running) withCluster(ctx context.Context) (err error) {
	r.progress.Phase("starting the cluster")
	started, err := r.Runtime.Start(ctx, r.spec())
	if err != nil {
		return fmt.Errorf("%w: starting it: %w", ErrCluster, err)
	}
	r.cluster = started
	defer func() {
		r.progress.Phase("ending the cluster")
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
		defer cancel()
		err = errors.Join(err, r.closeCluster(closing))
	}()
	return r.untilLost(ctx, r.work)
}

// closeCluster ends the cluster, then records what had happened to its nodes.
func (r *running) closeCluster(ctx context.Context) error {
	err := r.cluster.Close(ctx)
	if err != nil {
		err = fmt.Errorf("%w: ending it: %w", ErrCluster, err)
	}
	for _, event := range r.cluster.Events() {
		r.note(r.writer.Event(event))
	}
	return err
}

// untilLost does the work, and gives up when a node dies by itself, the engine goes away, or nothing can be recorded any more.
func (r *running) untilLost(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.giveUp = cancel
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case err := <-r.cluster.Lost():
			cancel(fmt.Errorf("%w: lost: %w", ErrCluster, err))
		case <-ctx.Done():
		}
	}()
	err := work(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	<-watched
	return err
}

// work is the run itself, while hangs are watched for, and how clients are doing.
func (r *running) work(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var watchers sync.WaitGroup
	watchers.Go(func() { r.watchForHangs(watching) })
	watchers.Go(func() { r.watchStatus(watching) })
	err := r.phases(ctx)
	stop()
	watchers.Wait()
	return err
}

// phases prepare, load under faults, let it become quiet, repair what is in conflict, and wait until everything has converged.
func (r *running) phases(ctx context.Context) error {
	r.progress.Phase("preparing")
	if err := r.prepare(ctx); err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	r.progress.Phase("loading")
	r.triggers = newTriggers(r.plan)
	start, loaded := time.Now(), make(chan struct{})
	err := each([]func() error{
		func() error {
			defer close(loaded)
			return r.load(ctx, start)
		},
		func() error { return r.nemesis(ctx, start, loaded) },
	}, func(_ int, part func() error) error { return part() })
	if ctx.Err() != nil || err != nil && !errors.Is(err, ErrTask) {
		return errors.Join(err, ctx.Err())
	}
	r.progress.Phase("converging")
	sleepUntil(ctx, time.Now().Add(quietTime))
	return errors.Join(err, r.repair(ctx), r.converge(ctx))
}

func (r *running) spec() cluster.Spec {
	return cluster.Spec{
		RunID: cluster.NewRunID(), Dir: r.dir, Servers: r.scenario.Servers, Clients: r.scenario.Clients,
		Mount: r.Mount, Binary: r.Binary, Volumes: r.scenario.Volumes, Profile: r.scenario.Profile, TimeScale: r.scenario.TimeScale, Constants: r.scenario.Constants,
		CallTime: abandonAfter * r.scenario.Limits.Hang, Log: r.log,
	}
}

// abandonAfter is how many times the bound of a call a call is waited for: longer than the bound together with a fault that excuses it,
// so that a hang is seen as one, and not so long that a run with a hang takes minutes.
const abandonAfter = 3
