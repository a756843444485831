package vice_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// replicatedWriter is a client that writes files of its own to whichever replicas answer.
type replicatedWriter struct {
	clients []*vicetest.Client
	random  *rand.Rand
	known   map[string]int // files whose batch at least one replica has answered, by name, with the length of their contents
}

// write makes files until ctx ends. A batch goes to all replicas at once, and sometimes its COP2 is lost, as by a client that is killed.
func (w *replicatedWriter) write(ctx context.Context, t *testing.T) {
	for n := 0; ctx.Err() == nil; n++ {
		log := w.clients[0].Log()
		contents := map[string]int{}
		for i := range 1 + w.random.IntN(5) {
			name := fmt.Sprintf("%v-%d-%d", w.clients[0].ID, n, i)
			contents[name] = w.random.IntN(1500)
			f, v := log.Create(w.clients[0].Root, name)
			log.Store(f, v, data(byte(i), contents[name]))
		}
		applied := w.send(ctx, log)
		if len(applied) == 0 {
			continue
		}
		for name, length := range contents {
			w.known[name] = length
		}
		if w.random.IntN(4) > 0 {
			w.tell(ctx, t, log, applied)
		}
	}
}

func (w *replicatedWriter) send(ctx context.Context, log *vicetest.Log) (applied []int) {
	var mu sync.Mutex
	var wait sync.WaitGroup
	for slot, c := range w.clients {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if answer, err := log.At(c).SendContext(ctx); err == nil && len(answer.Refusals) == 0 {
				mu.Lock()
				defer mu.Unlock()
				applied = append(applied, slot)
			}
		})
	}
	wait.Wait()
	return applied
}

// tell sends the COP2, which may not arrive.
func (w *replicatedWriter) tell(ctx context.Context, t *testing.T, log *vicetest.Log, applied []int) {
	update := &vicepb.UpdateSet{Volume: w.clients[0].Volume, First: log.Records[0].Number, Last: log.Records[len(log.Records)-1].Number}
	for _, slot := range applied {
		update.Slots |= 1 << slot
	}
	for _, slot := range applied {
		c := w.clients[slot]
		request := &vicepb.COP2Request{Client: wire.ClientIDToProto(c.ID), Updates: []*vicepb.UpdateSet{update}}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		if _, err := c.Vice.COP2(ctx, request); err != nil && coda.KindOf(err) == coda.Invalid {
			t.Error(err)
		}
		cancel()
	}
}

// Servers are killed, lose their power and are cut off from each other at any moment, while clients write and servers settle. Afterwards they
// settle by themselves; they are equal, and nothing that was acknowledged is lost.
func TestServersSettleAfterCrashes(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			servers := vicetest.StartReplicas(t, 3, smallLimits, func(c *vice.Config) { c.Timing.COP2 = 100 * time.Millisecond })
			var writers []*replicatedWriter
			for id := range uint64(2) {
				writers = append(writers, &replicatedWriter{
					clients: clientsOf(servers, id+1), random: rand.New(rand.NewPCG(seed, id+2)), known: map[string]int{},
				})
				writers[id].clients[0].NewFid(coda.File) // so that numbers are at hand while the server is away
			}
			ctx, cancel := context.WithCancel(t.Context())
			var writing sync.WaitGroup
			for _, w := range writers {
				writing.Go(func() { w.write(ctx, t) })
			}
			for range 8 {
				time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
				s := servers[random.IntN(len(servers))]
				switch random.IntN(3) {
				case 0:
					s.Kill()
				case 1:
					s.LosePower(random.Uint64())
				default:
					s.CutOff(true)
					time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
					s.CutOff(false)
					continue
				}
				time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
				s.Start()
			}
			cancel()
			writing.Wait()
			defer func() {
				for _, s := range servers {
					if t.Failed() && s.Vice() != nil {
						t.Log(s.Vice().State())
					}
				}
			}()
			require.Eventually(t, func() bool {
				for _, s := range servers {
					if s.Vice().Unsettled() > 0 {
						return false
					}
				}
				return true
			}, callTime, 20*time.Millisecond)
			requireEqual(t, servers)
			tree := servers[0].Tree()
			written := 0
			for _, w := range writers {
				written += len(w.known)
				for name, length := range w.known {
					require.EqualValues(t, length, tree[name].Length, name)
				}
			}
			require.NotZero(t, written)
			for path, s := range tree {
				require.False(t, s.Inconsistent, path)
			}
		})
	}
}

// A replica's state, read just before an update came to all replicas, is not taken for one that has seen the update: of two directories that have seen the
// same, one or the other is what both are, whichever it is.
func TestAStateFromBeforeAnUpdateDoesNotUndoIt(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, unhurried)
	clients := clientsOf(servers, 1)
	root := clients[0].Root
	create := func(name string) *vicetest.Log {
		log := clients[0].Log()
		log.Create(root, name)
		for _, c := range clients {
			log.At(c).Apply()
		}
		return log
	}
	for round := range 10 {
		create(fmt.Sprint("early-", round)) // nobody knows yet that all have this, so that the root is in the state
		err := servers[1].Vice().JoinOutdated(t.Context(), 0, func() {
			late := create(fmt.Sprint("late-", round))
			for _, c := range clients {
				late.At(c).COP2(0, 1)
			}
		})
		require.ErrorIs(t, err, vice.ErrMovedOn)
		require.Equal(t, clients[0].Status(root).Digest, clients[1].Status(root).Digest)
		require.NoError(t, servers[1].Vice().JoinFrom(t.Context(), 0))
		require.Equal(t, clients[0].Status(root).Digest, clients[1].Status(root).Digest)
	}
}

// What is on its way to a replica until all have settled it by themselves is not taken for new when it arrives.
func TestABatchThatArrivesAfterAllHaveForgottenIt(t *testing.T) {
	servers := vicetest.StartReplicas(t, 3, unhurried)
	clients := clientsOf(servers, 1)
	first := clients[0].Log()
	dir := first.MakeDirectory(clients[0].Root, "dir")
	kept, refused := clients[0].Log(), clients[0].Log()
	for _, c := range clients {
		first.At(c).Apply()
		first.At(c).COP2(0, 1, 2)
	}
	kept.Add(coda.SetAttributes{Fid: dir, Mode: new(uint32(0o700))})
	refused.Add(coda.Remove{Parent: dir, Name: "nothing", Fid: clients[0].NewFid(coda.File)})
	for _, log := range []*vicetest.Log{kept, refused} {
		for _, c := range clients[:2] {
			_, err := log.At(c).Send()
			require.NoError(t, err)
			log.At(c).COP2(0, 1)
		}
	}
	resolve(t, clients[0], 7)
	settleAll(t, servers)
	before := servers[2].Tree()
	again, err := kept.At(clients[2]).Send()
	require.NoError(t, err)
	require.Equal(t, kept.Records[0].Number, again.Done)
	require.Equal(t, before, servers[2].Tree())
	require.Zero(t, servers[2].Vice().Unsettled())
	servers[2].Kill()
	servers[2].Start()
	clients[2].Reconnect()
	_, err = kept.At(clients[2]).Send()
	require.NoError(t, err)
	require.Equal(t, before, servers[2].Tree())
	next := clients[0].Log()
	next.Add(coda.SetAttributes{Fid: dir, Mode: new(uint32(0o711))})
	for _, c := range clients {
		next.At(c).Apply()
		next.At(c).COP2(0, 1, 2)
	}
	settleAll(t, servers)
	requireEqual(t, servers)
}
