package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// ErrOrder says that a step of an injection was asked for out of its order.
var ErrOrder = errors.New("a fault is injected, proven, healed and proven to be healed, in this order")

// proofTime bounds each wait for the effect of an injection or of its healing to be seen. It is longer than a busy machine needs to
// start a daemon, and shorter than the harness's patience with a fault.
const proofTime = 10 * time.Second

// proofPause is the pause between two looks.
const proofPause = 50 * time.Millisecond

// A stage is how far an injection has come.
type stage uint8

const (
	planned    stage = iota
	failed           // the injection returned an error; what it did is not known
	injected         // the injection returned
	recovering       // healing was begun, and may be repeated
	recovered        // healing returned
	closed           // it was looked for the proof of healing
)

// An Injection is one fault on its way. Its methods are called one at a time, in the order Inject, Prove, Recover, ProveRecovered; any other
// order is ErrOrder and changes nothing. Prove may be left out. After a failed Inject comes Recover, which may be repeated until it
// succeeds. Failures are in the record's Problem too, but for those of a Recover that succeeded later.
type Injection struct {
	effect effect
	stage  stage
	proved bool // Prove was called
	record history.Fault
	harm   string // what is wrong with the injection or its proof
	heal   string // what is wrong with the healing or its proof
}

func newInjection(fault Fault, step history.Step, effect effect) *Injection {
	return &Injection{effect: effect, record: history.Fault{
		Step: step.Number, Name: fault.Name(), Nodes: step.Nodes, Cuts: fault.Cuts(step),
	}}
}

// Record returns what happened so far.
func (i *Injection) Record() history.Fault {
	record := i.record
	record.Problem = join(i.harm, i.heal)
	return record
}

// Inject does the harm.
func (i *Injection) Inject(ctx context.Context) error {
	if i.stage != planned {
		return i.disorder("Inject")
	}
	i.record.Injecting = history.Now()
	if err := i.effect.inject(ctx); err != nil {
		i.stage = failed
		return blame(&i.harm, "injecting", err)
	}
	i.record.Injected = history.Now()
	i.stage = injected
	return nil
}

// Prove waits until the harm is seen to be done, at most ten seconds.
func (i *Injection) Prove(ctx context.Context) (proof string, err error) {
	if i.stage != injected || i.proved {
		return "", i.disorder("Prove")
	}
	i.proved = true
	if proof, err = poll(ctx, i.effect.prove); err != nil {
		return "", blame(&i.harm, "no effect was seen", err)
	}
	i.record.Proven = history.Now()
	i.addProof(proof)
	return proof, nil
}

// Recover heals.
func (i *Injection) Recover(ctx context.Context) error {
	if i.stage != failed && i.stage != injected && i.stage != recovering {
		return i.disorder("Recover")
	}
	if i.record.Recovering == 0 {
		i.record.Recovering = history.Now()
	}
	i.stage = recovering
	if err := i.effect.recover(ctx); err != nil {
		return blame(&i.heal, "healing", err)
	}
	i.stage, i.heal = recovered, ""
	return nil
}

// ProveRecovered waits until the harm is seen to be healed, at most ten seconds.
func (i *Injection) ProveRecovered(ctx context.Context) (proof string, err error) {
	if i.stage != recovered {
		return "", i.disorder("ProveRecovered")
	}
	i.stage = closed
	if proof, err = poll(ctx, i.effect.proveRecovered); err != nil {
		return "", blame(&i.heal, "healing was not seen", err)
	}
	i.record.Recovered = history.Now()
	i.addProof("healed: " + proof)
	return proof, nil
}

func (i *Injection) addProof(proof string) { i.record.Proof = join(i.record.Proof, proof) }

// blame says in a problem, and in the error that it returns, what went wrong.
func blame(problem *string, what string, err error) error {
	err = fmt.Errorf("%s: %w", what, err)
	*problem = err.Error()
	return err
}

// join puts what is there of two texts into one.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

func (i *Injection) disorder(what string) error {
	stages := map[stage]string{
		planned: "planned", failed: "failed", injected: "injected", recovering: "being healed", recovered: "healed", closed: "over",
	}
	name := stages[i.stage]
	if i.stage == injected && i.proved {
		name = "looked at"
	}
	return fmt.Errorf("%w: %s of step %d, %s, which is %s", ErrOrder, what, i.record.Step, i.record.Name, name)
}

// poll looks again and again until what it looks for is seen, and says why it was not seen when the time is up.
func poll(ctx context.Context, look func(context.Context) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	var why error // the last reason that is not just the end of the time
	for {
		proof, err := look(ctx)
		if err == nil || errors.Is(err, ErrOrder) {
			return proof, err
		}
		if why == nil || ctx.Err() == nil {
			why = err
		}
		select {
		case <-ctx.Done():
			return "", why
		case <-time.After(proofPause):
		}
	}
}

// A Proving is an injection in two steps instead of four: each returns when its effect was seen, or an error says why not.
type Proving struct{ *Injection }

// Inject does the harm and waits until it is seen to be done.
func (p Proving) Inject(ctx context.Context) error {
	if err := p.Injection.Inject(ctx); err != nil {
		return err
	}
	_, err := p.Prove(ctx)
	return err
}

// Recover heals, also after a failed Inject, and waits until it is seen to be healed. Healing is tried until it succeeds or ctx ends, at most
// ten seconds.
func (p Proving) Recover(ctx context.Context) error {
	if _, err := poll(ctx, func(ctx context.Context) (string, error) { return "", p.Injection.Recover(ctx) }); err != nil {
		return err
	}
	_, err := p.ProveRecovered(ctx)
	return err
}
