package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/agent"
)

// The bounds of closing. Each part has a time of its own, so that one that hangs takes nothing from the next. They tell what hangs from what is slow on
// a machine with thirty times more to do than it can: what works takes a small part of them anywhere else.
const (
	nodesTime     = 12 * time.Second // for the nodes of the system to clear themselves
	answerTime    = 4 * time.Second  // for an agent to say that it can; a paused one cannot
	logsTime      = 5 * time.Second  // for the driver to bring a node's logs
	proxyTime     = 6 * time.Second
	killTime      = 10 * time.Second // for SIGKILL to take effect
	followingTime = 2 * time.Second  // for what follows the nodes
	siteTime      = 12 * time.Second // for what the driver made
	blindTime     = 2 * time.Second  // the same for a driver that does not know any more how the nodes are doing
	folderTime    = 8 * time.Second  // for the temporary folder
	graceTime     = time.Second      // for who was told that its time is up
)

// close ends all nodes, in order where they can and with SIGKILL where not: with SIGKILL at once where ctx has ended. It returns within a minute
// where everything hangs. What it could not remove in its time is in the error, and the janitor goes on removing.
func (c *placed) close(ctx context.Context) error {
	began := time.Now()
	c.closing.Store(true)
	problems := c.endNodes(ctx, c.SystemNodes(), nodesTime)
	if c.relay != nil {
		problems = append(problems, c.endNodes(ctx, []*Node{c.relay}, proxyTime)...)
	}
	unseen := c.seen()
	for _, problem := range problems {
		if unseen != nil {
			c.log.Info("a node did not end in order", "error", problem) // as was to be expected
			continue
		}
		c.log.Warn("a node did not end in order", "error", problem)
	}
	hard := context.WithoutCancel(ctx)
	killing := unseen // no node can be killed then; they end by themselves
	if unseen == nil {
		killing = c.killNodes(hard)
	}
	err := errors.Join(killing, c.stopFollowing(), c.clear(hard))
	c.log.Debug("closed", "took", time.Since(began), "error", err)
	return err
}

// endNodes lets nodes clear themselves and end. What goes wrong is no error yet: the node will be killed.
func (c *placed) endNodes(ctx context.Context, nodes []*Node, bound time.Duration) []error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Go(func() { errs[i] = node.end(ctx, c.blind) })
	}
	all.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// end makes a node's daemons end, saves their logs, which may be gone with the node, and makes the agent end. It waits for the end of the node unless
// that cannot be known.
func (n *Node) end(ctx context.Context, blind <-chan struct{}) error {
	if n.remote == nil || n.ended() {
		return nil
	}
	if err := n.answers(ctx); err != nil {
		return n.doing(err, "asking %s whether it can end in order")
	}
	saving := n.saveLogs(ctx)
	shutting := n.doing(n.remote.Shutdown(ctx), "shutting %s down")
	if errors.Is(shutting, agent.ErrLost) {
		return errors.Join(saving, shutting)
	}
	select {
	case <-n.instance.Done():
		return errors.Join(saving, shutting)
	case <-blind:
		return errors.Join(saving, shutting)
	case <-ctx.Done():
		return errors.Join(saving, shutting, fmt.Errorf("waiting for the end of %s: %w", n.Name(), ctx.Err()))
	}
}

// answers says whether the agent works: a paused one would take all the time that there is.
func (n *Node) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, err := n.remote.Hello(ctx)
	return err
}

// saveLogs brings the logs of a node whose folders are elsewhere. They are complete once the daemons have ended. Where the driver cannot bring them,
// the agent gives their last parts.
func (n *Node) saveLogs(ctx context.Context) error {
	if !n.instance.Elsewhere() {
		return nil
	}
	daemons := n.Role().Daemons()
	slices.Reverse(daemons)
	for _, daemon := range daemons {
		// That one is not running is no problem, and what is one Shutdown will tell again.
		_, _ = n.remote.TerminateDaemon(ctx, daemon)
	}
	saving, cancel := context.WithTimeout(ctx, logsTime)
	defer cancel()
	if err := n.instance.SaveLogs(saving); err != nil {
		_, giving := n.remote.Evidence(ctx, n.folder)
		return fmt.Errorf("saving the logs of %s: %w", n.Name(), errors.Join(err, giving))
	}
	return nil
}

// killNodes kills what still runs.
func (c *placed) killNodes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	nodes := c.Nodes()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, node := range nodes {
		if node.instance == nil || node.ended() {
			continue
		}
		all.Go(func() {
			if err := within(ctx, node.instance.Kill); err != nil {
				errs[i] = fmt.Errorf("killing %s: %w", node.Name(), err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// stopFollowing lets those who follow the nodes hear the last of them, and ends them.
func (c *placed) stopFollowing() error {
	if !ends(&c.telling, followingTime/2) {
		c.log.Debug("some events of nodes may be missing")
	}
	c.stop()
	if !ends(&c.following, followingTime/2) {
		return errors.New("something that follows the nodes is left behind")
	}
	return nil
}

// ends says whether a group ends within a time.
func ends(group *sync.WaitGroup, bound time.Duration) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	select {
	case <-done:
		return true
	case <-time.After(bound):
		return false
	}
}

// clear removes what is left of the run, and tells the janitor whether something still is.
func (c *placed) clear(ctx context.Context) error {
	var errs []error
	if c.site != nil {
		bound := siteTime
		if c.seen() != nil {
			bound = blindTime
		}
		closing, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		errs = append(errs, within(closing, c.site.Close))
	}
	if c.hold != nil {
		removing, cancel := context.WithTimeout(ctx, folderTime)
		defer cancel()
		errs = append(errs, removeFolder(removing, c.hold.folder), c.hold.release())
	}
	if c.janitor == nil {
		return errors.Join(errs...)
	}
	if err := errors.Join(errs...); err != nil {
		return errors.Join(err, errLeft, c.janitor.leave())
	}
	return c.janitor.dismiss()
}

// errLeft says who removes what Close could not.
var errLeft = errors.New("what is left is removed in the next minute, if that becomes possible; after that `codastress clean` removes it")

// within calls do, and leaves it behind when it does not return with its context.
func within(ctx context.Context, do func(ctx context.Context) error) error {
	result := make(chan error, 1)
	go func() { result <- do(ctx) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-result: // it says what it could not do
		return err
	case <-time.After(graceTime):
		return ctx.Err()
	}
}
