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
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// The disk refuses a call at random under several writers. What the server depends on is fatal, everything else is told to the client, and what
// was answered is there when the disk is healthy again.
func TestFailingDisk(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var s *vicetest.Server
			var fatal atomic.Pointer[func()]
			s = vicetest.Start(t, smallLimits, func(c *vice.Config) {
				c.Fatal = func(error) { (*fatal.Load())() }
			})
			random := rand.New(rand.NewPCG(seed, 1))
			var authors []*author
			for id := range uint64(3) {
				authors = append(authors, newAuthor(s, id+1, seed))
			}
			for range 4 {
				ctx, cancel := context.WithTimeout(t.Context(), callTime)
				var once sync.Once
				var left *simdisk.Disk
				die := func() {
					once.Do(func() {
						s.TakeDisk(func(d *simdisk.Disk) *simdisk.Disk {
							left = d.Crash()
							return left
						})
						cancel()
					})
				}
				fatal.Store(&die)
				i := s.Simulated().Inject(simdisk.Fault{Skip: random.IntN(200), Count: 1 + random.IntN(3)})
				var sent atomic.Int64
				var writers sync.WaitGroup
				for _, a := range authors {
					writers.Go(func() { a.write(ctx, &sent) })
				}
				enough := int64(random.IntN(40))
				require.Eventually(t, func() bool { return sent.Load() > enough || ctx.Err() != nil }, callTime, time.Millisecond)
				die()
				writers.Wait()
				left.Heal(i)
				s.Bury()
				s.Start()
				s.CheckSound()
				require.Len(t, s.Containers(), containersOf(s), "containers that belong to nothing")
				for _, a := range authors {
					a.check(t, s)
				}
			}
		})
	}
}

// A server whose disk is full refuses what would take space, goes on to read, and lives on.
func TestFullDisk(t *testing.T) {
	s := vicetest.Start(t, smallLimits)
	c := s.Client(1)
	log := c.Log()
	f, base := log.Create(c.Root, "f")
	base = log.Store(f, base, []byte("contents"))
	log.Apply()
	s.Simulated().SetCapacity(s.Simulated().Used())
	refused := c.Log()
	refused.Store(f, base, []byte("more"))
	_, err := refused.Send()
	require.ErrorIs(t, err, coda.NoSpace)
	got, err := c.Fetch(f)
	require.NoError(t, err)
	require.Equal(t, "contents", string(got.Data))
	s.Simulated().SetCapacity(0)
	refused.Apply()
}
