package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// fakeCluster behaves as a cluster does, but for what a test breaks.
type fakeCluster struct {
	nodes map[string]*fakeNode
	links map[string]*fakeLink

	mu   sync.Mutex
	sets []fakeSet // of all links, in order
}

// fakeSet is what a link was told, and when.
type fakeSet struct {
	link string
	cut  bool
	at   time.Time
}

func (c *fakeCluster) noteSet(link *fakeLink, state cluster.LinkState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sets = append(c.sets, fakeSet{link.from + "-" + link.to, state.Up == cluster.FlowHold || state.Down == cluster.FlowHold, time.Now()})
}

// newFakeCluster has servers and clients with everything running and links that have connections.
func newFakeCluster(topology Topology) *fakeCluster {
	c := &fakeCluster{nodes: map[string]*fakeNode{}, links: map[string]*fakeLink{}}
	add := func(name string, role cluster.Role, daemon string) {
		c.nodes[name] = &fakeNode{
			name: name, role: role, cluster: c,
			daemon: cluster.Daemon{Name: daemon, PID: 100, State: cluster.StateRunning, Started: 1, Ready: true},
		}
	}
	for _, name := range topology.Servers {
		add(name, cluster.RoleServer, cluster.Codasrv)
	}
	for _, name := range topology.Clients {
		add(name, cluster.RoleClient, cluster.Venus)
	}
	for _, ends := range links(topology) {
		c.links[ends[0]+"-"+ends[1]] = &fakeLink{from: ends[0], to: ends[1], open: 2, cluster: c}
	}
	return c
}

func (c *fakeCluster) Node(name string) (*fakeNode, error) {
	node, ok := c.nodes[name]
	if !ok {
		return nil, fmt.Errorf("there is no node %s", name)
	}
	return node, nil
}

func (c *fakeCluster) Link(from, to string) (*fakeLink, error) {
	link, ok := c.links[from+"-"+to]
	if !ok {
		return nil, fmt.Errorf("there is no link from %s to %s", from, to)
	}
	return link, nil
}

func (c *fakeCluster) Clients() []*fakeNode {
	var clients []*fakeNode
	for _, node := range c.nodes {
		if node.role == cluster.RoleClient {
			clients = append(clients, node)
		}
	}
	slices.SortFunc(clients, func(a, b *fakeNode) int { return strings.Compare(a.name, b.name) })
	return clients
}

// fakeNode has one daemon. That of a client is its web server, too.
type fakeNode struct {
	name    string
	role    cluster.Role
	cluster *fakeCluster

	disk       cluster.DiskState
	idle       bool // the daemon makes no calls of its disk
	sound      bool // SetDisk does nothing
	synced     bool // there is nothing that a loss of power could take
	alone      bool // it was told to disconnect
	locked     int  // volumes that it was told to lock
	bound      int  // volumes that it was told to bound, or knows to be
	roomy      bool // they have room all the same
	owed       int  // changes that wait for a token
	deafToAll  bool // Order does nothing
	offended   bool // only the first Order does something
	orders     int
	hoards     bool
	sturdy     bool  // FlipBits does nothing
	rotten     bool  // bits cannot be flipped back
	rotError   error // of FlipBits
	bit        cluster.BitState
	limits     cluster.Limits
	modest     bool // it never wants more than it may have
	unlimited  bool // SetLimits does nothing
	miserly    bool // only the first SetLimits does something
	limitings  int
	needs      int64 // bytes of memory, below which it cannot be limited
	clock      cluster.ClockState
	stuckClock bool // SetClock does nothing
	lostClock  bool // only the first SetClock does something
	clockSets  int
	immortal   bool  // Kill does nothing
	haunted    bool  // a killed daemon is started again by something else
	undead     bool  // a killed daemon still answers
	slow       bool  // a started daemon never becomes ready
	restless   bool  // Pause does nothing
	frozen     bool  // Resume does nothing
	fragile    bool  // Resume ends the process
	startError error // of StartDaemon
	reachError error // of Reach, after the bytes were carried
	wipeError  error
	wipes      int

	mu     sync.Mutex
	daemon cluster.Daemon
}

func (n *fakeNode) Name() string       { return n.name }
func (n *fakeNode) Role() cluster.Role { return n.role }

func (n *fakeNode) Daemon(_ context.Context, name string) (cluster.Daemon, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name != n.daemon.Name && (name != cluster.Web || n.role != cluster.RoleClient) {
		return cluster.Daemon{}, fmt.Errorf("%s runs no %s", n.name, name)
	}
	return n.daemon, nil
}

func (n *fakeNode) Kill(context.Context, string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.immortal {
		return nil
	}
	n.daemon.State, n.daemon.Ready = cluster.StateExited, false
	if n.haunted {
		n.live()
	}
	return nil
}

// Terminate is a Kill that a stubborn daemon ignores.
func (n *fakeNode) Terminate(ctx context.Context, daemon string) error { return n.Kill(ctx, daemon) }

// Wipe remembers that there is nothing left.
func (n *fakeNode) Wipe(context.Context, string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.daemon.State != cluster.StateExited {
		return fmt.Errorf("it is %s", n.daemon.State)
	}
	if n.wipeError == nil {
		n.wipes++
	}
	return n.wipeError
}

// LosePower is a Kill that takes one of two things.
func (n *fakeNode) LosePower(ctx context.Context, daemon string) (cluster.DiskLoss, error) {
	if n.synced {
		return cluster.DiskLoss{}, n.Kill(ctx, daemon)
	}
	return cluster.DiskLoss{Unsynced: 2, Lost: 1}, n.Kill(ctx, daemon)
}

// SetDisk remembers the state.
func (n *fakeNode) SetDisk(_ context.Context, state cluster.DiskState) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.sound {
		n.disk = state
	}
	return nil
}

// DiskHarm is what has become of two calls, unless the daemon made none.
func (n *fakeNode) DiskHarm(context.Context) (cluster.DiskHarm, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.idle {
		return cluster.DiskHarm{}, nil
	}
	harm := cluster.DiskHarm{Calls: 2}
	hit := func(count *int) {
		*count, harm.First = 1, "sync log"
	}
	switch {
	case n.disk.Stalled:
		hit(&harm.Stalled)
	case n.disk.Full, n.disk.Failing > 0:
		hit(&harm.Refused)
	case n.disk.Slowest > 0:
		hit(&harm.Delayed)
		harm.Longer = n.disk.Slowest / 2
	}
	return harm, nil
}

// ProbeDisk does what the state says.
func (n *fakeNode) ProbeDisk(ctx context.Context) error {
	n.mu.Lock()
	disk := n.disk
	n.mu.Unlock()
	switch {
	case disk.Stalled:
		<-ctx.Done()
		return ctx.Err()
	case disk.Full:
		return syscall.ENOSPC
	case disk.Failing > 0:
		return syscall.EIO
	}
	time.Sleep(disk.Slowest)
	return nil
}

// Order does as it is told, mostly.
func (n *fakeNode) Order(_ context.Context, order cluster.Order) (said int, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch order {
	case cluster.OrderLocked:
		return n.locked, nil
	case cluster.OrderBound:
		return n.bound, nil
	case cluster.OrderOverQuota:
		if n.roomy {
			return 0, nil
		}
		return n.bound, nil
	case cluster.OrderRefused:
		return 0, nil
	case cluster.OrderWaiting, cluster.OrderOwed:
		return n.owed, nil
	}
	n.orders++
	if n.deafToAll || n.offended && n.orders > 1 && order != cluster.OrderHoard && order != cluster.OrderHoarded {
		return 0, nil
	}
	switch order {
	case cluster.OrderDisconnect, cluster.OrderReconnect:
		n.alone = order == cluster.OrderDisconnect
	case cluster.OrderHoard, cluster.OrderForget:
		n.hoards = order == cluster.OrderHoard
	case cluster.OrderLockVolumes:
		n.locked = 1
	case cluster.OrderUnlockVolumes:
		n.locked = 0
	case cluster.OrderExpire:
		n.owed = 3
	case cluster.OrderLogIn:
		n.owed = 0
	case cluster.OrderUnboundVolumes:
		n.bound = 0
	}
	if _, _, bound := order.Bounds(); bound {
		n.bound = 1
	}
	if n.hoards {
		return 1, nil
	}
	return 0, nil
}

// Status says whether the node is alone.
func (n *fakeNode) Status(context.Context) (history.Status, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.alone {
		return history.Status{State: "unreachable"}, nil
	}
	return history.Status{State: "reachable", Reached: 1}, nil
}

// Cached are the only contents that there are, while somebody runs who knows them.
func (n *fakeNode) Cached(context.Context, string) ([]cluster.Content, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.daemon.State != cluster.StateRunning {
		return nil, errors.New("nobody knows what is cached")
	}
	return []cluster.Content{{Path: "contents"}}, nil
}

// FlipBits flips the only bit that there is.
func (n *fakeNode) FlipBits(_ context.Context, daemon string, among []cluster.Content, _ float64, _ uint64) ([]cluster.Flip, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if venus := daemon == cluster.Venus; venus && (len(among) != 1 || n.daemon.State != cluster.StateExited) || !venus && among != nil {
		return nil, errors.New("these are not the contents that are meant, or they are in use")
	}
	n.bit = cluster.BitFlipped
	if n.sturdy {
		n.bit = cluster.BitRight
	}
	return []cluster.Flip{{Content: cluster.Content{Path: "contents"}, Offset: 7, Was: 1, Is: 3}}, n.rotError
}

// LookAtBits flips it back, if it can.
func (n *fakeNode) LookAtBits(_ context.Context, _ string, _ []cluster.Flip, back bool) (map[cluster.BitState]int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if back && !n.rotten {
		n.bit = cluster.BitRight
	}
	return map[cluster.BitState]int{n.bit: 1}, nil
}

// SetLimits remembers the limits.
func (n *fakeNode) SetLimits(_ context.Context, limits cluster.Limits) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.limitings++
	if limits.Memory > 0 && limits.Memory < n.needs {
		return syscall.EBUSY
	}
	if !n.unlimited && (!n.miserly || n.limitings == 1) {
		n.limits = limits
	}
	if n.fragile {
		n.daemon.State, n.daemon.Ready = cluster.StateExited, false
	}
	return nil
}

// Usage is that of a node that always wants more than it may have, unless it is modest.
func (n *fakeNode) Usage(context.Context) (cluster.Usage, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	usage := cluster.Usage{Limits: n.limits, Memory: 100 << 20}
	if n.limits.CPUs > 0 && !n.modest {
		usage.Throttled = 1
	}
	if n.limits.Memory > 0 && !n.modest {
		usage.Total, usage.Read = n.limits.Memory, 1
	}
	return usage, nil
}

// SetClock remembers the state.
func (n *fakeNode) SetClock(_ context.Context, state cluster.ClockState) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clockSets++
	if !n.stuckClock && (!n.lostClock || n.clockSets == 1) {
		n.clock = state
	}
	return nil
}

// Clock is as wrong as the state says, without drift.
func (n *fakeNode) Clock(context.Context, string) (time.Time, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Now().Add(n.clock.Offset).Round(0), nil
}

// live begins a new life.
func (n *fakeNode) live() {
	n.daemon.PID++
	n.daemon.Started++
	n.daemon.State, n.daemon.Ready = cluster.StateRunning, !n.slow
}

func (n *fakeNode) StartDaemon(context.Context, string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.startError == nil {
		n.live()
	}
	return n.startError
}

func (n *fakeNode) Pause(context.Context, string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.restless {
		n.daemon.State = cluster.StatePaused
	}
	return nil
}

func (n *fakeNode) Resume(context.Context, string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.fragile:
		n.daemon.State, n.daemon.Ready = cluster.StateExited, false
	case !n.frozen:
		n.daemon.State = cluster.StateRunning
	}
	return nil
}

func (n *fakeNode) answers() (state cluster.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.undead {
		return cluster.StateRunning
	}
	return n.daemon.State
}

// Reach sends a greeting through the link and waits for the answer.
func (n *fakeNode) Reach(ctx context.Context, peer string) error {
	link, err := n.cluster.Link(n.name, peer)
	if err != nil {
		return err
	}
	if err := link.carry(ctx, true); err != nil {
		return err
	}
	switch n.cluster.nodes[peer].answers() {
	case cluster.StateExited:
		return syscall.ECONNREFUSED
	case cluster.StatePaused:
		<-ctx.Done()
		return ctx.Err()
	}
	if err := link.carry(ctx, false); err != nil {
		return err
	}
	return n.reachError
}

// fakeLink counts what is carried.
type fakeLink struct {
	from, to string
	cluster  *fakeCluster

	deaf      bool // Set does nothing
	blunt     bool // Set cuts both directions, whatever it is asked
	unhealing bool // only the first Set does something
	bypassed  bool // nothing that is carried goes through the link
	leaky     bool // what is held goes through all the same, and the answer is lost
	tough     bool // Reset ends nothing
	dead      bool // Reset leaves the link cut
	trusted   bool // no connection ends of flipped bits
	setError  error

	mu       sync.Mutex
	state    cluster.LinkState
	sets     int
	resets   int
	counters cluster.LinkCounters
	open     int
}

func (l *fakeLink) From() string { return l.from }
func (l *fakeLink) To() string   { return l.to }

func (l *fakeLink) Set(_ context.Context, state cluster.LinkState) error {
	l.cluster.noteSet(l, state)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sets++
	if l.deaf || l.unhealing && l.sets > 1 {
		return l.setError
	}
	if l.blunt && state != (cluster.LinkState{Up: cluster.FlowPass, Down: cluster.FlowPass}) {
		state = cluster.LinkState{Up: cluster.FlowHold, Down: cluster.FlowHold}
	}
	l.state = state
	return l.setError
}

// Reset ends all connections; the client has made new ones when the counters are read twice.
func (l *fakeLink) Reset(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resets++
	if !l.tough {
		l.open = 0
	}
	if l.dead {
		l.state = cluster.LinkState{Up: cluster.FlowDrop, Down: cluster.FlowDrop}
	}
	return nil
}

func (l *fakeLink) Counters(context.Context) (cluster.LinkCounters, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counters := l.counters
	counters.Connections = l.open
	if !l.tough {
		l.open = 2
	}
	return counters, nil
}

func (l *fakeLink) carry(ctx context.Context, up bool) error {
	if l.bypassed {
		return nil
	}
	l.mu.Lock()
	flow, counter := l.state.Down, &l.counters.BytesDown
	if up {
		flow, counter = l.state.Up, &l.counters.BytesUp
	}
	shape := l.state.Shape
	held := flow == cluster.FlowHold || flow == cluster.FlowDrop
	if !held || l.leaky {
		*counter += 100
		l.harm(shape)
	}
	l.mu.Unlock()
	if held {
		<-ctx.Done()
		return ctx.Err()
	}
	if shape.Bandwidth > 0 {
		time.Sleep(100 * time.Second / time.Duration(shape.Bandwidth))
	}
	time.Sleep(shape.Latency)
	if shape.Flip > 0 && !l.trusted {
		return syscall.EBADMSG
	}
	return nil
}

// harm counts what a shape does to what is carried. l.mu is held.
func (l *fakeLink) harm(shape cluster.LinkShape) {
	if shape.Piece > 0 {
		l.counters.Slices++
	}
	if shape.Linger > 0 {
		l.counters.Late++
	}
	if shape.Flip > 0 {
		l.counters.Flipped++
		l.counters.Spoiled++
	}
	if shape.Flip > 0 && l.trusted {
		l.counters.Trusted++
	}
}

// prepareOn makes the injection of a fault at its first target.
func prepareOn(t *testing.T, c *fakeCluster, fault Fault, nodes ...string) *Injection {
	t.Helper()
	step := stepOf(fault, nodes)
	injection, err := fault.Prepare(On(c), step)
	if err != nil {
		t.Fatal(err)
	}
	return injection
}
