package workloads

import (
	"context"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// LargeFiles has each process keep a few large files: it writes them as a whole now and then, edits them in place, and reads those of others. What is fetched,
// stored and kept is long enough that a fault comes in the middle of it: nobody may see a half, or a mixture, of two versions.
func LargeFiles() Workload {
	return bigFiles{
		name: "large-files", size: 4 << 20, think: 100 * time.Millisecond,
		doc: "each process writes a few large files as a whole, edits them in place, and reads those of the others",
	}
}

// Mmap does what LargeFiles does with smaller files, but reads and edits its own through a shared mapping: the kernel writes the pages when it wants to, at the
// latest when the file is closed, and what is in them then must be what everybody sees. Others read with read(2).
//
// Only a real mount has mappings. Where there is none, in a simulation and with --mount direct, it edits the files in a session as LargeFiles does.
func Mmap() Workload {
	return bigFiles{
		name: "mmap", size: 64 << 10, think: 20 * time.Millisecond, mapped: true,
		doc: "each process edits its files through a shared mapping, where there is a real mount, and reads those of the others",
	}
}

// bigFiles are the workloads of files that are edited in place.
type bigFiles struct {
	name, doc string
	size      int64
	think     time.Duration
	mapped    bool
}

var _ Workload = bigFiles{}

// Name implements Workload.
func (b bigFiles) Name() string { return b.name }

// Doc implements Workload.
func (b bigFiles) Doc() string { return b.doc }

func (b bigFiles) parameters() parameters {
	return append(crewParameters(2, 100_000, b.think), parameters{
		{name: "files", preset: 2, least: 1, most: 1000, documentation: "files of each process"},
		{name: "size", preset: b.size, least: 2 * bigArea, most: 1 << 28, documentation: "bytes of a file"},
		{name: "writes", preset: 10, least: 0, most: 100, documentation: "percentage of the operations that replace a whole file"},
		{name: "edits", preset: 40, least: 0, most: 100, documentation: "percentage of the operations that change a part of one; the others read"},
		{name: "sync", preset: 20, least: 0, most: 100, documentation: "percentage of the writes and edits that are fsynced"},
	}...)
}

// bigArea is the room for the header of a file, which has a hundred pieces and more.
const bigArea = 4096

// mostEdited is the largest part of a file that an edit replaces.
const mostEdited = 8

// Parameters implements Workload.
func (b bigFiles) Parameters() []Parameter { return b.parameters().list() }

const taskEditFiles = "edit-files" // write, edit and read files

// Plan implements Workload.
func (b bigFiles) Plan(request PlanRequest) ([]history.Step, error) {
	return planCrew(b, b.parameters(), taskEditFiles, request)
}

// Do implements Workload.
func (b bigFiles) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return performCrew(ctx, step, env, taskEditFiles, b.editFiles)
}

func (b bigFiles) editFiles(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	e := editing{files: a.number("files"), size: a.number("size"), writes: a.number("writes"), edits: a.number("edits"), sync: a.number("sync"), mapped: b.mapped}
	if a.err != nil {
		return history.Load{}, a.err
	}
	return crew(ctx, step, env, func(h *hand) func(context.Context) Result {
		h.process.area = bigArea
		return (&fileEditor{editing: e, hand: h, made: map[int]bool{}}).act
	})
}

// editing is what all processes have in common.
type editing struct {
	files, size, writes, edits, sync int
	mapped                           bool
}

// A fileEditor is a process with its files.
type fileEditor struct {
	editing
	*hand
	made map[int]bool // its files that are there
}

func (e *fileEditor) act(ctx context.Context) Result {
	i := e.random.IntN(e.files)
	own := fmt.Sprintf("%s/big-%d", e.root(), i)
	others := e.rootsOfOthers()
	kind := e.random.IntN(100)
	switch {
	case !e.made[i] || kind < e.writes:
		result := e.process.Write(ctx, own, e.size, How{Sync: e.chance(e.sync)})
		e.made[i] = e.made[i] || result.OK()
		return result
	case kind < e.writes+e.edits:
		return e.process.Edit(ctx, own, e.splice(), How{Sync: e.chance(e.sync), Mapped: e.mapped})
	case e.chance(20) || len(others) == 0:
		return e.process.Read(ctx, own)
	}
	return e.readOneOf(ctx, others[e.random.IntN(len(others))])
}

// splice is a part within the file, so that its length stays.
func (e *fileEditor) splice() Splice {
	body := e.size - bigArea
	length := 1 + e.random.IntN(max(1, body/mostEdited))
	return Splice{At: float64(e.random.IntN(body-length+1)) / float64(body), Length: length}
}
