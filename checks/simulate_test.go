package checks_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A world is a small file system with disconnected operation, in which everything happens at random moments: clients work on their own
// view and log what they change, logs are reintegrated, views are refreshed, links are cut, daemons die. It keeps every promise, unless a defect
// is planted.
type world struct {
	random  *rand.Rand
	defect  defect
	now     history.Time
	server  map[string]version
	before  map[string]version // the server before its last reintegration
	older   map[string][]version
	clients []*simClient
	number  uint64
	run     *history.Run
	ops     []history.Operation
}

// A defect breaks one promise.
type defect int

const (
	sound defect = iota
	logTailDropped
	removeNotSent
	breakLost
	acknowledgedBeforeCommit
	appliedTwice
	tornRead
	viewGoesBack
	hangs
	crashes
)

// A version of a name. Numbers rise for a name, through removals too.
type version struct {
	number  int
	content history.Nonce // zero while there is nothing
}

// A change is a record of a modify log.
type change struct {
	op   *simOp
	path string // of a rename the change is two, of which the second has the other's index
	from string // of a rename
	base version
	// fromBase is what a rename moved.
	fromBase version
	after    version
	acked    bool
}

type simClient struct {
	name      string
	view      map[string]version
	log       []*change
	conflicts []history.Conflict
	linked    bool
	up        bool
	stale     string // a name of which breaks are lost
	workers   []*simOp
	fault     *history.Fault // cut or down
	known     map[string]history.Nonce
}

// simOp is an operation on its way.
type simOp struct {
	op      history.Operation
	applied bool
}

func simulate(seed uint64, defect defect, actions int) *history.Run {
	w := &world{
		random: rand.New(rand.NewPCG(seed, uint64(defect))), defect: defect, now: epoch, server: map[string]version{}, before: map[string]version{},
		older: map[string][]version{},
		run: &history.Run{Meta: history.Meta{
			Servers: []string{"server1"}, Limits: history.Limits{Hang: time.Second, Converge: time.Second},
		}},
	}
	for i := range 3 {
		c := &simClient{
			name: fmt.Sprintf("client%d", i+1), view: map[string]version{}, linked: true, up: true, workers: make([]*simOp, 3),
			known: map[string]history.Nonce{},
		}
		w.clients = append(w.clients, c)
		w.run.Meta.Clients = append(w.run.Meta.Clients, c.name)
		w.event(c.name, "venus", "ready", true)
	}
	w.event("server1", "codasrv", "ready", true)
	for range actions {
		w.now += history.Time(1 + w.random.IntN(int(time.Millisecond)))
		w.act(w.clients[w.random.IntN(len(w.clients))])
	}
	w.finish()
	return w.run
}

func (w *world) event(node, daemon, what string, expected bool) {
	w.run.Events = append(w.run.Events, history.Event{Node: node, Daemon: daemon, What: what, Time: w.now, Expected: expected})
}

func (w *world) act(c *simClient) {
	worker := w.random.IntN(len(c.workers))
	switch w.random.IntN(100) {
	case 0:
		w.cut(c)
	case 1:
		w.kill(c)
	case 2, 3, 4:
		w.heal(c)
	case 5:
		w.killServer()
	case 6, 7, 8, 9, 10, 11, 12:
		w.reintegrate(c)
	case 13, 14, 15, 16, 17, 18, 19, 20:
		w.refresh(c, w.path())
	default:
		switch op := c.workers[worker]; {
		case op == nil:
			w.begin(c, worker)
		case !op.applied && w.random.IntN(2) == 0:
			w.apply(c, op)
		case op.applied:
			w.end(c, worker)
		}
	}
}

// shared is a name that every client changes, and own one that only one does.
func (w *world) shared() string { return fmt.Sprintf("d/f%d", w.random.IntN(12)) }

func (w *world) own(c *simClient) string { return fmt.Sprintf("%s/f%d", c.name, w.random.IntN(6)) }

func (w *world) path() string {
	if w.random.IntN(2) == 0 {
		return w.shared()
	}
	return w.own(w.clients[w.random.IntN(len(w.clients))])
}

func (w *world) begin(c *simClient, worker int) {
	w.number++
	op := &simOp{op: history.Operation{
		Node: c.name, Worker: uint32(worker + 1), Number: w.number, Path: w.path(), Invoked: w.now,
		Kind: []history.Kind{history.Read, history.Page, history.Write, history.Write, history.Remove, history.Rename}[w.random.IntN(6)],
	}}
	if op.op.Kind.Mutates() && w.random.IntN(2) == 0 {
		op.op.Path = w.own(c)
	} else if op.op.Kind.Mutates() {
		op.op.Path = w.shared()
	}
	switch op.op.Kind {
	case history.Write:
		binary.LittleEndian.PutUint64(op.op.Content[:], w.number)
		op.op.Content[15] = 1
		op.op.Length = 1000
		key := fmt.Sprint(worker, op.op.Path)
		if parent := c.known[key]; !parent.IsZero() {
			op.op.Parents = []history.Nonce{parent}
		}
	case history.Rename:
		op.op.Path, op.op.Target = w.shared(), w.shared()
	}
	c.workers[worker] = op
}

// apply lets an operation take effect in its client's view.
func (w *world) apply(c *simClient, s *simOp) {
	s.applied = true
	op := &s.op
	op.Outcome = history.OK
	if !c.up {
		op.Outcome, op.Errno = history.Failed, syscall.ENOTCONN
		return
	}
	if c.linked && w.random.IntN(2) == 0 {
		w.refresh(c, op.Path)
	}
	there := c.view[op.Path]
	if there.content.IsZero() && op.Kind != history.Write || op.Kind == history.Rename && op.Target == op.Path {
		op.Outcome, op.Errno = history.Failed, syscall.ENOENT
		return
	}
	switch op.Kind {
	case history.Read, history.Page:
		op.Content, op.Length = there.content, 1000
		if w.defect == tornRead && w.random.IntN(50) == 0 {
			op.Problem = "it is torn"
		}
	case history.Write:
		w.change(c, &change{op: s, path: op.Path, base: there, after: version{there.number + 1, op.Content}})
	case history.Remove:
		w.change(c, &change{op: s, path: op.Path, base: there, after: version{number: there.number + 1}})
	case history.Rename:
		to := c.view[op.Target]
		w.change(c, &change{
			op: s, path: op.Target, from: op.Path, base: to, fromBase: there, after: version{to.number + 1, there.content},
		})
	}
}

func (w *world) change(c *simClient, r *change) {
	c.log = append(c.log, r)
	c.view[r.path] = r.after
	if r.from != "" {
		c.view[r.from] = version{number: r.fromBase.number + 1}
	}
}

// end returns an operation to its caller.
func (w *world) end(c *simClient, worker int) {
	s := c.workers[worker]
	c.workers[worker] = nil
	s.op.Completed = w.now
	key := fmt.Sprint(worker, s.op.Path)
	switch {
	case s.op.Outcome == history.OK && !s.op.Content.IsZero():
		c.known[key] = s.op.Content
	case s.op.Kind == history.Remove || s.op.Kind == history.Rename:
		delete(c.known, key)
	}
	for _, r := range c.log {
		if r.op == s {
			r.acked = true
		}
	}
	if w.defect == hangs && w.random.IntN(200) == 0 {
		s.op.Completed += history.Time(2 * time.Second)
	}
	w.ops = append(w.ops, s.op)
}

// pending says whether a client's log has a change of a name.
func (c *simClient) pending(path string) bool {
	return slices.ContainsFunc(c.log, func(r *change) bool { return r.path == path || r.from == path })
}

// refresh brings the server's version of a name to a client.
func (w *world) refresh(c *simClient, path string) {
	if !c.linked || !c.up || c.pending(path) || c.stale == path {
		return
	}
	c.view[path] = w.server[path]
	if old := w.older[path]; len(old) > 0 && w.defect == viewGoesBack && w.random.IntN(5) == 0 {
		c.view[path] = old[w.random.IntN(len(old))]
	}
}

// reintegrate sends a client's log to the server.
func (w *world) reintegrate(c *simClient) {
	if !c.linked || !c.up || len(c.log) == 0 {
		return
	}
	w.before = maps.Clone(w.server)
	log := c.log
	c.log = nil
	if w.defect == appliedTwice && w.random.IntN(3) == 0 {
		log = append(slices.Clone(log), log...)
	}
	refused := map[string]bool{}
	for _, r := range log {
		w.certify(c, r, refused)
	}
	for path := range refused {
		c.view[path] = w.server[path]
	}
}

// certify applies a change on the server, or refuses it.
func (w *world) certify(c *simClient, r *change, refused map[string]bool) {
	if w.defect == removeNotSent && r.after.content.IsZero() && w.random.IntN(4) == 0 {
		return
	}
	fits := w.server[r.path] == r.base && (r.from == "" || w.server[r.from] == r.fromBase)
	if !fits || refused[r.path] || refused[r.from] {
		refused[r.path] = true
		conflict := history.Conflict{Path: r.path, Operation: r.op.op.Kind.String(), Why: "it was changed"}
		if r.op.op.Kind == history.Write {
			conflict.Content = r.op.op.Content
		}
		if r.from != "" {
			refused[r.from] = true
		}
		c.conflicts = append(c.conflicts, conflict)
		return
	}
	w.older[r.path] = append(w.older[r.path], w.server[r.path])
	w.server[r.path] = r.after
	if r.from != "" {
		w.server[r.from] = version{number: r.fromBase.number + 1}
	}
}

func (w *world) begun(c *simClient, name string, cut history.Cut) {
	c.fault = &history.Fault{Step: len(w.run.Faults) + 1, Name: name, Injecting: w.now, Injected: w.now, Proven: w.now, Cuts: []history.Cut{cut}}
}

func (w *world) cut(c *simClient) {
	if c.fault == nil {
		c.linked = false
		w.begun(c, "partition", history.Cut{Node: c.name, Peer: "server1"})
	}
}

// kill ends a client's daemon: what was not acknowledged may be lost, the last of it first.
func (w *world) kill(c *simClient) {
	if c.fault != nil {
		return
	}
	w.begun(c, "kill-venus", history.Cut{Node: c.name})
	w.event(c.name, "venus", "killed", w.defect != crashes)
	c.up = false
	for worker, s := range c.workers {
		if s == nil {
			continue
		}
		s.op.Outcome, s.op.Errno = history.Indeterminate, syscall.EIO
		if !s.op.Kind.Mutates() {
			s.op.Outcome = history.Failed
			s.op.Content, s.op.Length, s.op.Problem = history.Nonce{}, 0, ""
		}
		s.applied = true
		c.workers[worker] = nil
		s.op.Completed = w.now
		w.ops = append(w.ops, s.op)
	}
	safe := 0
	for i, r := range c.log {
		if r.acked {
			safe = i + 1
		}
	}
	if w.defect == logTailDropped {
		safe = 0
	}
	c.log = c.log[:safe+w.random.IntN(len(c.log)-safe+1)]
}

func (w *world) heal(c *simClient) {
	if c.fault == nil {
		return
	}
	c.fault.Recovering, c.fault.Recovered = w.now, w.now+1
	w.run.Faults = append(w.run.Faults, *c.fault)
	c.fault = nil
	c.linked = true
	if c.up {
		return
	}
	c.up = true
	w.event(c.name, "venus", "ready", true)
	// Its view is made of what it had fetched and of its log.
	c.view = maps.Clone(w.server)
	log := c.log
	c.log = nil
	for _, r := range log {
		w.change(c, r)
	}
}

func (w *world) killServer() {
	if w.defect == acknowledgedBeforeCommit {
		w.server = maps.Clone(w.before)
	}
	w.run.Faults = append(w.run.Faults, history.Fault{
		Step: len(w.run.Faults) + 1, Name: "kill-codasrv", Injecting: w.now - history.Time(time.Second), Injected: w.now, Proven: w.now, Recovering: w.now,
		Recovered: w.now, Cuts: []history.Cut{{Node: "server1"}},
	})
	w.event("server1", "codasrv", "killed", true)
	w.event("server1", "codasrv", "ready", true)
}

// finish heals everything and observes it.
func (w *world) finish() {
	for _, c := range w.clients {
		w.now++
		w.heal(c)
		for worker, s := range c.workers {
			if s == nil {
				continue
			}
			if !s.applied {
				w.apply(c, s)
			}
			w.now++
			w.end(c, worker)
		}
	}
	for _, c := range w.clients {
		w.reintegrate(c)
	}
	w.run.Loads = []history.Load{{Step: 1, Node: "client1", Done: 1, Wanted: 1}}
	w.run.Operations = history.Pack(w.ops)
	server := history.Observation{Node: "server1", Source: history.SourceServer, Time: w.now + 10, Objects: objects(w.server, false)}
	w.run.Observations = append(w.run.Observations, server)
	for i, c := range w.clients {
		if w.defect == breakLost && i == 1 {
			c.stale = w.path()
		}
		for path := range w.server {
			w.refresh(c, path)
		}
		for path := range c.view {
			w.refresh(c, path)
		}
		w.run.Statuses = append(w.run.Statuses, history.Status{Node: c.name, Time: w.now, State: "reachable"})
		w.run.Observations = append(w.run.Observations, history.Observation{
			Node: c.name, Source: history.SourceMount, Time: w.now + 10, State: "reachable", Objects: objects(c.view, true), Conflicts: c.conflicts,
		})
	}
}

func objects(tree map[string]version, contents bool) []history.Object {
	var all []history.Object
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		if at := tree[path]; !at.content.IsZero() {
			object := history.Object{Path: path, Kind: "file", Length: 1000, Links: 1, Digest: "digest of " + at.content.String()}
			if contents {
				object.Content = at.content
			}
			all = append(all, object)
		}
	}
	return all
}
