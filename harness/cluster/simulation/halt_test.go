package simulation

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
)

// standing is a server whose daemon lives, without a daemon.
func standing() (*node, *daemon) {
	d := &daemon{name: cluster.Codasrv, life: 1, state: cluster.StateRunning, dead: make(chan struct{})}
	n := &node{daemons: []*daemon{d}}
	n.machine.Role, n.machine.Log = cluster.RoleServer, slog.New(slog.DiscardHandler)
	return n, d
}

func TestADaemonStandsAtAFailpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, d := standing()
		met := make(chan func(), 1)
		go func() {
			goOn, err := n.AwaitFailpoint(t.Context(), Committing, 3)
			require.NoError(t, err)
			met <- goOn
		}()
		synctest.Wait()
		n.at(d, 1, Committing)
		n.at(d, 1, Writing)
		n.at(d, 1, Committing)
		n.at(d, 2, Committing) // of another life
		require.Empty(t, met)
		passed := make(chan struct{})
		go func() {
			defer close(passed)
			n.at(d, 1, Committing)
		}()
		goOn := <-met
		began, struck := time.Now(), false
		n.whenWorthIt(t.Context(), d, blow{strike: func() { struck = true }})
		require.True(t, struck)
		require.Zero(t, time.Since(began), "it waits for no other moment")
		synctest.Wait()
		select {
		case <-passed:
			t.Fatal("the daemon went on before it was let")
		default:
		}
		goOn()
		<-passed
		require.Zero(t, time.Since(began))
		require.Zero(t, d.standing)
		n.at(d, 1, Committing) // nobody waits any more
	})
}

// A daemon goes on by itself when it was met and nothing came of it, and at once when it is killed.
func TestADaemonStandsForAMomentOnly(t *testing.T) {
	for _, killed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n, d := standing()
			for range 2 {
				go func() { _, _ = n.AwaitFailpoint(t.Context(), Sending, 1) }()
			}
			synctest.Wait()
			if killed {
				close(d.dead)
			}
			began := time.Now()
			n.at(d, 1, Sending)
			want := haltTime
			if killed {
				want = 0
			}
			require.Equal(t, want, time.Since(began))
		})
	}
}

func TestAFailpointThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, d := standing()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		failed := make(chan error, 1)
		go func() {
			_, err := n.AwaitFailpoint(ctx, Sent, 3)
			failed <- err
		}()
		synctest.Wait()
		n.at(d, 1, Sent)
		n.at(d, 1, Sent)
		require.ErrorContains(t, <-failed, "it was there 2 times")
		n.at(d, 1, Sent)
		require.Empty(t, d.halts)
	})
}
