package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// Runtime starts simulated clusters. Start must be called in a testing/synctest bubble, and everything of the cluster used in it.
type Runtime struct {
	Seed    uint64                                  // of what a simulation draws: latencies, what a loss of power leaves
	Disk    func(random *rand.Rand) Disk            // makes an empty one
	Install func(machine Machine) (Software, error) // makes the software of a node
}

var _ cluster.Runtime = Runtime{}

// Name is the name of the runtime.
const Name = "simulation"

// Name implements cluster.Runtime.
func (Runtime) Name() string { return Name }

// Start implements cluster.Runtime.
func (r Runtime) Start(ctx context.Context, spec cluster.Spec) (*cluster.Cluster, error) {
	return cluster.Assemble(ctx, spec, func(tell func(history.Event)) (cluster.Parts, error) {
		w, err := r.build(spec, tell)
		if err != nil {
			return cluster.Parts{}, err
		}
		parts := cluster.Parts{Agents: map[string]cluster.Agent{}, Network: w.network, Close: w.close}
		for _, n := range w.nodes {
			parts.Agents[n.machine.Name] = n
		}
		return parts, nil
	})
}

// A world is one simulated cluster.
type world struct {
	network *Network
	nodes   []*node // servers, clients
	tell    func(history.Event)
	disk    func(*rand.Rand) Disk // makes an empty one
	log     *slog.Logger
	zombies sync.WaitGroup // what is left of killed processes
}

func (r Runtime) build(spec cluster.Spec, tell func(history.Event)) (*world, error) {
	w := &world{network: NewNetwork(), tell: tell, disk: r.Disk, log: spec.Log}
	servers := cluster.ServerNames(spec.Servers)
	for i, name := range slices.Concat(servers, cluster.ClientNames(spec.Clients)) {
		role := cluster.RoleServer
		if i >= len(servers) {
			role = cluster.RoleClient
		}
		random := rand.New(rand.NewPCG(r.Seed, uint64(i)+1))
		n := &node{world: w, disk: r.Disk(random), machine: Machine{
			NodeName: cluster.NodeName{Name: name, Role: role}, Servers: servers, Spec: spec,
			Stack: w.network.Stack(name), Random: random, Log: spec.Log.With(slog.String("node", name)),
		}}
		n.disk.SetClock(n.clock.now)
		for _, name := range role.Daemons() {
			n.daemons = append(n.daemons, &daemon{name: name, state: cluster.StateExited})
		}
		w.nodes = append(w.nodes, n)
		for _, server := range servers {
			if server != name {
				w.network.AddLink(name, server, latency(random), latency(random))
			}
		}
		var err error
		if n.software, err = r.Install(n.machine); err != nil {
			return nil, fmt.Errorf("installing the software of %s: %w", name, err)
		}
	}
	return w, nil
}

// latency draws how one direction of a link carries bytes: something between a switch and a town.
func latency(random *rand.Rand) Shape {
	return Shape{Latency: 50*time.Microsecond + time.Duration(random.Int64N(int64(2*time.Millisecond)))}
}

// endTime is how long a process that was killed has to end, in the time of the simulation. It waits for nothing outside itself.
const endTime = 10 * time.Minute

// close ends all daemons, and waits for the zombies.
func (w *world) close(ctx context.Context) error {
	var errs []error
	for _, n := range slices.Backward(w.nodes) {
		n.mend()
		for _, d := range slices.Backward(n.daemons) {
			if err := n.end(ctx, d); err != nil {
				errs = append(errs, fmt.Errorf("ending %s on %s: %w", d.name, n.machine.Name, err))
			}
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.zombies.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(endTime):
		errs = append(errs, errors.New("what is left of a killed daemon does not end"))
	}
	return errors.Join(errs...)
}
