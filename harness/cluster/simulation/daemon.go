package simulation

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// A daemon is one that a node may run. Its fields are guarded by the node's mutex.
type daemon struct {
	name    string
	state   cluster.State
	life    int // counts the processes so far; it is the process's number as well
	started history.Time
	process Process
	stack   *Stack
	dead    chan struct{}
	aim     *aim // a fault that waits for its moment

	halts    []*halt // that wait for the daemon at its moments
	standing int     // goroutines that were met there, and have not gone on
}

func (n *node) find(name string) (*daemon, error) {
	for _, d := range n.daemons {
		if d.name == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("no daemon %q runs on a %s", name, n.machine.Role)
}

// Daemon implements cluster.Agent.
func (n *node) Daemon(_ context.Context, name string) (cluster.Daemon, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d, err := n.find(name)
	if err != nil {
		return cluster.Daemon{}, err
	}
	now := cluster.Daemon{Name: d.name, State: d.state, Started: d.started, Ready: d.process != nil}
	if d.state != cluster.StateExited {
		now.PID = d.life
	}
	return now, nil
}

// StartDaemon implements cluster.Agent.
func (n *node) StartDaemon(ctx context.Context, name string) error {
	d, life, err := n.begin(name)
	if err != nil {
		return err
	}
	n.told(d, "started", true, "")
	process, err := n.software.Start(ctx, name, life)
	n.mu.Lock()
	current := d.life == life.Number && d.state == cluster.StateStarting
	if err == nil && current {
		d.process, d.state = process, cluster.StateRunning
	}
	n.mu.Unlock()
	switch {
	case err != nil:
		n.endLife(d, life.Number, "exited", false, err.Error())
		return fmt.Errorf("life %d of %s: %w", life.Number, name, err)
	case !current:
		n.bury(process)
		return fmt.Errorf("life %d of %s ended while it was starting", life.Number, name)
	}
	n.told(d, "ready", true, "")
	return nil
}

// begin begins another life of a daemon that has exited.
func (n *node) begin(name string) (*daemon, Life, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d, err := n.find(name)
	if err != nil {
		return nil, Life{}, err
	}
	if d.state != cluster.StateExited {
		return nil, Life{}, fmt.Errorf("%s is %s", name, d.state)
	}
	d.life++
	d.state, d.process, d.started = cluster.StateStarting, nil, history.Now()
	number := d.life
	d.dead = make(chan struct{})
	d.stack = n.machine.Stack.network.Stack(n.machine.Name)
	at := func(moment Moment) { n.at(d, number, moment) }
	d.stack.watch(at)
	if keeps(name) {
		n.disk.Watch(at)
	}
	return d, Life{
		Number: number, Boot: n.boot, Stack: d.stack, Disk: n.disk, Dead: d.dead, Clock: n.clock.now,
		Log:     n.machine.Log.With(slog.String("daemon", name), slog.Int("life", number)),
		At:      at,
		Running: d.stack.whileFrozen,
		Die:     func(why error) { n.endLife(d, number, "exited", false, why.Error()) },
	}, nil
}

// KillDaemon implements cluster.Agent. It strikes at a moment that is worth it, soon.
func (n *node) KillDaemon(ctx context.Context, name string) error {
	return n.strike(ctx, name, Disk.Crash, blow{})
}

// LosePower implements cluster.Mains: it takes the power from the machine while a daemon runs, and gives it back. It waits for a moment when something is
// not synced, so that it is another harm than a killing.
func (n *node) LosePower(ctx context.Context, name string) (cluster.DiskLoss, error) {
	var loss cluster.DiskLoss
	err := n.strike(ctx, name, func(disk Disk) (left Disk) {
		n.boot++
		left, loss = disk.LosePower(n.machine.Random)
		return left
	}, blow{worth: func() bool { return n.disk.Unsynced() }})
	return loss, err
}

// TerminateDaemon implements cluster.Agent.
func (n *node) TerminateDaemon(ctx context.Context, name string) error {
	n.mu.Lock()
	d, err := n.find(name)
	if err == nil && d.process == nil {
		err = fmt.Errorf("%s is %s", name, d.state)
	}
	n.mu.Unlock()
	if err != nil {
		return err
	}
	return n.end(ctx, d)
}

// WipeDaemon implements cluster.Agent: the node gets another disk.
func (n *node) WipeDaemon(_ context.Context, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	d, err := n.find(name)
	switch {
	case err != nil:
		return err
	case d.state != cluster.StateExited:
		return fmt.Errorf("%s is %s", name, d.state)
	case !keeps(name):
		return fmt.Errorf("%s keeps nothing", name)
	}
	n.disk = n.world.disk(n.machine.Random)
	n.disk.SetClock(n.clock.now)
	return nil
}

// strike ends the present life of a daemon by a blow, and leaves the disk as left says, which is called with the node's mutex held.
func (n *node) strike(ctx context.Context, name string, left func(Disk) Disk, b blow) error {
	n.mu.Lock()
	d, err := n.find(name)
	if err == nil && d.state == cluster.StateExited {
		err = fmt.Errorf("%s has exited already", name)
	}
	life := 0
	if err == nil {
		life = d.life
	}
	n.mu.Unlock()
	if err != nil {
		return err
	}
	struck := false
	b.strike = func() { struck = n.endLifeLeaving(d, life, "killed", true, "", left) }
	n.whenWorthIt(ctx, d, b)
	if !struck {
		return fmt.Errorf("%s ended by itself before it was struck", name)
	}
	return nil
}

// endLife ends a life as a crash of the process does.
func (n *node) endLife(d *daemon, life int, what string, expected bool, detail string) {
	n.endLifeLeaving(d, life, what, expected, detail, Disk.Crash)
}

// endLifeLeaving takes from a process first whoever waits for it, then the network, then the disk: nothing may be acknowledged that is not on the
// disk that is left. It says whether the life was not over already.
func (n *node) endLifeLeaving(d *daemon, life int, what string, expected bool, detail string, left func(Disk) Disk) bool {
	n.mu.Lock()
	if d.life != life || d.state == cluster.StateExited {
		n.mu.Unlock()
		return false
	}
	process := d.process
	d.state, d.process = cluster.StateExited, nil
	close(d.dead)
	d.stack.Kill()
	if keeps(d.name) {
		old := n.disk
		old.Watch(nil)
		n.disk = left(old)
		old.Thaw()
	}
	n.mu.Unlock()
	n.told(d, what, expected, detail)
	if process != nil {
		n.bury(process)
	}
	return true
}

// keeps says whether a daemon is the one that uses its node's disk.
func keeps(daemon string) bool { return daemon != cluster.Web }

// bury ends what is left of a process whose life is over.
func (n *node) bury(process Process) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	n.world.zombies.Go(func() {
		if err := process.Close(ended); err != nil {
			n.machine.Log.Debug("a zombie ended", "error", err)
		}
	})
}

// PauseDaemon implements cluster.Agent.
func (n *node) PauseDaemon(_ context.Context, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	d, err := n.find(name)
	if err != nil {
		return err
	}
	if d.state != cluster.StateRunning {
		return fmt.Errorf("%s is %s", name, d.state)
	}
	d.state = cluster.StatePaused
	d.stack.Freeze()
	if keeps(name) {
		n.disk.Freeze()
	}
	n.told(d, "paused", true, "")
	return nil
}

// ResumeDaemon implements cluster.Agent.
func (n *node) ResumeDaemon(_ context.Context, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	d, err := n.find(name)
	if err != nil {
		return err
	}
	if d.state != cluster.StatePaused {
		return fmt.Errorf("%s is %s", name, d.state)
	}
	d.state = cluster.StateRunning
	if keeps(name) {
		n.disk.Thaw()
	}
	d.stack.Thaw()
	n.told(d, "resumed", true, "")
	return nil
}

// end ends a daemon in order, if it runs.
func (n *node) end(ctx context.Context, d *daemon) error {
	n.mu.Lock()
	process, life := d.process, d.life
	paused := d.state == cluster.StatePaused
	n.mu.Unlock()
	if process == nil {
		return nil
	}
	if paused {
		n.endLife(d, life, "killed", true, "it was paused")
		return nil
	}
	err := process.Close(ctx)
	detail := ""
	if err != nil {
		detail = err.Error()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if d.life == life && d.state != cluster.StateExited {
		d.state, d.process = cluster.StateExited, nil
		close(d.dead)
		d.stack.Kill()
		n.told(d, "exited", true, detail)
	}
	return err
}

func (n *node) told(d *daemon, what string, expected bool, detail string) {
	n.machine.Log.Info("daemon "+what, "daemon", d.name, "life", d.life, "detail", detail)
	n.world.tell(history.Event{
		Node: n.machine.Name, Daemon: d.name, What: what, Time: history.Now(), Expected: expected, Detail: detail,
	})
}
