package vice_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
)

// smallLimits puts contents above 1,000 bytes into containers, so that small tests have some.
func smallLimits(c *vice.Config) { c.Limits.Inline = 1000 }

// author is a client that works in a directory of its own, so that it knows what the server must have.
type author struct {
	c       *vicetest.Client
	name    string
	monkey  *monkey
	before  *model        // after the last batch that was answered
	pending *vicetest.Log // sent and not answered
	refused []uint64      // what the model refuses of it
}

func newAuthor(s *vicetest.Server, id, seed uint64) *author {
	a := &author{c: s.Client(id), name: fmt.Sprint(id)}
	log := a.c.Log()
	dir := log.MakeDirectory(a.c.Root, a.name)
	log.Apply()
	random := rand.New(rand.NewPCG(id, seed))
	a.monkey = &monkey{pick: random.IntN, model: newModel(dir), dirs: []coda.Fid{dir}}
	return a
}

// write sends batches until the server is gone.
func (a *author) write(ctx context.Context, sent *atomic.Int64) {
	for {
		a.before = a.monkey.model.clone()
		a.pending, a.refused = a.c.Log(), nil
		for range 1 + a.monkey.pick(20) {
			if !a.monkey.add(a.c, a.pending) {
				a.refused = append(a.refused, a.pending.Records[len(a.pending.Records)-1].Number)
			}
		}
		sent.Add(1)
		if answer, err := a.pending.SendContext(ctx); err != nil || !a.agrees(answer) {
			return
		}
	}
}

func (a *author) agrees(answer wire.Answer) bool {
	if len(answer.Refusals) != len(a.refused) {
		return false
	}
	for i, r := range answer.Refusals {
		if r.Number != a.refused[i] {
			return false
		}
	}
	return true
}

// check looks at what a crash left: everything that was answered, and the batch under way as a whole or not at all. Then it sends that
// batch again, which must be done once and answered as if nothing had happened.
func (a *author) check(t *testing.T, s *vicetest.Server) {
	left := describe(s, a.name)
	before, after := a.before.tree(), a.monkey.model.tree()
	if !equal(left, before) {
		require.Equal(t, after, left, "client %s: neither the state before the batch nor the one after it", a.name)
	}
	answer := sendAgain(t, a.pending)
	require.True(t, a.agrees(answer), "refused %v, the model refuses %v", answer.Refusals, a.refused)
	require.Equal(t, after, describe(s, a.name))
}

func equal(a, b []string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// The power goes at a random moment under several writers, many times over on one volume.
func TestPowerLoss(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := vicetest.Start(t, smallLimits)
			random := rand.New(rand.NewPCG(seed, 0))
			var authors []*author
			for id := range uint64(3) {
				authors = append(authors, newAuthor(s, id+1, seed))
			}
			for range 4 {
				ctx, cancel := context.WithTimeout(t.Context(), callTime)
				var sent atomic.Int64
				var writers sync.WaitGroup
				for _, a := range authors {
					writers.Go(func() { a.write(ctx, &sent) })
				}
				enough := int64(random.IntN(40))
				require.Eventually(t, func() bool { return sent.Load() > enough }, callTime, time.Duration(1+random.IntN(1000))*time.Microsecond)
				if random.IntN(4) == 0 {
					s.Kill()
				} else {
					s.LosePower(random.Uint64())
				}
				writers.Wait()
				cancel()
				s.Start()
				s.CheckSound()
				wanted := containersOf(s)
				require.Len(t, s.Containers(), wanted, "containers that belong to nothing")
				for _, a := range authors {
					a.check(t, s)
				}
			}
		})
	}
}

// containersOf counts the objects that have a container.
func containersOf(s *vicetest.Server) int {
	seen := map[coda.Fid]bool{}
	for _, st := range s.Tree() {
		if st.Kind == coda.File && st.Length > 1000 {
			seen[st.Fid] = true
		}
	}
	return len(seen)
}
