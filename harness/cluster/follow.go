package cluster

import (
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// The rhythm of what follows a node.
const (
	beatInterval = 500 * time.Millisecond
	retryPause   = 200 * time.Millisecond
)

// watch notices when a node ends.
func (c *Cluster) watch(node *Node) {
	c.agentEvent(node, "started", "")
	c.following.Go(func() {
		select {
		case <-node.instance.Done():
			c.noticeEnd(node)
		case <-c.living.Done():
		}
	})
}

func (c *Cluster) noticeEnd(node *Node) {
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

// follow keeps a node alive with heartbeats and collects its events.
func (c *Cluster) follow(node *Node) {
	c.following.Go(func() {
		err := node.agent.Beat(c.living, beatInterval, patience)
		if err != nil && !c.closing.Load() && !node.ended() {
			c.lose(fmt.Errorf("the node %s does not answer: %w", node.Name(), err))
		}
	})
	c.following.Go(func() {
		c.collect(node)
		// What relays connections to a node that has ended may leave a call waiting.
		_ = node.agent.Close()
	})
}

// collect reads the node's events until the node has ended or the cluster is closed.
func (c *Cluster) collect(node *Node) {
	last := uint64(0)
	for {
		err := node.agent.Events(c.living, last, func(number uint64, event history.Event) {
			last, event.Node = number, node.Name()
			c.event(event)
		})
		if err == nil {
			return
		}
		c.log.Debug("the events are interrupted", "node", node.Name(), "error", err)
		select {
		case <-time.After(retryPause):
		case <-node.instance.Done():
			return
		case <-c.living.Done():
			return
		}
	}
}
