package report

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/history"
)

// TestSurroundingsOfAFailure looks which events and statuses belong to two operations of two clients, between the tenth second and the twentieth.
func TestSurroundingsOfAFailure(t *testing.T) {
	second := func(n float64) history.Time { return history.Time(n * float64(time.Second)) }
	evidence := history.Evidence{Operations: []history.Operation{
		{Node: "client2", Invoked: second(12), Completed: second(13)},
		{Node: "client1", Invoked: second(10), Completed: second(20)},
		{Node: "client2", Invoked: second(15), Abandoned: second(16)},
	}}
	run := &history.Run{Operations: history.Pack(evidence.Operations)}
	for _, at := range []float64{21, 8.9, 9, 15, 21.1} {
		run.Events = append(run.Events, history.Event{Node: "server1", Daemon: "codasrv", What: "exited", Time: second(at)})
	}
	for _, at := range []float64{5, 14, 15.5, 18, 40} {
		run.Statuses = append(run.Statuses,
			history.Status{Node: "client2", Time: second(at), State: "reachable", Pending: uint64(10 * at)},
			history.Status{Node: "client1", Time: second(at), State: "reachable", Pending: uint64(10*at + 1)},
		)
	}
	f := Result{Run: run}.findings()
	failed := history.Verdict{Result: history.Fail}
	got := f.around(failed, evidence)
	var times []history.Time
	for _, event := range got.events {
		times = append(times, event.Time)
	}
	require.Equal(t, []history.Time{second(9), second(15), second(21)}, times)
	require.Zero(t, got.more)
	require.Equal(t, []history.Status{
		{Node: "client2", Time: second(15.5), State: "reachable", Pending: 155}, // the call was given up at 16
		{Node: "client1", Time: second(18), State: "reachable", Pending: 181},
	}, got.statuses)
	require.Equal(t, surroundings{}, f.around(history.Verdict{Result: history.Pass}, evidence))
	require.Equal(t, surroundings{}, f.around(failed, history.Evidence{}))

	for i := range 60 {
		run.Events = append(run.Events, history.Event{Node: "client1", Daemon: "venus", What: "killed", Expected: true, Time: second(11) + history.Time(i)})
	}
	many := f.around(failed, evidence)
	require.Len(t, many.events, mostEvents)
	lines := f.lines(many, 2)
	require.Equal(t, fmt.Sprintf("at %s codasrv of server1: exited, by itself", moment(f.at(second(9)))), lines[0])
	require.Equal(t, "and 61 events more", lines[2])
	require.Len(t, lines, 2+1+2)
}
