package workloads

import (
	"context"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Register uses files as registers: each has one process that writes value after value, while every process of every client reads it. With one writer there is
// no doubt which value comes after which, and the checks are exact: the writer's client must read the value that it wrote last, or a later one that is under
// way; another client reads a value that was there at some moment, and never one before what it had read (own-names, session-reads); after healing all read the
// last one.
//
// It is not asked that a client reads a value as soon as another one has written it: this file system does not promise that. Of one that claims it,
// the check visibility asks it (docs/mounts.md).
type Register struct{}

var _ Workload = Register{}

// Name implements Workload.
func (Register) Name() string { return "register" }

// Doc implements Workload.
func (Register) Doc() string {
	return "a file is a register with one writer, and everybody reads it as fast as they can"
}

func (Register) parameters() parameters {
	return append(crewParameters(3, 100_000, 8*time.Millisecond), parameters{
		{name: "registers", preset: 1, least: 1, most: 1000, documentation: "files, whose writers are the first processes of the clients in turn"},
		{name: "writes", preset: 50, least: 1, most: 100, documentation: "percentage of the operations of a writer that write; the others read"},
		{name: "size", preset: 512, least: 1, most: 1 << 20, documentation: "bytes of a value"},
		{name: "sync", preset: 10, least: 0, most: 100, documentation: "percentage of the writes that are fsynced"},
	}...)
}

// Parameters implements Workload.
func (w Register) Parameters() []Parameter { return w.parameters().list() }

const taskRegister = "register" // write and read registers

// Plan implements Workload.
func (w Register) Plan(request PlanRequest) ([]history.Step, error) {
	return planCrew(w, w.parameters(), taskRegister, request)
}

// Do implements Workload.
func (Register) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return performCrew(ctx, step, env, taskRegister, useRegisters)
}

func useRegisters(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	registers, writes, size, sync := a.number("registers"), a.number("writes"), a.number("size"), a.number("sync")
	if a.err != nil {
		return history.Load{}, a.err
	}
	return crew(ctx, step, env, func(h *hand) func(context.Context) Result {
		return func(ctx context.Context) Result {
			i := h.random.IntN(registers)
			register := fmt.Sprintf("%s/register-%d", h.commons.root, i)
			if h.number == 0 && h.clients[i%len(h.clients)] == h.node && h.chance(writes) {
				return h.process.Write(ctx, register, size, How{Sync: h.chance(sync)})
			}
			return h.process.Read(ctx, register)
		}
	})
}
