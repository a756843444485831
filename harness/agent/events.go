package agent

import (
	"encoding/json"
	"sync"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/history"
)

// events keeps everything that happened on the node, so that who lost its connection misses nothing.
type events struct {
	node string

	mu   sync.Mutex
	all  []*agentpb.Event
	more chan struct{} // closed and replaced when there is another
}

func newEvents(node string) *events { return &events{node: node, more: make(chan struct{})} }

func (e *events) add(event history.Event) {
	event.Node = e.node
	text, err := json.Marshal(event)
	if err != nil {
		panic(err) // an Event has nothing but strings and numbers
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, &agentpb.Event{Number: uint64(len(e.all)) + 1, Event: text})
	close(e.more)
	e.more = make(chan struct{})
}

// after returns the events after a number, and a channel that is closed when there are more.
func (e *events) after(number uint64) ([]*agentpb.Event, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if number >= uint64(len(e.all)) {
		return nil, e.more
	}
	return e.all[number:len(e.all):len(e.all)], e.more
}
