package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

var threeClients = Topology{Servers: []string{"server1"}, Clients: []string{"client1", "client2", "client3"}}

// A running cluster has the handles that faults take.
var _ = func(c *cluster.Cluster) Handles { return On(c) }

func stepOf(fault Fault, nodes []string) history.Step {
	if len(nodes) == 0 {
		nodes = fault.Targets(threeClients)[0]
	}
	return history.Step{Number: 7, Phase: "fault", Kind: "fault", Name: fault.Name(), Nodes: nodes}
}

// carry does all of an injection and returns its record.
func carry(t *testing.T, injection *Injection, during time.Duration) history.Fault {
	t.Helper()
	proving := Proving{injection}
	if err := proving.Inject(t.Context()); err != nil {
		t.Log(err)
	}
	time.Sleep(during)
	if err := proving.Recover(t.Context()); err != nil {
		t.Log(err)
	}
	return injection.Record()
}

func TestEveryFaultProvesItselfOnASoundCluster(t *testing.T) {
	for _, fault := range All() {
		for _, nodes := range fault.Targets(threeClients) {
			t.Run(fault.Name()+" "+strings.Join(nodes, " "), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					record := carry(t, prepareOn(t, newFakeCluster(threeClients), fault, nodes...), time.Second)
					require.Empty(t, record.Problem)
					require.Contains(t, record.Proof, "; healed: ")
					require.Equal(t, 7, record.Step)
					require.Equal(t, fault.Name(), record.Name)
					require.Equal(t, nodes, record.Nodes)
					if _, drawn := fault.(choosing); drawn {
						require.Subset(t, eitherWay(fault.Cuts(stepOf(fault, nodes))), record.Cuts)
					} else {
						require.Equal(t, fault.Cuts(stepOf(fault, nodes)), record.Cuts)
					}
					if !slices.Contains(gentle(), fault) && !strings.HasSuffix(fault.Name(), "-web") { // which is no part of the file system
						require.NotEmpty(t, record.Cuts)
					}
					times := []history.Time{record.Injecting, record.Injected, record.Proven, record.Recovering, record.Recovered}
					require.IsNonDecreasing(t, times)
					require.Positive(t, times[0])
				})
			})
		}
	}
}

// gentle are the faults that excuse nothing.
func gentle() []Fault {
	return []Fault{
		Latency{},
		Bandwidth{},
		Slicing{},
		SlowClose{},
		HoardWalk{},
		Quota{},
		Disk{Slow, cluster.Venus},
		Disk{Slow, cluster.Codasrv},
		Disk{Full, cluster.Venus},
		Disk{Full, cluster.Codasrv},
		ClockJump{cluster.Venus},
		ClockJump{cluster.Codasrv},
		Squeeze{CPU, cluster.Venus},
		Squeeze{CPU, cluster.Codasrv},
	}
}

// breakage is a cluster on which a fault does not do what it should.
type breakage struct {
	name    string
	fault   Fault
	nodes   []string
	breaks  func(*fakeCluster)
	problem string // in the record
	proven  bool   // the effect is seen all the same
	healed  bool   // the healing is seen all the same
}

func breakagesOfLinks() []breakage {
	link := func(breaks func(*fakeLink)) func(*fakeCluster) {
		return func(c *fakeCluster) { breaks(c.links["client1-server1"]) }
	}
	both := Partition{Up: true, Down: true}
	return []breakage{
		{
			name: "a partition that does not cut", fault: both, breaks: link(func(l *fakeLink) { l.deaf = true }),
			problem: "no effect was seen: client1 still reaches server1", healed: true,
		},
		{
			name: "a partition of another link", fault: both, breaks: link(func(l *fakeLink) { l.bypassed = true }),
			problem: "no effect was seen: client1 still reaches server1; healing was not seen: the peer was reached, but not through the link",
		},
		{
			name: "a partition that lets bytes through", fault: both, breaks: link(func(l *fakeLink) { l.leaky = true }),
			problem: "100 bytes went from client1 to server1", healed: true,
		},
		{
			name: "a partition-down that lets bytes through", fault: Partition{Down: true}, breaks: link(func(l *fakeLink) { l.leaky = true }),
			problem: "100 bytes went from server1 to client1", healed: true,
		},
		{
			name: "a partition-down that cuts both directions", fault: Partition{Down: true}, breaks: link(func(l *fakeLink) { l.blunt = true }),
			problem: "nothing went from client1 to server1 either", healed: true,
		},
		{
			name: "a partition that does not heal", fault: both, breaks: link(func(l *fakeLink) { l.unhealing = true }),
			problem: "healing was not seen: context deadline exceeded", proven: true,
		},
		{
			name: "a link that cannot be set", fault: Partition{Up: true}, breaks: link(func(l *fakeLink) { l.setError = errors.New("no proxy") }),
			problem: "injecting: no proxy; healing: no proxy",
		},
		{
			name: "an isolation that forgets a link", fault: Isolate{}, breaks: link(func(l *fakeLink) { l.deaf = true }),
			problem: "no effect was seen: client1 still reaches server1", healed: true,
		},
		{
			name: "a split that does not heal everywhere", fault: Split{}, nodes: []string{"server1", "client2", "client1", "client3"},
			breaks: link(func(l *fakeLink) { l.unhealing = true }), problem: "healing was not seen: context deadline exceeded", proven: true,
		},
		{
			name: "a split through which bytes pass", fault: Split{}, nodes: []string{"server1", "client2", "client1", "client3"},
			breaks: link(func(l *fakeLink) { l.leaky = true }), problem: "100 bytes went from client1 to server1", healed: true,
		},
		{
			name: "a cut between sets that forgets a link", fault: severing("down"), breaks: link(func(l *fakeLink) { l.deaf = true }),
			problem: "no effect was seen: client1 still reaches server1", healed: true,
		},
		{
			name: "a cut in one direction that is one in both", fault: severing("down"), breaks: link(func(l *fakeLink) { l.blunt = true }),
			problem: "nothing went from client1 to server1 either, which was to stay open", healed: true,
		},
		{
			name: "a cut between sets that does not heal everywhere", fault: severing("up"), breaks: link(func(l *fakeLink) { l.unhealing = true }),
			problem: "healing was not seen: context deadline exceeded", proven: true,
		},
		{
			name: "a link that flaps without being cut", fault: Flapping{}, breaks: link(func(l *fakeLink) { l.deaf = true }),
			problem: "no effect was seen: client1 still reaches server1", healed: true,
		},
		{
			name: "a link that flaps once", fault: Flapping{}, breaks: link(func(l *fakeLink) { l.unhealing = true }),
			problem: "healing was not seen: context deadline exceeded",
		},
		{
			name: "a reset that ends no connection", fault: Reset{}, breaks: link(func(l *fakeLink) { l.tough = true }),
			problem: "as many connections were open after a reset as before", healed: true,
		},
		{
			name: "a reset of a link without connections", fault: Reset{}, breaks: link(func(l *fakeLink) { l.tough, l.open = true, 0 }),
			problem: "no connection was open when it was to be reset", healed: true,
		},
		{
			name: "a reset that does not heal", fault: Reset{}, breaks: link(func(l *fakeLink) { l.dead = true }),
			problem: "healing was not seen: context deadline exceeded", proven: true,
		},
	}
}

// breakagesOfShapes are links that carry bytes as before, or go on carrying them otherwise.
func breakagesOfShapes() []breakage {
	link := func(breaks func(*fakeLink)) func(*fakeCluster) {
		return func(c *fakeCluster) { breaks(c.links["client1-server1"]) }
	}
	all := []breakage{{
		name: "flipped bits that nobody notices", fault: Corruption{}, breaks: link(func(l *fakeLink) { l.trusted = true }),
		problem: "no effect was seen: no connection has ended in which bits were flipped; healing was not seen: ",
	}}
	for fault, problems := range map[Fault][2]string{
		Slicing{}:    {"nothing that has passed was cut", "what went to server1 was still cut, in 2 places"},
		SlowClose{}:  {"no end of a connection came late", "2 ends of connections still came late"},
		Corruption{}: {"no bit was flipped", "bad message"},
	} {
		all = append(all, breakage{
			name: fault.Name() + " that is not set", fault: fault, breaks: link(func(l *fakeLink) { l.deaf = true }),
			problem: "no effect was seen: " + problems[0], healed: true,
		}, breakage{
			name: fault.Name() + " of another link", fault: fault, breaks: link(func(l *fakeLink) { l.bypassed = true }),
			problem: "no effect was seen: " + problems[0], healed: true,
		}, breakage{
			name: fault.Name() + " that does not heal", fault: fault, breaks: link(func(l *fakeLink) { l.unhealing = true }),
			problem: "healing was not seen: " + problems[1], proven: true,
		})
	}
	return all
}

func breakagesOfDaemons() []breakage {
	client := func(breaks func(*fakeNode)) func(*fakeCluster) {
		return func(c *fakeCluster) { breaks(c.nodes["client1"]) }
	}
	server := func(breaks func(*fakeNode)) func(*fakeCluster) {
		return func(c *fakeCluster) { breaks(c.nodes["server1"]) }
	}
	return []breakage{
		{
			name: "a kill that does not kill", fault: Kill{cluster.Venus}, breaks: client(func(n *fakeNode) { n.immortal = true }),
			problem: "venus on client1 is still running as process 100; healing was not seen: it is the process of before",
		},
		{
			name: "a kill of a daemon that something else starts", fault: Kill{cluster.Venus}, breaks: client(func(n *fakeNode) { n.haunted = true }),
			problem: "venus on client1 is running again, as process 101, without being started", healed: true,
		},
		{
			name: "a kill of a daemon that is dead already", fault: Kill{cluster.Venus},
			breaks:  client(func(n *fakeNode) { n.daemon.State = cluster.StateExited }),
			problem: "injecting: venus on client1 is exited before the fault", healed: true,
		},
		{
			name: "a killed server that still answers", fault: Kill{cluster.Codasrv}, breaks: server(func(n *fakeNode) { n.undead = true }),
			problem: "codasrv on server1 has exited: it still answers client1", healed: true,
		},
		{
			name: "a daemon that cannot be started", fault: Kill{cluster.Venus},
			breaks:  client(func(n *fakeNode) { n.startError = errors.New("no mount") }),
			problem: "healing: no mount", proven: true,
		},
		{
			name: "a daemon that is started and never ready", fault: Kill{cluster.Venus}, breaks: client(func(n *fakeNode) { n.slow = true }),
			problem: "healing was not seen: venus on client1 is running and not ready", proven: true,
		},
		{
			name: "a restarted server that answers nobody", fault: Kill{cluster.Codasrv},
			breaks: func(c *fakeCluster) {
				for _, client := range c.Clients() {
					client.reachError = errors.New("bad certificate")
				}
			},
			problem: "healing was not seen: client1 does not reach it: bad certificate", proven: true,
		},
		{
			name: "a restart that ends nothing", fault: Restart{cluster.Venus}, breaks: client(func(n *fakeNode) { n.immortal = true }),
			problem: "venus on client1 is still running as process 100; healing was not seen: it is the process of before",
		},
		{
			name: "a rolling restart that restarts nothing", fault: Rolling{}, breaks: server(func(n *fakeNode) { n.immortal = true }),
			problem: "no effect was seen: codasrv on server1 is the process of before: it was not restarted", healed: true,
		},
		{
			name: "a rolling restart that ends at the first server", fault: Rolling{},
			breaks:  server(func(n *fakeNode) { n.startError = errors.New("no port") }),
			problem: "injecting: no port; healing: no port",
		},
		{
			name: "a crash loop that crashes once", fault: CrashLoop{cluster.Venus},
			breaks:  client(func(n *fakeNode) { n.startError = errors.New("no mount") }),
			problem: "no effect was seen: no mount; healing: no mount",
		},
		{
			name: "a crash loop that crashes nothing", fault: CrashLoop{cluster.Codasrv}, breaks: server(func(n *fakeNode) { n.immortal = true }),
			problem: "no effect was seen: codasrv on server1 is still running; healing was not seen: it is the process of before",
		},
		{
			name: "a reinstallation that removes nothing", fault: Reinstall{},
			breaks:  client(func(n *fakeNode) { n.wipeError = errors.New("the folder is busy") }),
			problem: "injecting: the folder is busy", healed: true,
		},
		{
			name: "a disk that is not lost, as its server lives on", fault: LostDisk{}, breaks: server(func(n *fakeNode) { n.immortal = true }),
			problem: "injecting: it is running; healing was not seen: it is the process of before",
		},
		{
			name: "a pause that does not pause", fault: Pause{cluster.Venus}, breaks: client(func(n *fakeNode) { n.restless = true }),
			problem: "no effect was seen: venus on client1 is running", healed: true,
		},
		{
			name: "a paused server that still answers", fault: Pause{cluster.Codasrv}, breaks: server(func(n *fakeNode) { n.undead = true }),
			problem: "codasrv on server1 is paused: it still answers client1", healed: true,
		},
		{
			name: "a pause that does not end", fault: Pause{cluster.Codasrv}, breaks: server(func(n *fakeNode) { n.frozen = true }),
			problem: "healing was not seen: codasrv on server1 is paused and not ready", proven: true,
		},
		{
			name: "a loss of power that takes nothing", fault: PowerLoss{cluster.Codasrv}, breaks: server(func(n *fakeNode) { n.synced = true }),
			problem: "everything on its disk was synced: the loss of power took nothing", healed: true,
		},
		{
			name: "a clock that cannot be set", fault: ClockJump{cluster.Venus}, breaks: client(func(n *fakeNode) { n.stuckClock = true }),
			problem: "no effect was seen: the clock of venus on client1 is 0s ahead, and should be ", healed: true,
		},
		{
			name: "a clock that is not set back", fault: ClockJump{cluster.Codasrv}, breaks: server(func(n *fakeNode) { n.lostClock = true }),
			problem: "healing was not seen: the clock of codasrv on server1 is still ", proven: true,
		},
		{
			name: "a client that is not disconnected", fault: Disconnect{}, breaks: client(func(n *fakeNode) { n.deafToAll = true }),
			problem: "no effect was seen: client1 still reaches 1 servers", healed: true,
		},
		{
			name: "a client that does not reconnect", fault: Disconnect{}, breaks: client(func(n *fakeNode) { n.offended = true }),
			problem: "healing was not seen: client1 still reaches no server", proven: true,
		},
		{
			name: "a client that hoards nothing", fault: HoardWalk{}, breaks: client(func(n *fakeNode) { n.deafToAll = true }),
			problem: "no effect was seen: a walk of client1 found nothing to hoard", healed: true,
		},
		{
			name: "a client that goes on hoarding", fault: HoardWalk{}, breaks: client(func(n *fakeNode) { n.offended = true }),
			problem: "healing was not seen: client1 still hoards everything", proven: true,
		},
		{
			name: "volumes that are not locked", fault: VolumeLock{}, breaks: server(func(n *fakeNode) { n.deafToAll = true }),
			problem: "no effect was seen: no volume of server1 is locked", healed: true,
		},
		{
			name: "volumes that stay locked", fault: VolumeLock{}, breaks: server(func(n *fakeNode) { n.offended = true }),
			problem: "healing was not seen: 1 volumes of server1 are still locked", proven: true,
		},
		{
			name: "volumes without a quota", fault: Quota{}, breaks: server(func(n *fakeNode) { n.deafToAll = true }),
			problem: "no effect was seen: no volume of server1 has got a quota", healed: true,
		},
		{
			name: "volumes that have room all the same", fault: Quota{}, breaks: server(func(n *fakeNode) { n.roomy = true }),
			problem: "no effect was seen: all volumes of server1 have room, and nothing was refused", healed: true,
		},
		{
			name: "volumes that keep their quota", fault: Quota{}, breaks: server(func(n *fakeNode) { n.offended = true }),
			problem: "healing was not seen: 1 volumes of server1 still have another quota than before", proven: true,
		},
		{
			name: "a client that does not hear of the healing", fault: Quota{}, breaks: client(func(n *fakeNode) { n.bound = 1 }),
			problem: "healing was not seen: client1 has not heard that 1 volumes have no quota any more", proven: true,
		},
		{
			name: "a token that does not end", fault: TokenExpiry{}, breaks: client(func(n *fakeNode) { n.deafToAll = true }),
			problem: "no effect was seen: nothing on client1 waits for a token", healed: true,
		},
		{
			name: "a user who does not log in again", fault: TokenExpiry{}, breaks: client(func(n *fakeNode) { n.offended = true }),
			problem: "healing was not seen: client1 still has 3 changes that only a token can send", proven: true,
		},
		{
			name: "a bit that cannot be flipped", fault: FlipBit{cluster.Codasrv}, breaks: server(func(n *fakeNode) { n.rotError = errors.New("no contents") }),
			problem: "injecting: no contents", healed: true,
		},
		{
			name: "a bit that is not flipped", fault: FlipBit{cluster.Codasrv}, breaks: server(func(n *fakeNode) { n.sturdy = true }),
			problem: "no effect was seen: 1 of 1 bits on server1 are as they were", healed: true,
		},
		{
			name: "a bit that stays flipped", fault: FlipBit{cluster.Codasrv}, breaks: server(func(n *fakeNode) { n.rotten = true }),
			problem: "healing was not seen: 1 of 1 bits on server1 are still wrong", proven: true,
		},
		{
			name: "bits of a cache that cannot be flipped", fault: FlipBit{cluster.Venus}, breaks: client(func(n *fakeNode) { n.rotError = errors.New("no contents") }),
			problem: "injecting: no contents", healed: true,
		},
		{
			name: "bits of a cache that are not flipped", fault: FlipBit{cluster.Venus}, breaks: client(func(n *fakeNode) { n.sturdy = true }),
			problem: "no effect was seen: 1 of 1 bits on client1 are as they were", healed: true,
		},
		{
			name: "bits of a cache that stay flipped", fault: FlipBit{cluster.Venus}, breaks: client(func(n *fakeNode) { n.rotten = true }),
			problem: "healing was not seen: 1 of 1 bits on client1 are still wrong", proven: true,
		},
		{
			name: "a daemon that does not survive its pause", fault: Pause{cluster.Venus}, breaks: client(func(n *fakeNode) { n.fragile = true }),
			problem: "healing was not seen: venus on client1 is exited and not ready", proven: true,
		},
	}
}

// breakagesOfDisks are disks that harm no call of their daemon: it made none, or they are as sound as before.
func breakagesOfDisks() []breakage {
	var all []breakage
	for _, daemon := range []string{cluster.Venus, cluster.Codasrv} {
		node := map[string]string{cluster.Venus: "client1", cluster.Codasrv: "server1"}[daemon]
		for ailment, none := range map[Ailment]string{
			Slow: "0 took 0s longer together", Stalled: "0 did not return", Full: "0 were refused", Failing: "0 were refused",
		} {
			fault := Disk{ailment, daemon}
			had := fmt.Sprintf("no effect was seen: the %s disk of %s had no effect: of", ailment, node)
			all = append(all, breakage{
				name: fault.Name() + " of an idle daemon", fault: fault, breaks: func(c *fakeCluster) { c.nodes[node].idle = true },
				problem: fmt.Sprintf("%s 0 calls of %s %s", had, daemon, none), healed: true,
			}, breakage{
				name: fault.Name() + " that is not set", fault: fault, breaks: func(c *fakeCluster) { c.nodes[node].sound = true },
				problem: fmt.Sprintf("%s 2 calls of %s %s", had, daemon, none), healed: true,
			})
		}
	}
	return all
}

func TestAMachineThatNeedsMoreMemoryGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(threeClients)
		c.nodes["client1"].needs = 114 << 20
		record := carry(t, prepareOn(t, c, Squeeze{Memory, cluster.Venus}), 0)
		require.Empty(t, record.Problem)
		require.Contains(t, record.Proof, "client1 has used up its 114 MiB")

		c.nodes["client1"].needs = 1 << 40
		require.Contains(t, carry(t, prepareOn(t, c, Squeeze{Memory, cluster.Venus}), 0).Problem, "injecting: device or resource busy")
	})
}

// breakagesOfMachines are those that go on with all that they have, or are not given it back.
func breakagesOfMachines() []breakage {
	client := func(breaks func(*fakeNode)) func(*fakeCluster) {
		return func(c *fakeCluster) { breaks(c.nodes["client1"]) }
	}
	var all []breakage
	for fault, none := range map[Fault]string{
		Squeeze{CPU, cluster.Venus}: "client1 has not wanted more than its 0.", Squeeze{Memory, cluster.Venus}: "client1 has not wanted more than its 1",
	} {
		all = append(all, breakage{
			name: fault.Name() + " of one that needs little", fault: fault, breaks: client(func(n *fakeNode) { n.modest = true }),
			problem: "no effect was seen: " + none, healed: true,
		}, breakage{
			name: fault.Name() + " that is not set", fault: fault, breaks: client(func(n *fakeNode) { n.unlimited = true }),
			problem: "no effect was seen: client1 has not wanted more than its 0", healed: true,
		}, breakage{
			name: fault.Name() + " that does not heal", fault: fault, breaks: client(func(n *fakeNode) { n.miserly = true }),
			problem: "healing was not seen: client1 is still held to less than its machine", proven: true,
		})
	}
	return append(all, breakage{
		name: "a daemon that does not survive on a slow machine", fault: Squeeze{CPU, cluster.Venus},
		breaks:  client(func(n *fakeNode) { n.fragile = true }),
		problem: "healing was not seen: venus on client1 is exited and not ready", proven: true,
	})
}

func TestAFaultWithoutEffectIsAProblem(t *testing.T) {
	for _, test := range slices.Concat(breakagesOfLinks(), breakagesOfShapes(), breakagesOfDaemons(), breakagesOfDisks(), breakagesOfMachines()) {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeCluster(threeClients)
				test.breaks(c)
				record := carry(t, prepareOn(t, c, test.fault, test.nodes...), 0)
				require.Contains(t, record.Problem, test.problem)
				require.Equal(t, test.proven, record.Proven != 0, "proven: %s", record.Proof)
				require.Equal(t, test.healed, record.Recovered != 0, "healed: %s", record.Problem)
			})
		})
	}
}

func TestAFaultIsHealedAfterTheRunWasInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(threeClients)
		c.nodes["client1"].immortal = true
		injection := prepareOn(t, c, Kill{cluster.Venus})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, injection.Inject(ctx))
		_, err := injection.Prove(ctx)
		require.ErrorContains(t, err, "still running")
		require.NoError(t, injection.Recover(t.Context()))
	})
}

func TestHealingIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(threeClients)
		injection := Proving{prepareOn(t, c, Kill{cluster.Venus})}
		require.NoError(t, injection.Inject(t.Context()))
		c.nodes["client1"].startError = errors.New("still mounted")
		time.AfterFunc(time.Second, func() {
			c.nodes["client1"].mu.Lock()
			defer c.nodes["client1"].mu.Unlock()
			c.nodes["client1"].startError = nil
		})
		require.NoError(t, injection.Recover(t.Context()))
		require.Empty(t, injection.Record().Problem)
		require.NotZero(t, injection.Record().Recovered)
	})
}

func TestResetsGoOnUntilTheFaultIsHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(threeClients)
		carry(t, prepareOn(t, c, Reset{}), 3100*time.Millisecond)
		require.Equal(t, 7, c.links["client1-server1"].resets)
		time.Sleep(time.Minute)
		require.Equal(t, 7, c.links["client1-server1"].resets)
	})
}

func TestAnInjectionRefusesAWrongOrder(t *testing.T) {
	steps := map[string]func(context.Context, *Injection) error{
		"inject":  func(ctx context.Context, i *Injection) error { return i.Inject(ctx) },
		"prove":   func(ctx context.Context, i *Injection) error { _, err := i.Prove(ctx); return err },
		"recover": func(ctx context.Context, i *Injection) error { return i.Recover(ctx) },
		"healed":  func(ctx context.Context, i *Injection) error { _, err := i.ProveRecovered(ctx); return err },
	}
	tests := []struct {
		done   string // in this order without an error
		next   string // each of which is refused
		broken bool   // nothing about the link works
	}{
		{done: "", next: "prove recover healed"},
		{done: "inject", next: "inject healed"},
		{done: "inject prove", next: "inject prove healed"},
		{done: "inject recover", next: "inject prove recover"},
		{done: "inject prove recover", next: "inject prove recover"},
		{done: "inject prove recover healed", next: "inject prove recover healed"},
		{done: "inject", next: "inject prove healed", broken: true},
		{done: "inject recover recover", next: "inject prove healed", broken: true},
	}
	for _, test := range tests {
		t.Run(test.done, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeCluster(threeClients)
				if test.broken {
					c.links["client1-server1"].setError = errors.New("no proxy")
				}
				injection := prepareOn(t, c, Partition{Up: true, Down: true})
				for _, name := range strings.Fields(test.done) {
					require.NotErrorIs(t, steps[name](t.Context(), injection), ErrOrder)
				}
				before := injection.Record()
				for _, name := range strings.Fields(test.next) {
					require.ErrorIs(t, steps[name](t.Context(), injection), ErrOrder, name)
				}
				require.Equal(t, before, injection.Record())
			})
		})
	}
}

func TestPrepareRefusesNodesThatAFaultCannotHit(t *testing.T) {
	for _, fault := range All() {
		refused := [][]string{{}, {"client9"}, {"client1", "client9"}, {"server1", "client1"}, {"client1", "client9", "server1"}}
		if len(fault.Targets(threeClients)[0]) < 3 {
			refused = append(refused, []string{"client1", "server1", "client2"})
		}
		for _, nodes := range refused {
			step := history.Step{Nodes: nodes}
			if _, chosen := fault.(choosing); chosen && Hits(fault, threeClients, step) == nil {
				continue // in another order than its targets
			}
			_, err := fault.Prepare(On(newFakeCluster(threeClients)), step)
			require.ErrorContains(t, err, "preparing "+fault.Name(), "%v", nodes)
		}
	}
	_, err := Kill{cluster.Venus}.Prepare(On(newFakeCluster(threeClients)), history.Step{Nodes: []string{"server1"}})
	require.ErrorContains(t, err, "server1 runs no venus")
	_, err = Pause{cluster.Codasrv}.Prepare(On(newFakeCluster(threeClients)), history.Step{Nodes: []string{"client1"}})
	require.ErrorContains(t, err, "client1 runs no codasrv")
}
