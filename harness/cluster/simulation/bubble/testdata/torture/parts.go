package main

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"hash/maphash"
	mrand "math/rand"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// channels selects over many channels that are ready at once.
func channels(ctx context.Context, t *trace, round int) {
	var wg sync.WaitGroup
	lanes := make([]chan int, 8)
	for i := range lanes {
		lanes[i] = make(chan int, i)
	}
	for i := range 200 {
		wg.Go(func() {
			for j := range 5 {
				select {
				case lanes[0] <- i:
				case lanes[1] <- i:
				case lanes[2] <- i:
				case lanes[3] <- i:
				case lanes[4+(i+j)%4] <- i:
				}
			}
		})
	}
	for i := range 20 {
		wg.Go(func() {
			for range 50 {
				var got, lane int
				select {
				case got = <-lanes[0]:
				case got = <-lanes[1]:
					lane = 1
				case got = <-lanes[2]:
					lane = 2
				case got = <-lanes[3]:
					lane = 3
				case got = <-lanes[4]:
					lane = 4
				case got = <-lanes[5]:
					lane = 5
				case got = <-lanes[6]:
					lane = 6
				case got = <-lanes[7]:
					lane = 7
				case <-ctx.Done():
				}
				t.add("channels", round, i, lane, got)
			}
		})
	}
	wg.Wait()
}

// locks has many goroutines want the same locks, and sometimes work for long while they have them.
func locks(_ context.Context, t *trace, round int) {
	var wg sync.WaitGroup
	var plain [3]sync.Mutex
	var shared sync.RWMutex
	sum := 0
	for i := range 150 {
		wg.Go(func() {
			for j := range 6 {
				m := &plain[(i+j)%3]
				m.Lock()
				t.add("locks", round, i, j, sum)
				if i%50 == 0 {
					sum += spin(2_000_000)
				}
				runtime.Gosched()
				m.Unlock()
				if i%10 == 0 {
					shared.Lock()
					sum++
					shared.Unlock()
					continue
				}
				shared.RLock()
				t.add("locks", "shared", i, sum)
				shared.RUnlock()
			}
		})
	}
	wg.Wait()
}

// spin computes for longer than a time slice of the scheduler.
func spin(n int) int {
	x := 1
	for i := range n {
		x = x*31 + i
	}
	return x & 1
}

func conditions(_ context.Context, t *trace, round int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	changed := sync.NewCond(&mu)
	turn := 0
	for i := range 100 {
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for turn < i/10 {
				changed.Wait()
			}
			t.add("conditions", round, i, turn)
		})
	}
	wg.Go(func() {
		for range 10 {
			time.Sleep(time.Millisecond)
			mu.Lock()
			turn++
			changed.Broadcast()
			mu.Unlock()
		}
	})
	wg.Wait()
}

// timers has many of them expire at the same moment.
func timers(ctx context.Context, t *trace, round int) {
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			time.Sleep(time.Duration(i%5) * time.Second)
			t.add("timers", round, "slept", i)
		})
		wg.Add(1)
		time.AfterFunc(time.Duration(i%3)*time.Second, func() {
			defer wg.Done()
			t.add("timers", round, "called", i)
		})
		wg.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			ticks := time.NewTicker(time.Duration(1+i%4) * 500 * time.Millisecond)
			defer ticks.Stop()
			for {
				select {
				case now := <-ticks.C:
					t.add("timers", round, "ticked", i, now.UnixNano())
				case <-bounded.Done():
					return
				}
			}
		})
	}
	wg.Wait()
}

func numbers(_ context.Context, t *trace, round int) {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			secret := make([]byte, 8)
			_, _ = crand.Read(secret) // never an error
			t.add("numbers", round, i, rand.Uint64(), rand.IntN(1000), mrand.Int63(), secret, maphash.Bytes(maphash.MakeSeed(), secret))
			byName := map[string]int{}
			for j := range 30 {
				byName[string(rune('a'+j))] = j
			}
			for name, j := range byName {
				t.add("numbers", round, i, name, j)
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
}

// pools shows which objects a collection has taken from a pool.
func pools(_ context.Context, t *trace, round int) {
	made := 0
	pool := sync.Pool{New: func() any { made++; return new(bytes.Buffer) }}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			for range 5 {
				b := pool.Get().(*bytes.Buffer)
				b.WriteByte(byte(i))
				runtime.Gosched()
				t.add("pools", round, i, made, b.Len(), b.Cap())
				pool.Put(b)
				time.Sleep(time.Duration(i) * time.Millisecond)
			}
		})
	}
	wg.Wait()
}

// pointers iterates maps whose hashes are made from addresses.
func pointers(_ context.Context, t *trace, round int) {
	type node struct {
		id   int
		next *node
	}
	var wg sync.WaitGroup
	var all sync.Map
	for i := range 20 {
		wg.Go(func() {
			byNode := map[*node]int{}
			var last *node
			for j := range 100 {
				last = &node{id: j, next: last}
				byNode[last] = j
				all.Store(last, j)
				if j%10 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			for n := range byNode {
				t.add("pointers", round, i, n.id)
			}
		})
	}
	wg.Wait()
	all.Range(func(_, j any) bool {
		t.add("pointers", round, "all", j)
		return true
	})
}

// collect runs the collector at chosen moments.
func collect(_ context.Context, t *trace, round int) {
	for i := range 10 {
		time.Sleep(300 * time.Millisecond)
		runtime.GC()
		t.add("collect", round, i)
	}
}

// yields gives up the processor again and again, and computes in between.
func yields(_ context.Context, t *trace, round int) {
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			garbage := [][]byte{}
			for j := range 20 {
				garbage = append(garbage, make([]byte, 1+rand.IntN(20_000)))
				t.add("yields", round, i, j, len(garbage[j]), spin(20_000))
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
}
