package vice_test

import (
	"context"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// slowDisk is a disk on which syncs do not return while it is stuck.
type slowDisk struct {
	disk.FS
	stuck *sync.RWMutex // locked: stuck
}

func (d slowDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return slowFile{f, d.stuck}, err
}

func (d slowDisk) ReuseForWrite(oldName, newName string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(oldName, newName, c)
	return slowFile{f, d.stuck}, err
}

type slowFile struct {
	vfs.File
	stuck *sync.RWMutex
}

func (f slowFile) wait() {
	f.stuck.RLock()
	defer f.stuck.RUnlock()
}

func (f slowFile) Sync() error { f.wait(); return f.File.Sync() }

func (f slowFile) SyncData() error { f.wait(); return f.File.SyncData() }

func (f slowFile) SyncTo(n int64) (bool, error) { f.wait(); return f.File.SyncTo(n) }

// While the disk does not take a batch, others read what was durable before it, and nothing of the batch; those who want to write are told
// in time that it goes on too long.
func TestStuckDisk(t *testing.T) {
	var stuck sync.RWMutex
	s := vicetest.Start(t, func(c *vice.Config) { c.Disk = slowDisk{simdisk.New(), &stuck} })
	me, you := s.Client(1), s.Client(2)
	you.NewFid(coda.File)
	before := me.Status(me.Root)
	log := me.Log()
	log.Create(me.Root, "f")
	stuck.Lock()
	sent := make(chan error, 1)
	go func() { _, err := log.Send(); sent <- err }()
	require.Eventually(t, func() bool { return contains(s.Vice().State(), "waits for commit to the disk") }, callTime, tick)
	callbacks := you.Open()
	got, err := you.Fetch(you.Root)
	require.NoError(t, err)
	require.Equal(t, before, got.Status)
	require.Empty(t, got.Entries)
	other := you.Log()
	other.Create(you.Root, "g")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = other.SendContext(ctx)
	require.ErrorIs(t, err, coda.TimedOut)
	breaks, err := callbacks.Sync()
	require.NoError(t, err)
	require.Empty(t, breaks)
	stuck.Unlock()
	require.NoError(t, <-sent)
	breaks, err = callbacks.Sync()
	require.NoError(t, err)
	require.Len(t, breaks, 1)
	other.Apply()
	require.Len(t, s.Tree(), 3)
}

// A peer that stops in the middle of a request holds it up no longer than a request may take, in virtual time.
func TestStalledRequestsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t, func(c *vice.Config) { c.Limits.Transfers = 1 })
		c := s.Client(1)
		log := c.Log()
		f, v := log.Create(c.Root, "f")
		log.Store(f, v, data(1, 1<<20))
		log.Apply()

		start := time.Now()
		sender, err := c.Vice.Reintegrate(t.Context())
		require.NoError(t, err)
		head := wire.Batch{Client: c.ID, Volume: c.Volume, First: 100, Last: 101}
		require.NoError(t, sender.Send(&vicepb.ReintegrateRequest{Part: &vicepb.ReintegrateRequest_Head{Head: wire.BatchToProto(head)}}))
		record := coda.Record{Number: 100, Operation: coda.Store{Fid: f, Length: 1 << 20}}
		require.NoError(t, sender.Send(&vicepb.ReintegrateRequest{Part: &vicepb.ReintegrateRequest_Record{Record: wire.RecordToProto(record)}}))
		synctest.Wait()
		require.Contains(t, s.Vice().State(), "waits for data from the client")
		require.Len(t, s.Containers(), 2)
		require.ErrorIs(t, sender.RecvMsg(new(vicepb.ReintegrateReply)), coda.TimedOut)
		require.Equal(t, 2*time.Minute, time.Since(start))
		synctest.Wait()
		require.Len(t, s.Containers(), 1, "what arrived is removed")

		small := vicepb.NewViceClient(s.Connect(grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<16)))
		receiver, err := small.Fetch(t.Context(), &vicepb.FetchRequest{Fid: wire.FidToProto(f), Contents: true})
		require.NoError(t, err)
		time.Sleep(3 * time.Minute)
		require.Contains(t, s.Vice().State(), "requests: 0")
		for err == nil {
			_, err = receiver.Recv()
		}
		require.ErrorIs(t, err, coda.TimedOut)
		next := c.Log()
		next.Create(c.Root, "g")
		next.Apply()
	})
}

// A fetch that races with stores brings one whole version, though each store removes the container of the one before.
func TestFetchDuringStores(t *testing.T) {
	s := vicetest.Start(t, smallLimits)
	writer := s.Client(1)
	log := writer.Log()
	f, v := log.Create(writer.Root, "f")
	v = log.Store(f, v, data(0, 5000))
	log.Apply()
	var done atomic.Bool
	var readers sync.WaitGroup
	for i := range uint64(2) {
		reader := s.Client(10 + i)
		readers.Go(func() {
			for last := uint64(0); !done.Load(); {
				got, err := reader.Fetch(f)
				if err != nil || sha256.Sum256(got.Data) != got.Status.Digest || got.Status.Version.Slots[0] < last {
					t.Errorf("fetched %d bytes of %v after version %d, error %v", len(got.Data), got.Status, last, err)
					return
				}
				last = got.Status.Version.Slots[0]
			}
		})
	}
	for i := range 150 {
		log := writer.Log()
		v = log.Store(f, v, data(byte(i), 2000+i))
		log.Apply()
	}
	done.Store(true)
	readers.Wait()
	require.Len(t, s.Containers(), 1)
}

// The bounds on silent clients in virtual time, with the lengths that they have in earnest.
func TestSilentClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		alive, silent := s.Client(1), s.Client(2)
		pinging, left := alive.Open(), silent.Open()
		opened := time.Now()
		ended := make(chan time.Duration, 1)
		go func() {
			_, err := left.Wait()
			assert.ErrorIs(t, err, coda.TimedOut)
			ended <- time.Since(opened)
		}()
		for time.Since(opened) < 10*time.Minute {
			time.Sleep(5 * time.Second)
			_, err := pinging.Sync()
			require.NoError(t, err)
		}
		require.InDelta(t, 20*time.Second, <-ended, float64(time.Second), "two leases")
		stream, err := alive.Vice.Callbacks(t.Context())
		require.NoError(t, err)
		_, err = stream.Recv()
		require.ErrorIs(t, err, coda.TimedOut, "no Hello came")
	})
}

// A server is closed at once whatever its streams are doing, even one that has not said its Hello.
func TestCloseEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		s.Client(1).Open()
		_, err := s.Client(2).Vice.Callbacks(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		start := time.Now()
		s.Stop()
		require.Zero(t, time.Since(start))
	})
}
