package harness

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/history"
)

// recorded are the chunks of some operations of a node.
func recorded(t *testing.T, node string, kinds ...history.Kind) (chunks [][]byte) {
	t.Helper()
	recorder := history.NewRecorder(node, func(chunk []byte) { chunks = append(chunks, chunk) })
	worker := recorder.Worker()
	for _, kind := range kinds {
		worker.Begin(kind, "a", "").End(history.End{Outcome: history.OK})
	}
	worker.Begin(history.Remove, "a", "").End(history.End{Outcome: history.Failed, Errno: syscall.ENOENT})
	recorder.Close()
	return chunks
}

func TestTriggersCountWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := []history.Step{
			{Number: 1, When: &history.Trigger{Operation: history.Remove, Count: 3}},
			{Number: 2, When: &history.Trigger{Operation: history.Remove, Count: 3, Node: "client2"}},
			{Number: 3},
		}
		all := newTriggers(steps)
		pulled := func(number int) bool {
			synctest.Wait()
			select {
			case <-all.all[number].pulled:
				return true
			default:
				return false
			}
		}
		see := func(chunks [][]byte) {
			for _, chunk := range chunks {
				require.NoError(t, all.see(chunk))
			}
		}
		see(recorded(t, "client1", history.Remove, history.Write, history.Remove))
		require.False(t, pulled(1), "two were removed, and a removal failed")
		see(recorded(t, "client2", history.Remove, history.Remove))
		require.True(t, pulled(1))
		require.False(t, pulled(2))
		loaded := make(chan struct{})
		close(loaded)
		require.Empty(t, all.await(t.Context(), steps[0], nil))
		require.Equal(t, "it waited for 3 remove on client2, and the load was over after 2", all.await(t.Context(), steps[1], loaded))
		see(recorded(t, "client2", history.Remove, history.Remove))
		require.Empty(t, all.await(t.Context(), steps[1], loaded), "the last moment counts")
		require.Error(t, all.see([]byte("damaged")))
		require.NoError(t, (*triggers)(nil).see([]byte("of the preparation")))
	})
}

func TestATriggeredFaultMeetsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newOccupation()
		triggered := func(number int, on ...string) history.Step {
			return history.Step{Number: number, Nodes: on, When: &history.Trigger{}}
		}
		planned, overlapping := history.Step{Number: 1, Nodes: []string{"client1"}}, history.Step{Number: 2, Nodes: []string{"client1"}}
		require.True(t, nodes.enter(t.Context(), planned))
		require.True(t, nodes.enter(t.Context(), overlapping), "these are planned to overlap")
		require.True(t, nodes.enter(t.Context(), triggered(3, "client2")))
		came := make(chan int, 2)
		go func() {
			nodes.enter(t.Context(), triggered(4, "client1", "server1"))
			came <- 4
		}()
		nodes.leave(planned)
		synctest.Wait()
		require.Empty(t, came, "one is still there")
		nodes.leave(overlapping)
		require.Equal(t, 4, <-came)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.False(t, nodes.enter(ctx, history.Step{Number: 5, Nodes: []string{"server1"}}), "a triggered one is there")
	})
}
