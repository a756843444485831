package venus_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// Clients and a server live half an hour of virtual time, some of it without each other.
func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		use := func(c *venus.Config) { c.Disk, c.Timing = simdisk.New(), venus.Timing{} }
		a, b := start(t, s, use), start(t, s, use)
		for _, pause := range []time.Duration{time.Second, time.Minute, 20 * time.Minute} {
			a.write("x", pause.String())
			a.settle()
			time.Sleep(pause)
			require.Equal(t, pause.String(), b.read("x"))
		}
		b.Disconnect()
		a.write("x", "changed")
		a.settle()
		time.Sleep(10 * time.Minute)
		require.Equal(t, (20 * time.Minute).String(), b.read("x"))
		b.Reconnect()
		time.Sleep(time.Minute)
		require.Equal(t, "changed", b.read("x"))
	})
}
