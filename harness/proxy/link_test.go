package proxy

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALinkCarriesBothDirectionsAndCounts(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	send(t, client, "request")
	receive(t, peer, "request")
	send(t, peer, "answer!!")
	receive(t, client, "answer!!")
	require.Eventually(t, func() bool { // bytes are counted when they have been handed on, and may arrive before that
		seen := state(t, server)
		return seen.BytesUp == 7 && seen.BytesDown == 8
	}, patience, time.Millisecond)
	seen := state(t, server)
	require.EqualValues(t, 1, seen.Connections)
	require.EqualValues(t, 1, seen.Open)
	require.NoError(t, client.Close())
	require.NoError(t, peer.Close())
	require.Eventually(t, func() bool { return state(t, server).Open == 0 }, patience, time.Millisecond)
}

func TestHoldKeepsAndHealDelivers(t *testing.T) {
	for _, test := range []struct {
		name string
		cut  State
	}{
		{"both ways", State{Up: Hold, Down: Hold}},
		{"up only", State{Up: Hold}},
		{"down only", State{Down: Hold}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, link, up := newTestLink(t)
			client := dial(t, link.Listen)
			peer := up.next(t)
			set(t, server, test.cut)
			send(t, client, "from the client")
			send(t, peer, "from the peer")
			if test.cut.Up == Hold {
				silent(t, peer)
			} else {
				receive(t, peer, "from the client")
			}
			if test.cut.Down == Hold {
				silent(t, client)
			} else {
				receive(t, client, "from the peer")
			}
			set(t, server, State{})
			if test.cut.Up == Hold {
				receive(t, peer, "from the client")
			}
			if test.cut.Down == Hold {
				receive(t, client, "from the peer")
			}
		})
	}
}

func TestDropResetsOnlyWhoLostSomething(t *testing.T) {
	server, link, up := newTestLink(t)
	loser := dial(t, link.Listen)
	loserPeer := up.next(t)
	idle := dial(t, link.Listen)
	idlePeer := up.next(t)
	set(t, server, State{Up: Drop, Down: Drop})
	send(t, loser, "lost")
	require.Eventually(t, func() bool { return state(t, server).DroppedUp == 4 }, patience, time.Millisecond)
	silent(t, loserPeer)
	set(t, server, State{})
	for _, socket := range []net.Conn{loser, loserPeer} {
		_, err := socket.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
	send(t, idle, "alive")
	receive(t, idlePeer, "alive")
}

func TestTheEndOfAStreamIsCutToo(t *testing.T) {
	for _, test := range []struct {
		name string
		flow Flow
		want error
	}{
		{"hold", Hold, io.EOF},
		{"drop", Drop, syscall.ECONNRESET},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, link, up := newTestLink(t)
			client := dial(t, link.Listen)
			peer := up.next(t)
			set(t, server, State{Up: test.flow})
			send(t, client, "last words")
			require.NoError(t, client.CloseWrite())
			silent(t, peer)
			set(t, server, State{})
			if test.flow == Hold {
				receive(t, peer, "last words")
			}
			_, err := peer.Read(make([]byte, 1))
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestHalfCloseLeavesTheOtherDirectionOpen(t *testing.T) {
	_, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	send(t, client, "question")
	require.NoError(t, client.CloseWrite())
	got, err := io.ReadAll(peer)
	require.NoError(t, err)
	require.Equal(t, "question", string(got))
	send(t, peer, "answer")
	require.NoError(t, peer.CloseWrite())
	got, err = io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, "answer", string(got))
}

func TestClosingWhileHeldDeliversEverythingLater(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	set(t, server, State{Up: Hold, Down: Hold})
	send(t, client, "written before close")
	require.NoError(t, client.Close())
	silent(t, peer)
	set(t, server, State{})
	got, err := io.ReadAll(peer)
	require.NoError(t, err)
	require.Equal(t, "written before close", string(got))
}

func TestAConnectionMadeDuringACutWaits(t *testing.T) {
	for _, cut := range []State{{Up: Hold}, {Up: Drop}, {Up: Hold, Down: Hold}} {
		server, link, up := newTestLink(t)
		set(t, server, cut)
		given := dial(t, link.Listen)
		require.NoError(t, given.Close())
		waiting := dial(t, link.Listen)
		send(t, waiting, "hello")
		require.Eventually(t, func() bool { return state(t, server).Open == 2 }, patience, time.Millisecond)
		require.Empty(t, up.accept)
		set(t, server, State{})
		receive(t, up.next(t), "hello")
		require.Eventually(t, func() bool { return state(t, server).Open == 1 }, patience, time.Millisecond)
		require.Empty(t, up.accept, "a connection that was given up reached the upstream")
	}
}

func TestAConnectionMadeWhileOnlyTheAnswerIsCutReachesTheUpstream(t *testing.T) {
	server, link, up := newTestLink(t)
	set(t, server, State{Down: Hold})
	client := dial(t, link.Listen)
	peer := up.next(t)
	send(t, client, "asked")
	receive(t, peer, "asked")
	send(t, peer, "answered")
	silent(t, client)
	require.Zero(t, state(t, server).BytesDown)
	set(t, server, State{})
	receive(t, client, "answered")
}

func TestResetEndsEveryConnection(t *testing.T) {
	for _, test := range []struct {
		name string
		cut  State
	}{
		{"passing", State{}},
		{"held", State{Up: Hold, Down: Hold}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, link, up := newTestLink(t)
			var sockets []*net.TCPConn
			for range 5 {
				sockets = append(sockets, dial(t, link.Listen), up.next(t))
			}
			set(t, server, test.cut)
			for _, socket := range sockets {
				send(t, socket, "under way")
			}
			if test.cut.Up == Hold {
				sockets = append(sockets, dial(t, link.Listen))
				require.Eventually(t, func() bool { return state(t, server).Open == 6 }, patience, time.Millisecond)
			}
			n, err := server.ResetLink(t.Context(), "l")
			require.NoError(t, err)
			require.Equal(t, (len(sockets)+1)/2, n)
			require.Zero(t, state(t, server).Open)
			for _, socket := range sockets {
				_, err := io.Copy(io.Discard, socket)
				require.ErrorIs(t, err, syscall.ECONNRESET)
			}
			set(t, server, State{})
			send(t, dial(t, link.Listen), "again")
			receive(t, up.next(t), "again")
		})
	}
}

func TestAResetTravelsThrough(t *testing.T) {
	_, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	require.NoError(t, client.SetLinger(0))
	require.NoError(t, client.Close())
	_, err := peer.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestAnUpstreamThatRefusesResetsTheClient(t *testing.T) {
	server := newServer(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	link, err := server.AddLink(t.Context(), "l", "127.0.0.1:0", nobody.Addr().String())
	require.NoError(t, err)
	client, err := net.Dial("tcp", link.Listen)
	if err == nil { // else it was quicker
		_, err = tended(t, client.(*net.TCPConn)).Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Eventually(t, func() bool { return state(t, server).Open == 0 }, patience, time.Millisecond)
}

// A frozen process does not read. Toxiproxy would wait for it before it cuts, and would throw bytes away 5 seconds after healing.
func TestALinkToAFrozenPeerIsCutAtOnceAndLosesNothing(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	written := make(chan int, 1)
	stop := time.Now().Add(300 * time.Millisecond)
	require.NoError(t, client.SetWriteDeadline(stop))
	go func() { // fills every buffer on the way
		n, piece := 0, make([]byte, 1<<20)
		for {
			m, err := client.Write(piece)
			n += m
			if err != nil {
				break
			}
		}
		_ = client.CloseWrite()
		written <- n
	}()
	n := <-written
	set(t, server, State{Up: Hold, Down: Hold})
	set(t, server, State{})
	set(t, server, State{Up: Hold})
	set(t, server, State{})
	got, err := io.Copy(io.Discard, peer)
	require.NoError(t, err)
	require.EqualValues(t, n, got)
}

func TestWrongUse(t *testing.T) {
	server, link, _ := newTestLink(t)
	ctx := t.Context()
	_, err := server.AddLink(ctx, "l", "127.0.0.1:0", "127.0.0.1:1")
	require.ErrorIs(t, err, ErrLinkExists)
	_, err = server.AddLink(ctx, "other", link.Listen, "127.0.0.1:1")
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = server.SetLink(ctx, "unknown", State{})
	require.ErrorIs(t, err, ErrNoLink)
	_, err = server.SetLink(ctx, "l", State{Up: closing})
	require.ErrorIs(t, err, ErrFlow)
	_, err = server.ResetLink(ctx, "unknown")
	require.ErrorIs(t, err, ErrNoLink)
	require.NoError(t, server.Close(ctx))
	_, err = server.AddLink(ctx, "late", "127.0.0.1:0", "127.0.0.1:1")
	require.ErrorIs(t, err, ErrClosed)
	_, err = server.SetLink(ctx, "l", State{})
	require.ErrorIs(t, err, ErrClosed)
}

func TestCloseEndsHeldConnections(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	set(t, server, State{Up: Hold, Down: Hold})
	send(t, client, "never delivered")
	send(t, peer, "never delivered")
	dial(t, link.Listen)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, server.Close(ctx))
	_, err := peer.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestFlowNames(t *testing.T) {
	for _, flow := range []Flow{Pass, Hold, Drop} {
		parsed, err := ParseFlow(flow.String())
		require.NoError(t, err)
		require.Equal(t, flow, parsed)
	}
	_, err := ParseFlow("leak")
	require.ErrorIs(t, err, ErrFlow)
	require.Equal(t, "flow 9", Flow(9).String())
}
