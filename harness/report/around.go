package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/history"
)

const (
	// aroundTime is how long before the first operation of an evidence, and after its last, what happened to nodes belongs to it.
	aroundTime = history.Time(time.Second)
	// mostEvents bounds what is told of them.
	mostEvents = 50
)

// surroundings are what happened to nodes around some operations, and how the clients did that carried them out.
type surroundings struct {
	events   []history.Event  // by time
	more     int              // that are not told of
	statuses []history.Status // of each client, in the order of the operations, the one that is nearest to its last
}

// around looks for what surrounds an evidence of a check that failed. Evidence without operations has no surroundings.
func (f *findings) around(verdict history.Verdict, evidence history.Evidence) surroundings {
	var s surroundings
	if verdict.Result != history.Fail || len(evidence.Operations) == 0 {
		return s
	}
	first, last := evidence.Operations[0].Invoked, history.Time(0)
	lastOf := map[string]history.Time{}
	var nodes []string
	for _, op := range evidence.Operations {
		end := max(op.Invoked, op.Completed, op.Abandoned)
		first, last = min(first, op.Invoked), max(last, end)
		if _, known := lastOf[op.Node]; !known {
			nodes = append(nodes, op.Node)
		}
		lastOf[op.Node] = max(lastOf[op.Node], end)
	}
	for _, event := range f.Run.Events {
		if event.Time >= first-aroundTime && event.Time <= last+aroundTime {
			s.events = append(s.events, event)
		}
	}
	slices.SortStableFunc(s.events, func(a, b history.Event) int { return int(a.Time - b.Time) })
	s.more = max(0, len(s.events)-mostEvents)
	s.events = s.events[:len(s.events)-s.more]
	for _, node := range nodes {
		if status := f.nearestStatus(node, lastOf[node]); status != nil {
			s.statuses = append(s.statuses, *status)
		}
	}
	return s
}

// nearestStatus is what a client said of itself nearest to a time, nil where it never said anything.
func (f *findings) nearestStatus(node string, to history.Time) *history.Status {
	var nearest *history.Status
	for i := range f.Run.Statuses {
		s := &f.Run.Statuses[i]
		if s.Node == node && (nearest == nil || distance(s.Time, to) < distance(nearest.Time, to)) {
			nearest = s
		}
	}
	return nearest
}

func distance(a, b history.Time) history.Time { return max(a-b, b-a) }

// lines are the surroundings for a person, with at most so many events.
func (f *findings) lines(s surroundings, most int) []string {
	var lines []string
	for i, event := range s.events {
		if i == most {
			break
		}
		lines = append(lines, f.event(event))
	}
	if left := max(0, len(s.events)-most) + s.more; left > 0 {
		lines = append(lines, fmt.Sprintf("and %s more", quantity(left, "event")))
	}
	for _, status := range s.statuses {
		lines = append(lines, f.status(status))
	}
	return lines
}

// event says what happened to a daemon.
func (f *findings) event(event history.Event) string {
	text := fmt.Sprintf("at %s %s of %s: %s", moment(f.at(event.Time)), event.Daemon, event.Node, event.What)
	if !event.Expected && event.What != "started" && event.What != "ready" {
		text += ", by itself"
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(event.Detail), "\n"); first != "" {
		text += ", " + first
	}
	return text
}

// status says how a client was doing.
func (f *findings) status(s history.Status) string {
	return fmt.Sprintf("at %s %s said: volume %s, %s in its modify log", moment(f.at(s.Time)), s.Node, s.State, quantity(s.Pending, "record"))
}
