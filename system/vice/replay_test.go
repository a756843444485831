package vice_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
)

// mixed is a batch with stores small and large, and with refusals.
func mixed(c *vicetest.Client) *vicetest.Log {
	log := c.Log()
	dir := log.MakeDirectory(c.Root, "dir")
	for i := range 4 {
		f, v := log.Create(dir, fmt.Sprint(i))
		log.Store(f, v, data(byte(i), 1+i*20_000))
	}
	log.Create(dir, "0")
	log.Create(dir, "1")
	log.Create(dir, "good")
	return log
}

func TestSameBatchSameAnswer(t *testing.T) {
	restarts := map[string]func(*vicetest.Server){
		"same server":   func(*vicetest.Server) {},
		"killed":        func(s *vicetest.Server) { s.Kill(); s.Start() },
		"lost power":    func(s *vicetest.Server) { s.LosePower(0); s.Start() },
		"stopped":       func(s *vicetest.Server) { s.Stop(); s.Start() },
		"checked first": func(s *vicetest.Server) { s.CheckSound() },
	}
	for name, restart := range restarts {
		t.Run(name, func(t *testing.T) {
			s := vicetest.Start(t)
			c := s.Client(1)
			log := mixed(c)
			first, err := log.Send()
			require.NoError(t, err)
			require.Len(t, first.Refusals, 2)
			tree := s.Tree()
			for range 2 {
				restart(s)
				require.Equal(t, first, sendAgain(t, log))
				require.Equal(t, tree, s.Tree())
			}
		})
	}
}

// sendAgain sends a batch until a server answers it.
func sendAgain(t *testing.T, log *vicetest.Log) (answer wire.Answer) {
	require.Eventually(t, func() bool {
		var err error
		answer, err = log.Send()
		return err == nil
	}, callTime, tick)
	return answer
}

func TestOverlappingBatches(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	log := mixed(c)
	n := len(log.Records)
	_, err := log.Slice(0, n-2).Send()
	require.NoError(t, err)
	whole, err := log.Slice(2, n).Send()
	require.NoError(t, err)
	require.Equal(t, log.Records[n-1].Number, whole.Done)
	require.Len(t, whole.Refusals, 2, "one from each batch")
	require.Equal(t, log.Records[n-3].Number, whole.Refusals[0].Number)
	require.Equal(t, log.Records[n-2].Number, whole.Refusals[1].Number)
	require.Len(t, whole.Changed, 7, "root, directory, four files and the one that came with the second batch")
	for _, changed := range whole.Changed {
		require.Equal(t, changed.Status.Fid != c.Root, changed.Before.IsZero(), "all but the root were made since")
	}
	require.Len(t, s.Tree(), 7)

	other := s.Client(2).Log()
	other.Create(c.Root, "other")
	other.Apply()
	more := c.Log()
	more.Create(c.Root, "more")
	last := more.Apply()
	require.Empty(t, last.Refusals, "what was answered before is not repeated")
	require.Len(t, last.Changed, 2)
}

// A client that has lost its power may have fewer records than it has sent. What the lost ones did must not be told as the work of those that
// are left: the client took a directory's new version for the outcome of its own records, and never saw the name that the lost one made.
func TestRecordsThatTheirClientHasLost(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	log := c.Log()
	dir := log.MakeDirectory(c.Root, "dir")
	log.Create(dir, "kept")
	log.Create(dir, "lost")
	log.Apply()
	session := c.Open()
	again, err := log.Slice(0, 2).Send()
	require.NoError(t, err)
	require.Empty(t, again.Changed)
	breaks, err := session.Sync()
	require.NoError(t, err)
	require.Len(t, breaks, 4, "the root, the directory and two files")

	before := c.Status(dir).Version
	left := log.Slice(0, 2)
	more := c.Log()
	more.Create(dir, "more")
	left.Records = append(slices.Clone(left.Records), more.Records...)
	answer, err := left.Send()
	require.NoError(t, err)
	require.Empty(t, answer.Refusals)
	require.Len(t, answer.Changed, 2)
	require.Equal(t, before, answer.Changed[0].Before, "not the version from before the lost record")
	require.Len(t, s.Tree(), 5)
}

// A late copy of a batch must not tell its sender that objects are as the batch left them when they are not any more.
func TestReplayAfterOthersChangedIt(t *testing.T) {
	s := vicetest.Start(t)
	me, you := s.Client(1), s.Client(2)
	log := me.Log()
	a, v := log.Create(me.Root, "a")
	b, _ := log.Create(me.Root, "b")
	log.Apply()
	theirs := you.Log()
	theirs.Store(a, v, data(1, 1))
	theirs.Apply()
	session := me.Open()
	again, err := log.Send()
	require.NoError(t, err)
	require.Len(t, again.Changed, 2)
	require.Equal(t, b, again.Changed[1].Status.Fid)
	require.True(t, again.Changed[1].Promised)
	require.False(t, again.Changed[0].Promised, "the root: there was no promise about it in this session")
	breaks, err := session.Sync()
	require.NoError(t, err)
	require.Equal(t, []wire.Break{{Number: 1, Fid: me.Root}, {Number: 2, Fid: a}}, breaks)
	require.EqualValues(t, 2, again.Breaks)
}

func TestConcurrentCopiesOfABatch(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	log := mixed(c)
	var wg sync.WaitGroup
	answers := make([]wire.Answer, 8)
	for i := range answers {
		wg.Go(func() {
			var err error
			answers[i], err = log.Send()
			require.NoError(t, err)
		})
	}
	wg.Wait()
	for _, a := range answers {
		require.Equal(t, answers[0], a)
	}
	require.Len(t, s.Tree(), 7)
}

// The records of a client whose cache was made anew start at 1 again under another id.
func TestClientsAreToldApart(t *testing.T) {
	s := vicetest.Start(t)
	for i := range uint64(3) {
		c := s.Client(i)
		log := c.Log()
		log.Create(c.Root, fmt.Sprint(i))
		log.Apply()
	}
	require.Len(t, s.Tree(), 4)
}

func TestBatchesThatMakeNoSense(t *testing.T) {
	s := vicetest.Start(t, func(c *vice.Config) { c.Limits.Records = 20; c.Limits.FileLength = 1 << 20 })
	c := s.Client(1)
	cases := map[string]struct {
		want  coda.ErrorKind
		spoil func(*vicetest.Log)
	}{
		"numbers fall":         {coda.Invalid, func(l *vicetest.Log) { l.Records[1], l.Records[2] = l.Records[2], l.Records[1] }},
		"a number twice":       {coda.Invalid, func(l *vicetest.Log) { l.Records[1].Number = l.Records[0].Number }},
		"too few bytes":        {coda.Invalid, func(l *vicetest.Log) { l.Contents[l.Records[2].Number] = nil }},
		"too many bytes":       {coda.Invalid, func(l *vicetest.Log) { l.Contents[l.Records[2].Number] = data(1, 1000) }},
		"other bytes":          {coda.Invalid, func(l *vicetest.Log) { l.Contents[l.Records[2].Number] = []byte{77} }},
		"data without a store": {coda.Invalid, func(l *vicetest.Log) { l.Contents[l.Records[0].Number] = []byte{77} }},
		"too many records": {coda.Invalid, func(l *vicetest.Log) {
			for i := range 20 {
				l.Create(c.Root, fmt.Sprint(i))
			}
		}},
		"too long a file": {coda.NoSpace, func(l *vicetest.Log) { l.Store(c.NewFid(coda.File), coda.VersionVector{}, data(1, 1<<20+1)) }},
		"a bad record":    {coda.Invalid, func(l *vicetest.Log) { l.Records[3].Operation = coda.Create{} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			log := mixed(c)
			tc.spoil(log)
			_, err := log.Send()
			require.ErrorIs(t, err, tc.want)
			require.Len(t, s.Tree(), 1, "nothing is applied")
			require.Empty(t, s.Containers(), "nothing is left behind")
		})
	}
}
