package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// The rhythm of what follows a node.
const (
	beatInterval = 500 * time.Millisecond
	retryPause   = 200 * time.Millisecond
)

// watchSite notices when it cannot be known any more how the nodes are doing.
func (c *placed) watchSite() {
	c.following.Go(func() {
		select {
		case c.unseen = <-c.site.Lost():
			close(c.blind)
			c.lose(c.unseen)
		case <-c.living.Done():
		}
	})
}

// seen says why it cannot be known any more how the nodes are doing, nil while it can.
func (c *placed) seen() error {
	select {
	case <-c.blind:
		return c.unseen
	default:
		return nil
	}
}

// watch notices when a node ends.
func (c *placed) watch(node *Node) {
	c.agentEvent(node, "started", "")
	c.telling.Go(func() {
		select {
		case <-node.instance.Done():
			c.noticeEnd(node)
		case <-c.living.Done():
		}
	})
}

func (c *placed) noticeEnd(node *Node) {
	detail := ""
	if err := node.instance.Err(); err != nil {
		detail = err.Error()
	}
	if c.closing.Load() {
		c.agentEvent(node, "exited", detail)
		return
	}
	c.agentEvent(node, "exited", detail+node.lastWords())
	c.lose(fmt.Errorf("the node %s has ended by itself: %s%s", node.Name(), detail, node.lastWords()))
}

// follow keeps a node alive with heartbeats and collects its events, until it ends or the cluster is closed.
func (c *placed) follow(node *Node) {
	following, stop := context.WithCancel(c.living)
	c.following.Go(func() {
		err := node.remote.Beat(following, beatInterval, patience)
		if err != nil && !c.closing.Load() && !node.ended() {
			c.lose(fmt.Errorf("the node %s does not answer: %w", node.Name(), err))
		}
	})
	c.telling.Go(func() { c.collect(following, node) })
	c.following.Go(func() {
		defer stop()
		select {
		case <-node.instance.Done():
			c.pause() // the last events may be on their way
		case <-c.living.Done():
		}
		// What relays connections to a node that has ended may leave a call waiting.
		_ = node.remote.Close()
	})
}

// collect reads the node's events.
func (c *placed) collect(ctx context.Context, node *Node) {
	last := uint64(0)
	for ctx.Err() == nil {
		err := node.remote.Events(ctx, last, func(number uint64, event history.Event) {
			last, event.Node = number, node.Name()
			c.event(event)
		})
		if err == nil {
			return
		}
		c.log.Debug("the events are interrupted", "node", node.Name(), "error", err)
		c.pause()
	}
}

// pause waits a moment, unless the cluster is closed.
func (c *placed) pause() {
	select {
	case <-time.After(retryPause):
	case <-c.living.Done():
	}
}
