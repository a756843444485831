package checks_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Small histories are written by hand, a line for each thing (# begins a comment). Times are seconds, or anything that time.ParseDuration
// takes, after an arbitrary moment; a dash is a time that never came.
//
//	run clients=client1,client2 servers=server1 hang=10s converge=30s [p99=1s stall=1s recover=1s stale=1s cached=1s] [mounts=/a,/b consistency=close-to-open]
//	truncated | missing TEXT
//	step NUMBER KIND NAME NODES...
//	fault STEP NAME FROM..TO [cuts=NODE|NODE/DAEMON|NODE-PEER,...] [nodes=NODE,...] [unproven] [problem=...]
//	load STEP NODE done=N [missed=N] [wanted=N] [begun=TIME]
//	event NODE DAEMON WHAT TIME [unexpected] [detail=...]
//	stall NODE KIND PATH INVOKED seen=TIME [file=...]
//	NODE/WORKER FROM..TO KIND PATH [TARGET] [CONTENT] [parents=A,B] [failed=ERRNO|unknown|unknown=ERRNO] [abandoned=TIME] [problem=...] [empty] [synced]
//	  [mode=...] of a stat: file, directory or symlink; [entries=A,B] of a list
//	status NODE TIME state=... [pending=N]
//	observe NODE mount|server TIME [pending=N] [state=...] [error=...] [hung=CALL after=TIME] [problem=...] [file=...]
//	  PATH file CONTENT [problem=...] [mode=...] [links=...] | PATH file empty | PATH directory | PATH symlink TEXT
//	  conflict OPERATION PATH [CONTENT]
//
// A content is any name of up to 16 letters. In a value, _ stands for a space. A run that says nothing of them has one server, two clients
// and a ready event of each daemon.
func parse(t testing.TB, text string) *history.Run {
	t.Helper()
	p := &parser{t: t, run: &history.Run{Meta: history.Meta{
		Clients: []string{"client1", "client2"}, Servers: []string{"server1"},
		Limits: history.Limits{Hang: 10 * time.Second, Converge: 30 * time.Second},
	}}}
	for number, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) > 0 {
			p.line, p.fields, p.options = number+1, nil, map[string]string{}
			for _, field := range fields {
				key, value, isOption := strings.Cut(field, "=")
				if isOption {
					p.options[key] = strings.ReplaceAll(value, "_", " ")
				} else {
					p.fields = append(p.fields, field)
				}
			}
			p.parse(strings.HasPrefix(line, " "))
		}
	}
	p.run.Operations = history.Pack(p.operations)
	if len(p.run.Events) == 0 {
		p.defaultEvents()
	}
	return p.run
}

type parser struct {
	t          testing.TB
	run        *history.Run
	operations []history.Operation
	line       int
	fields     []string
	options    map[string]string
}

const epoch = history.Time(1000 * time.Second)

func (p *parser) defaultEvents() {
	for daemon, nodes := range map[string][]string{"codasrv": p.run.Meta.Servers, "venus": p.run.Meta.Clients} {
		for _, node := range nodes {
			p.run.Events = append(p.run.Events, history.Event{Node: node, Daemon: daemon, What: "ready", Time: epoch, Expected: true})
		}
	}
}

func (p *parser) parse(indented bool) {
	switch {
	case indented:
		p.object()
	case strings.Contains(p.fields[0], "/"):
		p.operation()
	default:
		lines := map[string]func(){
			"run": p.runLine, "truncated": p.truncated, "missing": p.missing, "step": p.step, "fault": p.fault, "load": p.load,
			"event": p.event, "stall": p.stall, "observe": p.observe, "status": p.status,
		}
		require.Contains(p.t, lines, p.fields[0], "line %d", p.line)
		lines[p.fields[0]]()
	}
	for key := range p.options {
		require.Fail(p.t, "unknown option", "line %d: %s", p.line, key)
	}
}

// option takes an option out of the line.
func (p *parser) option(key string) string {
	value := p.options[key]
	delete(p.options, key)
	return value
}

// flag takes a word out of the fields.
func (p *parser) flag(word string) bool {
	for i, field := range p.fields {
		if field == word {
			p.fields = append(p.fields[:i:i], p.fields[i+1:]...)
			return true
		}
	}
	return false
}

func (p *parser) number(text string) uint64 {
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 0, 64)
	require.NoError(p.t, err, "line %d", p.line)
	return n
}

func (p *parser) duration(text string) time.Duration {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.Duration(seconds * float64(time.Second))
	}
	d, err := time.ParseDuration(text)
	require.NoError(p.t, err, "line %d", p.line)
	return d
}

func (p *parser) time(text string) history.Time {
	if text == "-" || text == "" {
		return 0
	}
	return epoch + history.Time(p.duration(text))
}

func (p *parser) span(text string) (from, to history.Time) {
	before, after, ok := strings.Cut(text, "..")
	require.True(p.t, ok, "line %d: %q is not a time from..to", p.line, text)
	return p.time(before), p.time(after)
}

func (p *parser) nonce(name string) history.Nonce {
	var n history.Nonce
	require.LessOrEqual(p.t, len(name), len(n), "line %d", p.line)
	copy(n[:], name)
	return n
}

func (p *parser) runLine() {
	m := &p.run.Meta
	for key, value := range p.options {
		switch key {
		case "clients":
			m.Clients = split(value)
		case "servers":
			m.Servers = split(value)
		case "hang":
			m.Limits.Hang = p.duration(value)
		case "converge":
			m.Limits.Converge = p.duration(value)
		case "p99":
			m.Limits.P99 = p.duration(value)
		case "cached":
			m.Limits.Cached = p.duration(value)
		case "stale":
			m.Limits.Stale = p.duration(value)
		case "stall":
			m.Limits.Stall = p.duration(value)
		case "recover":
			m.Limits.Recover = p.duration(value)
		case "mounts":
			m.Mounts, m.Servers = split(value), nil
		case "consistency":
			require.NoError(p.t, m.Consistency.UnmarshalText([]byte(value)))
		default:
			continue
		}
		delete(p.options, key)
	}
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func (p *parser) truncated() { p.run.Truncated = "the history breaks off" }

func (p *parser) missing() { p.run.Missing = append(p.run.Missing, strings.Join(p.fields[1:], " ")) }

func (p *parser) step() {
	p.run.Plan = append(p.run.Plan, history.Step{
		Number: int(p.number(p.fields[1])), Kind: p.fields[2], Name: p.fields[3], Nodes: p.fields[4:],
	})
}

func (p *parser) fault() {
	f := history.Fault{Problem: p.option("problem")}
	unproven := p.flag("unproven")
	f.Step, f.Name = int(p.number(p.fields[1])), p.fields[2]
	f.Injecting, f.Recovered = p.span(p.fields[3])
	f.Injected, f.Proven, f.Recovering = f.Injecting+1, f.Injecting+2, f.Recovered-1
	if unproven {
		f.Proven = 0
	}
	f.Nodes = split(p.option("nodes"))
	for _, cut := range split(p.option("cuts")) {
		cut, daemon, _ := strings.Cut(cut, "/")
		node, peer, _ := strings.Cut(cut, "-")
		f.Cuts = append(f.Cuts, history.Cut{Node: node, Peer: peer, Daemon: daemon})
	}
	p.run.Faults = append(p.run.Faults, f)
}

func (p *parser) load() {
	p.run.Loads = append(p.run.Loads, history.Load{
		Step: int(p.number(p.fields[1])), Node: p.fields[2],
		Done: p.number(p.option("done")), Missed: p.number(p.option("missed")), Wanted: p.number(p.option("wanted")),
		Begun: p.time(p.option("begun")),
	})
}

func (p *parser) event() {
	e := history.Event{Expected: !p.flag("unexpected"), Detail: strings.ReplaceAll(p.option("detail"), `\n`, "\n")}
	e.Node, e.Daemon, e.What, e.Time = p.fields[1], p.fields[2], p.fields[3], p.time(p.fields[4])
	p.run.Events = append(p.run.Events, e)
}

func (p *parser) stall() {
	s := history.Stall{Node: p.fields[1], Path: p.fields[3], Invoked: p.time(p.fields[4]), Seen: p.time(p.option("seen")), Files: split(p.option("file"))}
	require.NoError(p.t, s.Kind.UnmarshalText([]byte(p.fields[2])), "line %d", p.line)
	p.run.Stalls = append(p.run.Stalls, s)
}

func (p *parser) operation() {
	node, worker, _ := strings.Cut(p.fields[0], "/")
	op := history.Operation{
		Node: node, Worker: uint32(p.number(worker)), Number: uint64(len(p.operations) + 1), Outcome: history.OK,
		Abandoned: p.time(p.option("abandoned")), Problem: p.option("problem"), Length: 1000,
	}
	empty, unknown := p.flag("empty"), p.flag("unknown")
	op.Synced = p.flag("synced")
	op.Invoked, op.Completed = p.span(p.fields[1])
	require.NoError(p.t, op.Kind.UnmarshalText([]byte(p.fields[2])), "line %d", p.line)
	op.Path = p.fields[3]
	rest := p.fields[4:]
	op.Mode = map[string]fs.FileMode{"file": 0o644, "directory": fs.ModeDir | 0o755, "symlink": fs.ModeSymlink | 0o777}[p.option("mode")]
	if op.Kind == history.List {
		op.Entries = split(p.option("entries"))
		op.Length = int64(len(op.Entries))
	}
	if op.Kind == history.ReadLink && len(rest) > 0 {
		op.Target, rest = rest[0], nil
	}
	if op.Kind == history.Rename || op.Kind == history.Link || op.Kind == history.Symlink {
		op.Target, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		op.Content = p.nonce(rest[0])
	}
	for _, parent := range split(p.option("parents")) {
		op.Parents = append(op.Parents, p.nonce(parent))
	}
	if name := p.option("failed"); name != "" {
		op.Outcome, op.Errno = history.Failed, errno(p.t, name)
	}
	if name := p.option("unknown"); name != "" {
		op.Outcome, op.Errno = history.Indeterminate, errno(p.t, name)
	}
	if unknown || op.Completed == 0 {
		op.Outcome = history.Indeterminate
	}
	if empty {
		op.Length, op.Problem = 0, "it is empty"
	}
	p.operations = append(p.operations, op)
}

func errno(t testing.TB, name string) syscall.Errno {
	for n := syscall.Errno(1); n < 140; n++ {
		if unix.ErrnoName(n) == name {
			return n
		}
	}
	require.Fail(t, "unknown errno", name)
	return 0
}

func (p *parser) status() {
	p.run.Statuses = append(p.run.Statuses, history.Status{
		Node: p.fields[1], Time: p.time(p.fields[2]), Asked: p.time(p.fields[2]), State: p.option("state"), Pending: p.number(p.option("pending")),
	})
}

func (p *parser) observe() {
	var hung *history.HungCall
	if call := p.option("hung"); call != "" {
		hung = &history.HungCall{Call: call, After: p.duration(p.option("after"))}
	}
	p.run.Observations = append(p.run.Observations, history.Observation{
		Node: p.fields[1], Source: p.fields[2], Time: p.time(p.fields[3]),
		Pending: p.number(p.option("pending")), State: p.option("state"), Error: p.option("error"), Problems: split(p.option("problem")), Hung: hung, Files: split(p.option("file")),
	})
}

func (p *parser) object() {
	o := &p.run.Observations[len(p.run.Observations)-1]
	if p.fields[0] == "conflict" {
		c := history.Conflict{OverQuota: p.flag("over-quota"), Why: "it was changed"}
		c.Operation, c.Path = p.fields[1], p.fields[2]
		if len(p.fields) > 3 {
			c.Content = p.nonce(p.fields[3])
		}
		o.Conflicts = append(o.Conflicts, c)
		return
	}
	object := history.Object{
		Path: p.fields[0], Kind: p.fields[1], Mode: uint32(p.number(p.option("mode"))), Links: uint32(p.number(p.option("links"))),
		Problem: p.option("problem"),
	}
	switch rest := p.fields[2:]; {
	case object.Kind == "file" && rest[0] == "empty":
		object.Digest, object.Problem = "digest of nothing", "it is empty"
	case object.Kind == "file" && rest[0] == "unread":
		object.Length = 1000
	case object.Kind == "file":
		object.Length, object.Digest = 1000, "digest of "+rest[0]
		if o.Source == history.SourceMount { // servers know digests only
			object.Content = p.nonce(rest[0])
		}
	case object.Kind == "symlink":
		object.Digest = rest[0]
	}
	o.Objects = append(o.Objects, object)
}

// stored reads the histories below testdata.
func stored(t testing.TB, check, kind string) map[string]*history.Run {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", check, kind, "*.txt"))
	require.NoError(t, err)
	runs := map[string]*history.Run{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		runs[strings.TrimSuffix(filepath.Base(file), ".txt")] = parse(t, string(text))
	}
	least := 5
	if kind == "skipped" {
		least = 1
	}
	require.GreaterOrEqual(t, len(runs), least, fmt.Sprintf("%s has too few %s histories", check, kind))
	return runs
}
