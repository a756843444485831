package agent

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// However long an agent was away, it is found within a second of its coming. The client lives in the time of a bubble, in which attempts that fail at
// once take none; the agent lives outside, since time does not pass for who waits for the kernel.
func TestAnAgentThatComesLateIsFoundSoon(t *testing.T) {
	config := newConfig(t, "serve")
	config.Daemons = nil
	come, there := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		<-come
		ended <- Run(ctx, config, Hooks{})
	}()
	go func() {
		defer close(there)
		<-come
		for path := strings.TrimPrefix(config.Listen, "unix:"); ; time.Sleep(time.Millisecond) {
			if connection, err := net.Dial("unix", path); err == nil {
				_ = connection.Close() // it has shown that someone listens
				return
			}
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		client, err := Dial(config.Listen, nil)
		require.NoError(t, err)
		for range 30 {
			_, err := client.Hello(t.Context())
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		close(come)
		<-there
		began := time.Now()
		_, err = client.Hello(t.Context())
		require.NoError(t, err)
		require.Less(t, time.Since(began), time.Second)
		require.NoError(t, client.Close())
	})
	cancel()
	require.NoError(t, <-ended)
}
