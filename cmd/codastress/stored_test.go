package main

import (
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/history"
)

// store writes a small run directory by hand: store good|lost|killed DIR. In a good run everything is as it was written; in a lost one a file
// is there in the end although its removal was acknowledged; in a killed one the history breaks off within a frame, and nothing was observed.
func store(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: store good|lost|killed DIR")
	}
	dir := ts.MkAbs(args[1])
	ts.Check(os.Mkdir(dir, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, harness.ScenarioFile), []byte(storedScenario), 0o644))
	ts.Check(history.WriteMeta(dir, history.Meta{
		Scenario: "by-hand", Seed: 7, Clients: []string{"client1"}, Servers: []string{"server1"}, Runtime: "processes", Mount: "fuse",
		Version: "test", Limits: history.Limits{Hang: time.Second, Converge: time.Minute},
	}))
	ts.Check(history.WritePlan(dir, []history.Step{
		{Number: 1, Phase: "load", Kind: "workload", Name: "mass-delete", Task: "delete", Nodes: []string{"client1"}},
	}))
	writer, err := history.NewWriter(dir)
	ts.Check(err)
	kept := worked(ts, writer, args[0])
	if args[0] != "killed" {
		observed(ts, writer, kept)
	}
	ts.Check(writer.Close())
	if args[0] == "killed" {
		path := filepath.Join(dir, "history")
		info, err := os.Stat(path)
		ts.Check(err)
		ts.Check(os.Truncate(path, info.Size()-1))
	}
}

const storedScenario = `name: by-hand
clients: 1
workload:
  name: mass-delete
`

// worked records that client1 writes two files and removes one. It returns what is there in the end.
func worked(ts *testscript.TestScript, writer *history.Writer, kind string) []history.Object {
	recorder := history.NewRecorder("client1", func(chunk []byte) { ts.Check(writer.Append(chunk)) })
	worker := recorder.Worker()
	nonces := rand.NewPCG(1, 2)
	var kept []history.Object
	for _, path := range []string{"kept.html", "removed.html"} {
		write := worker.Begin(history.Write, path, "")
		header := history.Header{Nonce: history.NewNonce(nonces), Node: "client1", Worker: 1, Number: write.Number(), Path: path, Length: 600}
		write.Writes(header)
		write.End(history.End{Outcome: history.OK})
		if path == "kept.html" || kind == "lost" {
			kept = append(kept, history.Object{
				Path: path, Kind: "file", Mode: 0o644, Length: 600, Links: 1, Digest: hex.EncodeToString(header.Nonce[:]), Content: header.Nonce,
			})
		}
	}
	worker.Begin(history.Remove, "removed.html", "").End(history.End{Outcome: history.OK})
	recorder.Close()
	ts.Check(writer.Load(history.Load{Step: 1, Node: "client1", Done: 3, Wanted: 3}))
	return kept
}

// observed records what both nodes show in the end, and that their daemons ended as they should.
func observed(ts *testscript.TestScript, writer *history.Writer, objects []history.Object) {
	ts.Check(writer.Status(history.Status{Node: "client1", Time: history.Now(), State: "reachable"}))
	for _, node := range []struct{ name, daemon, source string }{
		{"client1", "venus", history.SourceMount}, {"server1", "codasrv", history.SourceServer},
	} {
		ts.Check(writer.Observation(history.Observation{Node: node.name, Source: node.source, Time: history.Now(), Objects: objects}))
		for _, what := range []string{"started", "exited"} {
			ts.Check(writer.Event(history.Event{Node: node.name, Daemon: node.daemon, What: what, Time: history.Now(), Expected: true}))
		}
	}
}
