package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// store has Pebble flush and compact while several goroutines write, and records what it says that it does.
func store(_ context.Context, t *trace, round int) {
	db, err := pebble.Open("db", &pebble.Options{
		FS: vfs.NewMem(), MemTableSize: 64 << 10, L0CompactionThreshold: 2, Logger: silent{},
		CompactionConcurrencyRange: func() (int, int) { return 2, 3 },
		EventListener: &pebble.EventListener{
			CompactionEnd: func(i pebble.CompactionInfo) { t.add("store", "compacted", i.JobID, i.Reason, len(i.Output.Tables)) },
			FlushEnd:      func(i pebble.FlushInfo) { t.add("store", "flushed", i.JobID, i.Input, len(i.Output)) },
			TableCreated:  func(i pebble.TableCreateInfo) { t.add("store", "created", i.JobID, i.FileNum) },
			TableDeleted:  func(i pebble.TableDeleteInfo) { t.add("store", "deleted", i.JobID, i.FileNum) },
			WALCreated:    func(i pebble.WALCreateInfo) { t.add("store", "log", i.JobID, i.FileNum) },
		},
	})
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { write(t, db, round, i) })
	}
	wg.Wait()
	if err := db.Close(); err != nil {
		panic(err)
	}
}

func write(t *trace, db *pebble.DB, round, i int) {
	value := make([]byte, 2000)
	for j := range 100 {
		batch := db.NewBatch()
		for range 3 {
			for k := range 16 {
				value[k] = byte(rand.Uint32())
			}
			if err := batch.Set(fmt.Appendf(nil, "%06d", rand.IntN(3000)), value, nil); err != nil {
				panic(err)
			}
		}
		if err := batch.Commit(pebble.Sync); err != nil {
			panic(err)
		}
		t.add("store", round, i, j, batch.SeqNum())
		if err := batch.Close(); err != nil {
			panic(err)
		}
		if j%20 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// silent is for Pebble's log.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}
