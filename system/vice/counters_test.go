package vice_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire/vicepb"
)

func TestCounters(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	c.Open()
	log, dir, _ := site(c, "dir", 100)
	log.Apply()
	_, err := c.Fetch(dir)
	require.NoError(t, err)
	now := s.Vice().Counters()
	require.Equal(t, 1, now.Sessions)
	require.NotZero(t, now.Promises)
	require.Zero(t, now.Running)
	require.EqualValues(t, 1, now.Requests[vicepb.Vice_Reintegrate_FullMethodName])
	require.EqualValues(t, 1, now.Requests[vicepb.Vice_Fetch_FullMethodName])
	require.Equal(t, []vice.VolumeUse{{Name: vicetest.Volume, Used: vice.Quota{Bytes: 100, Objects: 2}}}, now.Volumes)
}
