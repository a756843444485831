package faults

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// QuotaName is the name of the fault that checks know: what has no room is refused while it lasts.
const QuotaName = "quota"

// Quota is what a person does who types `volutil setquota` with too small a number, and notices later: volumes hold more than they may, and who wants to add
// something is refused.
type Quota struct{}

var _ Fault = Quota{}

// Name implements Fault.
func (Quota) Name() string { return QuotaName }

// Doc implements Fault.
func (Quota) Doc() string {
	return "all volumes may hold less than they do, as by `volutil setquota`, so that nothing can be added, and may hold as much as before later"
}

// Applies implements Fault.
func (q Quota) Applies(topology Topology) error {
	return appliesToDaemon(q.Name(), cluster.Codasrv, topology)
}

// Targets implements Fault: the first server, which has volumes changed on all.
func (Quota) Targets(topology Topology) [][]string { return [][]string{topology.Servers[:1]} }

// Cuts implements Fault. Nobody has to wait: what it excuses is that something is refused.
func (Quota) Cuts(history.Step) []history.Cut { return nil }

// parameters implements parametric.
func (Quota) parameters() []Parameter {
	return []Parameter{
		{"bytes", "drawn, 10 to 90", "how many percent of the bytes that it holds each volume may hold, 0 for as many as before"},
		{"objects", "drawn, 10 to 90", "how many percent of the objects that it holds each volume may hold, 0 for as many as before"},
	}
}

// bounds are those of a step, in percent.
func (q Quota) bounds(step history.Step) (bytes, objects int, err error) {
	random := rand.New(rand.NewPCG(step.Seed, 7))
	bytes, objects = 10+random.IntN(81), 10+random.IntN(81)
	args := arguments{of: q.Name(), given: step.Args}
	args.whole("bytes", &bytes, 0, 100)
	args.whole("objects", &objects, 0, 100)
	if bytes == 0 && objects == 0 {
		args.fail("%s needs a bound of bytes or of objects", q.Name())
	}
	return bytes, objects, args.err
}

// checkArguments implements parametric.
func (q Quota) checkArguments(args map[string]string) error {
	_, _, err := q.bounds(history.Step{Args: args})
	return err
}

// Prepare implements Fault.
func (q Quota) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, cluster.Codasrv)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", q.Name(), err)
	}
	bytes, objects, err := q.bounds(step)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", q.Name(), err)
	}
	return newInjection(q, step, &bounding{victim: victim, bytes: bytes, objects: objects}), nil
}

// bounding is one time that volumes may hold less than they do.
type bounding struct {
	victim
	bytes, objects int
	refused        map[string]int // by client, what each had refused before
}

func (b *bounding) inject(ctx context.Context) error {
	if err := b.meet(ctx); err != nil {
		return err
	}
	b.refused = b.refusals(ctx)
	_, err := b.node.Order(ctx, cluster.BoundVolumes(b.bytes, b.objects))
	return err
}

// prove looks whether a volume is full, so that the next change that needs room is refused, or whether one was.
func (b *bounding) prove(ctx context.Context) (string, error) {
	bound, err := b.node.Order(ctx, cluster.OrderBound)
	if err != nil {
		return "", err
	}
	full, err := b.node.Order(ctx, cluster.OrderOverQuota)
	if err != nil {
		return "", err
	}
	refused := b.newRefusals(ctx)
	switch {
	case bound == 0:
		return "", fmt.Errorf("no volume of %s has got a quota", b.node.Name())
	case full == 0 && refused == 0:
		return "", fmt.Errorf("all volumes of %s have room, and nothing was refused", b.node.Name())
	}
	return fmt.Sprintf("%d volumes of %s have got a quota, %d hold no less, and clients have refused %d changes", bound, b.node.Name(), full, refused), nil
}

func (b *bounding) recover(ctx context.Context) error {
	_, err := b.node.Order(ctx, cluster.OrderUnboundVolumes)
	return err
}

// proveRecovered looks whether the server has the quotas of before, and whether all clients have heard of it that can be asked and reach a server.
func (b *bounding) proveRecovered(ctx context.Context) (string, error) {
	bound, err := b.node.Order(ctx, cluster.OrderBound)
	if err == nil && bound > 0 {
		err = fmt.Errorf("%d volumes of %s still have another quota than before", bound, b.node.Name())
	}
	if err != nil {
		return "", err
	}
	for _, client := range b.clients {
		known, err := client.Order(ctx, cluster.OrderBound)
		if err != nil || known == 0 {
			continue // one that cannot be asked is down, and begins anew
		}
		if status, err := client.Status(ctx); err == nil && status.Reached > 0 {
			return "", fmt.Errorf("%s has not heard that %d volumes have no quota any more", client.Name(), known)
		}
	}
	return fmt.Sprintf("all volumes of %s have the quotas of before, and clients have refused %d changes", b.node.Name(), b.newRefusals(ctx)), nil
}

// refusals is how many changes each client has refused by itself, as far as they can be asked.
func (b *bounding) refusals(ctx context.Context) map[string]int {
	refused := map[string]int{}
	for _, client := range b.clients {
		if n, err := client.Order(ctx, cluster.OrderRefused); err == nil {
			refused[client.Name()] = n
		}
	}
	return refused
}

// newRefusals is how many there were since the fault began. One that was started anew has begun to count anew.
func (b *bounding) newRefusals(ctx context.Context) (count int) {
	for client, n := range b.refusals(ctx) {
		before := b.refused[client]
		if n < before {
			before = 0
		}
		count += n - before
	}
	return count
}
