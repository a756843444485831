package workloads

import (
	"context"
	_ "embed" // the trace of an example
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Trace replays what programs did elsewhere: the output of strace -f, or the stored run of another workload. Each process does all of it, one operation after
// the other, in a directory of its own, and begins again in a new one when it is through. What must have been there before the recording is made first.
//
// Of the recording it takes which files were opened, read, written, made, renamed and removed, in which order, and how much was read and written; the contents are
// its own, so that they describe themselves. Operations that ran side by side follow each other, in the order in which they ended, and paths through
// symlinks are taken as they stand.
//
// The recording is read when the run is planned, and stands in the plan.
type Trace struct{}

var _ Workload = Trace{}

// Name implements Workload.
func (Trace) Name() string { return "trace" }

// Doc implements Workload.
func (Trace) Doc() string {
	return "every process replays what programs were recorded to do, from the output of strace -f or a stored run"
}

func (Trace) parameters() parameters {
	return append(crewParameters(2, 100_000, 10*time.Millisecond), parameters{
		{name: "file", text: true, documentation: "the output of strace -f, or the directory of a stored run; without one, a short example is replayed"},
		{name: "below", text: true, documentation: "the directory of the recording whose files are meant; without one, all but /proc, /sys and /dev"},
		{name: "most", preset: 5000, least: 1, most: 100_000, documentation: "operations of the recording that are replayed"},
	}...)
}

// Parameters implements Workload.
func (w Trace) Parameters() []Parameter { return w.parameters().list() }

const taskReplay = "replay" // do what was recorded

//go:embed example.strace
var exampleTrace string

// Plan implements Workload.
func (w Trace) Plan(request PlanRequest) ([]history.Step, error) {
	steps, err := planCrew(w, w.parameters(), taskReplay, request)
	if err != nil {
		return nil, err
	}
	last := &steps[len(steps)-1]
	a := &arguments{step: last.Args}
	recorded, err := readRecording(request.Args["file"], request.Args["below"])
	if err != nil {
		return nil, fmt.Errorf("workload %s: %w", w.Name(), badParameter("file", "%w", err))
	}
	if len(recorded) == 0 {
		return nil, fmt.Errorf("workload %s: %w", w.Name(), badParameter("file", "nothing in it is an operation on a file"))
	}
	last.Args["trace"] = formatTrace(recorded[:min(len(recorded), a.number("most"))])
	return steps, a.err
}

// readRecording reads what was recorded, the example where there is no file.
func readRecording(file, below string) ([]traced, error) {
	if file == "" {
		return readStrace(strings.NewReader(exampleTrace), "/srv/mail")
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readStoredRun(file, below)
	}
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	recorded, err := readStrace(opened, below)
	return recorded, errors.Join(err, opened.Close())
}

// Do implements Workload.
func (Trace) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return performCrew(ctx, step, env, taskReplay, replay)
}

func replay(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	recorded, err := parseTrace(step.Args["trace"])
	if err != nil {
		return history.Load{}, fmt.Errorf("argument trace: %w", err)
	}
	all := append(before(recorded), recorded...)
	return crew(ctx, step, env, func(h *hand) func(context.Context) Result {
		h.process.area = EditableArea
		return (&player{hand: h, all: all}).act
	})
}

// A player is a process that does what was recorded.
type player struct {
	*hand
	all    []traced
	next   int
	rounds int // that it began
}

func (p *player) act(ctx context.Context) Result {
	if p.next == 0 {
		p.next = 1
		p.rounds++
		return p.process.MakeDirectory(ctx, p.directory())
	}
	result := p.do(ctx, &p.all[p.next-1])
	p.next = (p.next + 1) % (len(p.all) + 1)
	return result
}

func (p *player) directory() string { return fmt.Sprintf("%s/round-%d", p.root(), p.rounds) }

// do does one operation.
func (p *player) do(ctx context.Context, t *traced) (result Result) {
	name, other := path.Join(p.directory(), t.path), path.Join(p.directory(), t.target)
	switch t.kind {
	case history.Write:
		result = p.process.Write(ctx, name, t.length, How{Sync: t.synced})
	case history.Append:
		result = p.process.Append(ctx, name, t.length, 0, How{Sync: t.synced, Appending: true})
	case history.Edit:
		result = p.process.Edit(ctx, name, Splice{At: p.random.Float64(), Length: t.length}, How{Sync: t.synced})
	case history.Remove:
		result = p.process.Remove(ctx, name)
	case history.MakeDirectory:
		result = p.process.MakeDirectory(ctx, name)
	case history.RemoveDirectory:
		result = p.process.RemoveDirectory(ctx, name)
	case history.Rename:
		result = p.process.Rename(ctx, name, other)
	case history.Link:
		result = p.process.Link(ctx, name, other)
	case history.Symlink:
		result = p.process.Symlink(ctx, name, t.target)
	case history.ReadLink:
		_, result = p.process.ReadLink(ctx, name)
	case history.List:
		_, result = p.process.List(ctx, name)
	case history.Stat:
		_, result = p.process.Stat(ctx, name)
	case history.SetMode:
		result = p.process.SetMode(ctx, name, 0o700)
	case history.SetTime:
		result = p.process.SetTime(ctx, name, time.Unix(1_000_000_000, 0))
	default:
		result = p.process.Read(ctx, name)
	}
	return result
}
