package coda_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
)

type timing struct {
	LogBusy time.Duration `doc:"a pause"`
	COP2    time.Duration
	Pings   struct {
		Interval time.Duration `doc:"between two"`
		Most     uint32
	} `doc:"of connections"`
}

type limits struct {
	Bytes uint64
	Tries int
}

func TestConstantsAreFields(t *testing.T) {
	when, most := timing{LogBusy: time.Minute, COP2: 1 << 62}, limits{Tries: 3}
	var names, docs []string
	for _, c := range coda.Constants(&when, &most) {
		names, docs = append(names, c.Name), append(docs, c.Doc)
	}
	require.Equal(t, []string{"log_busy", "cop2", "pings_interval", "pings_most", "bytes", "tries"}, names)
	require.Equal(t, "a pause", docs[0])
	require.Equal(t, "of connections: between two", docs[2])
	require.Equal(t, "log_busy=1m0s cop2=never pings_interval=0s pings_most=0 bytes=0 tries=3", coda.DescribeConstants(&when, &most))
}

func TestSetConstants(t *testing.T) {
	var when timing
	var most limits
	require.NoError(t, coda.SetConstants(map[string]string{"cop2": "1m30s", "pings_most": "7", "bytes": "18446744073709551615", "tries": "2"}, &when, &most))
	require.Equal(t, 90*time.Second, when.COP2)
	require.Equal(t, uint32(7), when.Pings.Most)
	require.Equal(t, limits{Bytes: 1<<64 - 1, Tries: 2}, most)
	for name, values := range map[string][]string{
		"cop2": {"", "5", "0s", "-1s", "never"}, "pings_most": {"0", "-1", "4294967296", "1s"}, "tries": {"0", "-1", "x", "1.5"}, "nothing": {"1"},
	} {
		for _, value := range values {
			before := when
			require.ErrorIs(t, coda.SetConstants(map[string]string{name: value}, &when, &most), coda.Invalid, "%s=%s", name, value)
			require.Equal(t, before, when)
		}
	}
}
