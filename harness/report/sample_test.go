package report_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/report"
)

// start is the start of the load of the samples.
const start = 100 * time.Second

// at is a time of the record.
func at(d time.Duration) history.Time { return history.Time(start + d) }

// meta describes the run of the samples.
var meta = history.Meta{
	Scenario: "mass-delete", Seed: 4711, Clients: []string{"client1", "client2", "client3"}, Servers: []string{"server1"},
	Limits: history.Limits{Hang: 10 * time.Second, Converge: 30 * time.Second}, Runtime: "processes", Mount: "fuse", Version: "0123456789ab go1.26.8",
}

// operations are pages that are read on three clients for 14 s, with a stop on client2 while it is cut off, and 40 removals.
func operations() []history.Operation {
	random := rand.New(rand.NewPCG(1, 2))
	var all []history.Operation
	for i := range 30 {
		began := at(-2*time.Second + time.Duration(i)*50*time.Millisecond)
		all = append(all, history.Operation{
			Node: "client1", Worker: 1, Number: uint64(i + 1), Kind: history.Write, Path: fmt.Sprintf("www/site1/page-%04d.html", i),
			Invoked: began, Completed: began + history.Time(3*time.Millisecond), Outcome: history.OK, Length: 4096,
		})
	}
	for c, node := range meta.Clients {
		for i := range 280 {
			began := time.Duration(i) * 50 * time.Millisecond
			took := time.Duration(200+random.IntN(2000)) * time.Microsecond
			if c == 1 && began > 3*time.Second && began < 4200*time.Millisecond {
				took += 4200*time.Millisecond - began
			}
			op := history.Operation{
				Node: node, Worker: uint32(10 + i%8), Number: uint64(100 + i), Kind: history.Page, Path: fmt.Sprintf("www/site1/page-%04d.html", i%900),
				Invoked: at(began), Completed: at(began + took), Outcome: history.OK, HTTP: 200, Length: 4096,
			}
			if random.IntN(60) == 0 {
				op.Outcome, op.HTTP = history.Failed, 503
			}
			all = append(all, op)
		}
	}
	for i := range 40 {
		began := 5*time.Second + time.Duration(i)*2*time.Millisecond
		all = append(all, removal(uint64(1000+i), fmt.Sprintf("www/site1/page-%04d.html", i), began, time.Millisecond))
	}
	return all
}

func removal(number uint64, path string, began, took time.Duration) history.Operation {
	return history.Operation{
		Node: "client3", Worker: 2, Number: number, Kind: history.Remove, Path: path,
		Invoked: at(began), Completed: at(began + took), Outcome: history.OK,
	}
}

func plan() []history.Step {
	return []history.Step{
		{Number: 1, Phase: "prepare", Kind: "workload", Name: "mass-delete", Task: "tree", Nodes: []string{"client1"}},
		{Number: 2, Phase: "load", Kind: "workload", Name: "mass-delete", Task: "pages", Nodes: meta.Clients, Length: 14 * time.Second},
		{Number: 3, Phase: "fault", Kind: "fault", Name: "partition", Nodes: []string{"client2", "server1"}, Start: 3 * time.Second, Length: time.Second},
		{Number: 4, Phase: "load", Kind: "workload", Name: "mass-delete", Task: "delete", Nodes: []string{"client3"}, Start: 5 * time.Second},
		{Number: 5, Phase: "fault", Kind: "fault", Name: "kill-venus", Nodes: []string{"client3"}, Start: 7 * time.Second, Length: 1500 * time.Millisecond},
		{Number: 6, Phase: "fault", Kind: "fault", Name: "kill-codasrv", Nodes: []string{"server1"}, Start: 10 * time.Second, Length: time.Second},
	}
}

func faults() []history.Fault {
	fault := func(step int, name string, from, till time.Duration, proof string, nodes ...string) history.Fault {
		return history.Fault{
			Step: step, Name: name, Nodes: nodes, Injecting: at(from), Injected: at(from + 5*time.Millisecond), Proven: at(from + 9*time.Millisecond),
			Recovering: at(till - 8*time.Millisecond), Recovered: at(till), Proof: proof,
		}
	}
	return []history.Fault{
		fault(3, "partition", 3*time.Second, 4200*time.Millisecond, "client2 got no answer from server1 for 700 ms", "client2", "server1"),
		fault(5, "kill-venus", 7*time.Second, 8600*time.Millisecond, "process 4242 is gone, process 4311 answers", "client3"),
		fault(6, "kill-codasrv", 10*time.Second, 11300*time.Millisecond, "process 4100 is gone, process 4400 answers", "server1"),
	}
}

func events() []history.Event {
	event := func(node, daemon, what string, t time.Duration) history.Event {
		return history.Event{Node: node, Daemon: daemon, What: what, Time: at(t), Expected: true}
	}
	return []history.Event{
		event("server1", "codasrv", "ready", -4*time.Second),
		event("client3", "venus", "killed", 7*time.Second),
		event("client3", "venus", "ready", 8500*time.Millisecond),
		event("server1", "codasrv", "killed", 10*time.Second),
		event("server1", "codasrv", "ready", 11200*time.Millisecond),
	}
}

func observations() []history.Observation {
	var all []history.Observation
	for i, node := range append([]string{"server1"}, meta.Clients...) {
		observation := history.Observation{
			Node: node, Source: "mount", Time: at(15*time.Second + time.Duration(i)*10*time.Millisecond), State: "connected",
			Objects: []history.Object{{Path: "www", Kind: "directory", Mode: 0o755}},
		}
		if node == "server1" {
			observation.Source, observation.State = "server", ""
		}
		all = append(all, observation)
	}
	return all
}

// passing is a run that kept every promise.
func passing() report.Result {
	return report.Result{
		Dir: "runs/20260301T120000.000-mass-delete-4711",
		Run: newRun(history.Run{
			Meta: meta, Plan: plan(), Faults: faults(), Events: events(), Observations: observations(),
			Loads: []history.Load{{Step: 2, Node: "client1", Done: 280, Missed: 2, Wanted: 100}},
		}, operations()),
		Verdicts: []history.Verdict{
			{Check: "no-hang", Summary: "the longest call took 1.20 s of the 10 s that it may", Figures: []history.Figure{{Name: "longest call", Value: 1.2, Unit: "s"}}},
			{Check: "no-lost-data", Summary: "the final tree is explained by 70 acknowledged operations"},
			{Check: "convergence", Summary: "3 clients and 1 server are equal"},
			{Check: "no-crash", Summary: "2 daemons ended, each by a fault"},
		},
	}
}

// failing is a run in which a removed file came back, a call never returned and a fault did not take effect.
func failing() report.Result {
	result := passing()
	lost := removal(1007, "www/site1/page-0007.html", 5*time.Second+14*time.Millisecond, time.Millisecond)
	seen := history.Operation{
		Node: "client1", Worker: 4, Number: 380, Kind: history.Read, Path: "www/site1/page-0007.html",
		Invoked: at(13 * time.Second), Completed: at(13*time.Second + 800*time.Microsecond), Outcome: history.OK, Content: history.Nonce{0xab, 1},
	}
	stuck := history.Operation{
		Node: "client2", Worker: 12, Number: 400, Kind: history.Page, Path: "www/site1/<b>&\x01.html", Invoked: at(4 * time.Second),
		Outcome: history.Indeterminate, Errno: syscall.ETIMEDOUT,
	}
	run := *result.Run
	run.Faults = faults()
	run.Observations = observations()
	run.Statuses = []history.Status{
		{Node: "client3", Time: at(2 * time.Second), State: "reachable"},
		{Node: "client3", Time: at(5500 * time.Millisecond), State: "unreachable", Pending: 36},
		{Node: "client1", Time: at(13500 * time.Millisecond), State: "reachable", Pending: 1},
		{Node: "client3", Time: at(9 * time.Second), State: "reachable"},
	}
	run.Observations[1].Objects = nil
	run.Faults[0].Proven, run.Faults[0].Proof, run.Faults[0].Problem = 0, "", "client2 still got an answer from server1"
	result.Run = newRun(run, append(operations(), lost, seen, stuck))
	result.Verdicts = append([]history.Verdict{
		{Check: "faults-proven", Result: history.Undecided, Summary: "1 of 3 faults had no effect", Evidence: []history.Evidence{{Text: "the partition let answers through", Faults: []int{3}}}},
		{
			Check: "no-hang", Result: history.Fail, Summary: "1 call did not return within 10 s",
			Evidence: []history.Evidence{{
				Text: "a page on client2 had not returned after 10.0 s, and nothing excuses that", Operations: []history.Operation{stuck},
				Faults: []int{3}, Files: []string{"nodes/client2/hang-client2/venus.goroutines", "nodes/server1/hang-client2/codasrv.goroutines"},
			}},
		},
		{
			Check: "no-lost-data", Result: history.Fail, Summary: "5 acknowledged removals are undone",
			Evidence: []history.Evidence{
				{Text: "www/site1/page-0007.html is there on client1 although its removal on client3 was acknowledged, and nobody wrote it again after that", Operations: []history.Operation{lost, seen}, Faults: []int{5}},
				{Text: "www/site1/page-0008.html likewise"},
				{Text: "www/site1/page-0009.html likewise"},
				{Text: "www/site1/page-0010.html likewise"},
				{Text: "www/site1/page-0011.html likewise"},
			},
		},
	}, result.Verdicts[2:]...)
	return result
}

// undecided is a run of which nothing was recorded.
func undecided() report.Result {
	return report.Result{
		Dir:      "runs/20260301T120000.000-mass-delete-4711",
		Run:      newRun(history.Run{Meta: meta, Truncated: "the history breaks off after 0 bytes", Missing: []string{"the record of operations of client1 breaks off"}}, nil),
		Verdicts: []history.Verdict{{Check: "no-hang", Result: history.Undecided, Summary: "no operation was recorded"}},
	}
}

func newRun(run history.Run, operations []history.Operation) *history.Run {
	run.Operations = history.Pack(operations)
	return &run
}
