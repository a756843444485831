package vice_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// What the store has read from the disk stays in memory. Pebble takes its write buffers from the cache, and with buffers larger than the cache nothing
// stayed.
func TestWhatWasReadStaysInMemory(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	log := c.Log()
	var files []coda.Fid
	for i := range 100 {
		f, version := log.Create(c.Root, fmt.Sprint(i))
		log.Store(f, version, data(byte(i), 4<<10))
		files = append(files, f)
	}
	log.Apply()
	s.Stop()
	s.Start() // which has everything in tables on the disk
	c.Reconnect()
	read := func() int64 {
		before := s.Vice().ReadFromDisk()
		for _, f := range files {
			_, err := c.Fetch(f)
			require.NoError(t, err)
		}
		return s.Vice().ReadFromDisk() - before
	}
	require.Positive(t, read(), "the first reading finds nothing in memory")
	require.Zero(t, read(), "the second reading finds everything in memory")
}
