package workloads

import (
	"context"
	"fmt"
	"path"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// AppendLog has each process append records to a log of its own, with O_APPEND, and begin a new one when it is long enough; the oldest ones are removed. All
// read the logs of others. A log grows at its end and nowhere else, and one process alone writes to it: its own reads see every record that it has
// appended, in one piece, and those of others what there was at some moment, never less than they have seen before.
type AppendLog struct{}

var _ Workload = AppendLog{}

// Name implements Workload.
func (AppendLog) Name() string { return "append-log" }

// Doc implements Workload.
func (AppendLog) Doc() string {
	return "each process appends records to a log of its own, and reads those of the others"
}

func (AppendLog) parameters() parameters {
	return append(crewParameters(3, 100_000, 15*time.Millisecond), parameters{
		{name: "record", preset: 200, least: 1, most: 1 << 20, documentation: "bytes of a record"},
		{name: "rotate", preset: 40, least: 1, most: 1000, documentation: "records of a log before a new one is begun"},
		{name: "keep", preset: 2, least: 0, most: 1000, documentation: "old logs that a process keeps"},
		{name: "appends", preset: 60, least: 1, most: 100, documentation: "percentage of the operations that append; the others read"},
		{name: "sync", preset: 10, least: 0, most: 100, documentation: "percentage of the records that are fsynced"},
	}...)
}

// Parameters implements Workload.
func (w AppendLog) Parameters() []Parameter { return w.parameters().list() }

const taskAppend = "append" // append records, and read those of others

// Plan implements Workload.
func (w AppendLog) Plan(request PlanRequest) ([]history.Step, error) {
	return planCrew(w, w.parameters(), taskAppend, request)
}

// Do implements Workload.
func (AppendLog) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return performCrew(ctx, step, env, taskAppend, appendLogs)
}

func appendLogs(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	l := logging{record: a.number("record"), rotate: a.number("rotate"), keep: a.number("keep"), appends: a.number("appends"), sync: a.number("sync")}
	if a.err != nil {
		return history.Load{}, a.err
	}
	return crew(ctx, step, env, func(h *hand) func(context.Context) Result {
		h.process.area = EditableArea + l.rotate*history.PieceSize
		own := &ownLog{logging: l, hand: h}
		return own.act
	})
}

// logging is what the logs of all processes have in common.
type logging struct{ record, rotate, keep, appends, sync int }

// An ownLog is a process with its logs.
type ownLog struct {
	logging
	*hand
	number  int // of the present log
	records int // that it has
}

func (l *ownLog) log(number int) string { return fmt.Sprintf("%s/log-%d", l.root(), number) }

func (l *ownLog) act(ctx context.Context) Result {
	others := l.rootsOfOthers()
	switch {
	case l.records >= l.rotate:
		return l.next(ctx)
	case l.chance(l.appends):
		return l.append(ctx)
	case l.chance(30) || len(others) == 0:
		return l.process.Read(ctx, l.log(l.number))
	}
	return l.readOneOf(ctx, others[l.random.IntN(len(others))])
}

// append adds a record, the first one by making the log.
func (l *ownLog) append(ctx context.Context) Result {
	how := How{Sync: l.chance(l.sync)}
	if l.records == 0 {
		how.Exclusive = true
		result := l.process.Write(ctx, l.log(l.number), l.record, how)
		if result.OK() || result.Errno == syscall.EEXIST {
			l.records = 1
		}
		return result
	}
	how.Appending = true
	result := l.process.Append(ctx, l.log(l.number), l.record, 0, how)
	if result.OK() {
		l.records++
	}
	return result
}

// next begins a new log, and removes the oldest one.
func (l *ownLog) next(ctx context.Context) Result {
	l.number++
	l.records = 0
	if oldest := l.number - 1 - l.keep; oldest >= 0 {
		return l.process.Remove(ctx, l.log(oldest))
	}
	return l.append(ctx)
}

// readOneOf reads a log of another process.
func (h *hand) readOneOf(ctx context.Context, root string) Result {
	names, result := h.process.List(ctx, root)
	if !result.OK() || len(names) == 0 {
		return result
	}
	return h.process.Read(ctx, path.Join(root, names[h.random.IntN(len(names))]))
}
