package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// deadlock never does what it is asked, and takes no notice of its context until the test is over.
type deadlock struct {
	over chan struct{}
	lost chan error
}

func (d deadlock) hang() error { <-d.over; return nil }

func (d deadlock) Address() string                                       { return "" }
func (d deadlock) Done() <-chan struct{}                                 { return d.over }
func (d deadlock) Err() error                                            { return errors.New("over") }
func (d deadlock) Kill(context.Context) error                            { return d.hang() }
func (d deadlock) Pause(context.Context) error                           { return d.hang() }
func (d deadlock) Resume(context.Context) error                          { return d.hang() }
func (d deadlock) Elsewhere() bool                                       { return true }
func (d deadlock) SaveLogs(context.Context) error                        { return d.hang() }
func (d deadlock) Place(string) Place                                    { return Place{} }
func (d deadlock) StartNode(context.Context, NodeSpec) (Instance, error) { return d, nil }
func (d deadlock) Lost() <-chan error                                    { return d.lost }
func (d deadlock) Close(context.Context) error                           { return d.hang() }

func TestCloseReturnsAlsoWhenNothingElseDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := newPlaced(validSpec(t))
		require.NoError(t, err)
		hanging := deadlock{over: make(chan struct{})}
		defer close(hanging.over)
		c.site = hanging
		for _, node := range c.Nodes() {
			node.instance = hanging
			c.watch(node)
		}
		began := time.Now()
		err = c.Close(t.Context())
		require.ErrorContains(t, err, "killing client1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(began), time.Minute)
		require.Equal(t, err, c.Close(t.Context()))
	})
}

func TestANodeThatEndsByItselfIsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := newPlaced(validSpec(t))
		require.NoError(t, err)
		dying := deadlock{over: make(chan struct{})}
		node := c.Clients()[1]
		node.instance = dying
		c.watch(node)
		close(dying.over)
		require.ErrorContains(t, <-c.Lost(), "client2 has ended by itself: over")
		require.NoError(t, c.Close(t.Context()))
		events := c.Events()
		require.Len(t, events, 2)
		require.Equal(t, "exited", events[1].What)
		require.False(t, events[1].Expected)
	})
}

// Of a node that cannot be seen any more nobody knows that it has ended.
func TestASiteThatIsLostIsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := newPlaced(validSpec(t))
		require.NoError(t, err)
		unseen := deadlock{over: make(chan struct{}), lost: make(chan error, 1)}
		defer close(unseen.over)
		c.site = unseen
		c.watchSite()
		node := c.Clients()[1]
		node.instance = unseen
		c.watch(node)
		unseen.lost <- errors.New("the engine is away")
		require.EqualError(t, <-c.Lost(), "the engine is away")
		require.Error(t, c.Close(t.Context()))
		events := c.Events()
		require.Len(t, events, 1)
		require.Equal(t, "started", events[0].What)
	})
}
