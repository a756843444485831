package faults_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/faults"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/clustertest"
	"github.com/codastress/codastress/harness/cluster/containers"
	"github.com/codastress/codastress/harness/cluster/processes"
	"github.com/codastress/codastress/harness/history"
)

// hurt is a link of a real cluster that a fault hits, from client1 to server1, and a conversation over it.
type hurt struct {
	*testing.T
	c    *cluster.Cluster
	link *cluster.Link
	talk *clustertest.Talk
	said int // words that were said and could be answered
}

// traffic is what goes on over a link while a fault is there, seen by both ends of the conversation and not by the proxy alone.
type traffic struct {
	args   map[string]string // of the step
	during func(h *hurt)
	after  func(h *hurt)
}

// traffics are the faults of one link, by their names.
func traffics() map[string]traffic {
	both := traffic{during: (*hurt).nothingGoes, after: (*hurt).everythingArrives}
	return map[string]traffic{
		"partition":      both,
		"partition-up":   {during: (*hurt).nothingIsHeard, after: (*hurt).everythingArrives},
		"partition-down": {during: (*hurt).nothingIsAnswered, after: (*hurt).everythingArrives},
		"blackhole":      {during: (*hurt).nothingGoes, after: (*hurt).isLost},
		"blackhole-up":   {during: (*hurt).nothingIsHeard, after: (*hurt).isLost},
		"blackhole-down": {during: (*hurt).nothingIsAnswered, after: (*hurt).answerIsLost},
		"isolate":        {during: (*hurt).nothingGoes, after: (*hurt).everythingArrives},
		"split":          {during: (*hurt).nothingGoes, after: (*hurt).everythingArrives},
		"sever": {
			args: map[string]string{"from": "client1,client2", "direction": "up"}, during: (*hurt).nothingIsHeard, after: (*hurt).everythingArrives,
		},
		"swizzle":   both, // two links are the fewest that it cuts, and all that there are
		"flapping":  {during: (*hurt).comesAndGoes, after: (*hurt).goesOn},
		"reset":     {during: (*hurt).isReset, after: (*hurt).isLeftAlone},
		"latency":   {during: (*hurt).takesLong, after: (*hurt).isFast},
		"bandwidth": {during: (*hurt).isNarrow, after: (*hurt).isWide},
		"slicing": {
			args: map[string]string{"piece": "10", "pause": slicePause.String()}, during: (*hurt).comesInPieces, after: (*hurt).comesWhole,
		},
		"slow-close": {args: map[string]string{"delay": lateEnd.String()}, during: (*hurt).endsLate, after: (*hurt).endsAtOnce},
		"corruption": {args: map[string]string{"every": "2000"}, during: (*hurt).isGarbled, after: (*hurt).again},
	}
}

// TestFaultsOfLinksOnRealClusters injects every fault of links into clusters behind Toxiproxy, and looks at both ends of a conversation whether it is
// there, and that it is over afterwards.
func TestFaultsOfLinksOnRealClusters(t *testing.T) {
	for name, driver := range map[string]clustertest.Driver{"processes": processes.New(), "containers": containers.New()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if one, ok := driver.(containers.Driver); ok {
				if err := one.Available(t.Context()); err != nil {
					t.Skipf("needs a container engine: %v", err)
				}
			}
			c := clustertest.Start(t, driver)
			if name == "containers" {
				t.Run("squeezes", func(t *testing.T) { squeeze(t, c) })
			}
			link, err := c.Link("client1", "server1")
			require.NoError(t, err)
			for _, fault := range faults.All() {
				step := stepOn(fault)
				if step.Nodes == nil {
					continue
				}
				t.Run(fault.Name(), func(t *testing.T) {
					h := &hurt{T: t, c: c, link: link, talk: clustertest.Begin(t, c, "client1", fault.Name())}
					h.goesOn()
					h.suffers(fault, step)
				})
			}
			t.Run("jitter", func(t *testing.T) {
				(&hurt{T: t, c: c, link: link, talk: clustertest.Begin(t, c, "client1", "jitter")}).trembles()
			})
		})
	}
}

// stepOn is a step of a fault that hits the link from client1 to server1, and no others but where it must. It has no nodes where the fault is none of links.
func stepOn(fault faults.Fault) history.Step {
	step := history.Step{Number: 1, Phase: "fault", Kind: "fault", Name: fault.Name(), Seed: 5}
	if fault == (faults.Disconnect{}) || fault == (faults.TokenExpiry{}) {
		return step // its link stays as it is
	}
	for _, target := range fault.Targets(faults.Topology{Servers: []string{"server1"}, Clients: []string{"client1", "client2"}}) {
		if len(target) > 1 && step.Nodes == nil {
			step.Nodes = target
		}
	}
	return step
}

// suffers injects a fault and heals it.
func (h *hurt) suffers(fault faults.Fault, step history.Step) {
	traffic, known := traffics()[fault.Name()]
	require.True(h, known, "no traffic shows this fault")
	step.Args = traffic.args
	injection, err := fault.Prepare(faults.On(h.c), step)
	require.NoError(h, err)
	proving := faults.Proving{Injection: injection}
	ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
	defer cancel()
	require.NoError(h, proving.Inject(ctx))
	traffic.during(h)
	require.NoError(h, proving.Recover(ctx))
	traffic.after(h)
	record := injection.Record()
	require.Empty(h, record.Problem)
	require.IsNonDecreasing(h, []history.Time{1, record.Injecting, record.Injected, record.Proven, record.Recovering, record.Recovered})
}

// window is how long nothing must happen.
const window = 300 * time.Millisecond

// say says the next word, which is answered sooner or later.
func (h *hurt) say() string {
	h.said++
	word := h.talk.Word(h.said)
	h.talk.Say(word)
	return word
}

// carried is what the link has carried in each direction.
func (h *hurt) carried() (up, down uint64) {
	counters, err := h.link.Counters(h.Context())
	require.NoError(h, err)
	return counters.BytesUp, counters.BytesDown
}

// goesOn holds a conversation.
func (h *hurt) goesOn() {
	for range 3 {
		h.said++
		h.talk.Ask(h.talk.Word(h.said), 0)
		require.Equal(h, 1, h.talk.Heard(h.talk.Word(h.said)))
	}
}

// nothingGoes says something that nobody hears, while not a byte goes either way.
func (h *hurt) nothingGoes() {
	upBefore, downBefore := h.carried()
	h.nothingIsHeard()
	up, down := h.carried()
	require.Equal(h, []uint64{upBefore, downBefore}, []uint64{up, down})
}

// nothingIsHeard says something that does not get to the server.
func (h *hurt) nothingIsHeard() {
	before, _ := h.carried()
	word := h.say()
	time.Sleep(window)
	require.Zero(h, h.talk.Heard(word))
	require.Equal(h, h.said-1, h.talk.Answered())
	now, _ := h.carried()
	require.Equal(h, before, now, "bytes went towards the server")
}

// nothingIsAnswered says something that gets to the server, whose answer does not come back.
func (h *hurt) nothingIsAnswered() {
	_, before := h.carried()
	word := h.say()
	clustertest.Eventually(h.T, func() bool { return h.talk.Heard(word) == 1 }, "it does not get to the server")
	time.Sleep(window)
	require.Equal(h, h.said-1, h.talk.Answered())
	_, now := h.carried()
	require.Equal(h, before, now, "bytes went towards the client")
}

// everythingArrives waits for what was said: once each, on the same connection.
func (h *hurt) everythingArrives() {
	clustertest.Eventually(h.T, func() bool { return h.talk.Answered() == h.said }, "what was said is not answered")
	h.goesOn()
	for number := range h.said {
		require.Equal(h, 1, h.talk.Heard(h.talk.Word(number+1)))
	}
	require.False(h, h.talk.WasReset())
}

// isLost holds where what was said last never arrives, and the connection was reset.
func (h *hurt) isLost() {
	h.answerIsLost()
	require.Zero(h, h.talk.Heard(h.talk.Word(h.said)))
}

// answerIsLost holds where the connection was reset before the last answer; another one works.
func (h *hurt) answerIsLost() {
	clustertest.Eventually(h.T, h.talk.WasReset, "a connection that has lost something goes on")
	require.Equal(h, h.said-1, h.talk.Answered())
	h.again()
}

// again talks over another connection.
func (h *hurt) again() {
	(&hurt{T: h.T, c: h.c, link: h.link, talk: clustertest.Begin(h.T, h.c, "client1", h.Name()+"-again")}).goesOn()
}

// comesAndGoes says one word after the other while the link is cut and healed: none is lost, and none heard twice.
func (h *hurt) comesAndGoes() {
	for range 20 {
		h.say()
		time.Sleep(window / 10)
	}
	h.everythingArrives()
}

// isReset loses the connection.
func (h *hurt) isReset() {
	clustertest.Eventually(h.T, h.talk.WasReset, "the connection lives through the resets")
}

// isLeftAlone keeps another connection for longer than resets are apart.
func (h *hurt) isLeftAlone() {
	quiet := &hurt{T: h.T, c: h.c, link: h.link, talk: clustertest.Begin(h.T, h.c, "client1", h.Name()+"-again")}
	for range 5 {
		time.Sleep(window)
		quiet.goesOn()
	}
	require.False(h, quiet.talk.WasReset())
}

// leastLatency is what the fault adds to each direction at least, and mostBandwidth the most bytes a second that it lets through.
const (
	leastLatency  = 50 * time.Millisecond
	mostBandwidth = 200_000
)

// ask asks for something, with more bytes, and gives how long that took.
func (h *hurt) ask(more int) time.Duration {
	h.said++
	return h.talk.Ask(h.talk.Word(h.said), more)
}

// takesLong wants every answer to take the latency of both directions.
func (h *hurt) takesLong() {
	for range 5 {
		require.GreaterOrEqual(h, h.ask(0), 2*leastLatency)
	}
}

// isFast wants one answer that does not.
func (h *hurt) isFast() {
	clustertest.Eventually(h.T, func() bool { return h.ask(0) < 2*leastLatency }, "every answer takes as long as before")
}

// bulk is how many bytes are said to a narrow link.
const bulk = 50_000

// narrowest is the least time that the bytes take through a narrow link.
const narrowest = bulk * time.Second / mostBandwidth

// isNarrow wants many bytes to take the time that the bandwidth gives them.
func (h *hurt) isNarrow() {
	require.GreaterOrEqual(h, h.ask(bulk), narrowest)
}

// isWide wants the same bytes to take less at least once.
func (h *hurt) isWide() {
	clustertest.Eventually(h.T, func() bool { return h.ask(bulk) < narrowest }, "the bytes take as long as before")
}

// slicePause is the pause after each ten bytes of a link that cuts, and sliced what some bytes take there at least.
const (
	slicePause = 2 * time.Millisecond
	sliced     = fewBytes / 10 * slicePause
	fewBytes   = 500
)

// comesInPieces wants what is said to take all the pauses, and to be heard as it was said.
func (h *hurt) comesInPieces() {
	require.GreaterOrEqual(h, h.ask(fewBytes), sliced)
	h.goesOn()
}

// comesWhole wants the same bytes to take less at least once.
func (h *hurt) comesWhole() {
	clustertest.Eventually(h.T, func() bool { return h.ask(fewBytes) < sliced }, "the bytes take as long as before")
	h.everythingArrives()
}

// lateEnd is how late the end of a connection is delivered.
const lateEnd = 2 * time.Second

// endsLate kills the server's daemon, of which the client learns late.
func (h *hurt) endsLate() {
	require.GreaterOrEqual(h, h.untilEnd(), lateEnd)
}

// endsAtOnce wants another connection to end before that at least once.
func (h *hurt) endsAtOnce() {
	lives := 0
	clustertest.Eventually(h.T, func() bool {
		lives++
		h.talk = clustertest.Begin(h.T, h.c, "client1", fmt.Sprintf("%s-again-%d", h.Name(), lives))
		return h.untilEnd() < lateEnd
	}, "the end comes as late as before")
}

// untilEnd is how long the conversation lives after the server's daemon, which is started again then.
func (h *hurt) untilEnd() time.Duration {
	server, err := h.c.Node("server1")
	require.NoError(h, err)
	killed := time.Now()
	require.NoError(h, server.Kill(h.Context(), cluster.Codasrv))
	clustertest.Eventually(h.T, h.talk.HasEnded, "the connection lives on")
	lived := time.Since(killed)
	require.NoError(h, server.StartDaemon(h.Context(), cluster.Codasrv))
	return lived
}

// isGarbled says more than can go through unharmed: the connection ends, and the server has heard nothing. Where the bit is one of the length of a record,
// TLS waits for the rest of that, and these daemons, unlike those of the system, wait for as long as it does: such connections are ended here.
func (h *hurt) isGarbled() {
	h.said++
	word := h.talk.Word(h.said)
	h.talk.Try(word, 100_000)
	clustertest.Eventually(h.T, h.talk.HasEnded, "a connection goes on in which bits were flipped")
	require.Zero(h, h.talk.Heard(word))
	require.NoError(h, h.link.Reset(h.Context()))
}

// trembles adds latency and jitter to the link: no answer takes less than the latency, and they differ by more than a quarter of the jitter.
func (h *hurt) trembles() {
	const latency, jitter = 20 * time.Millisecond, 80 * time.Millisecond
	h.goesOn()
	require.NoError(h, h.link.Set(h.Context(), cluster.LinkState{Shape: cluster.LinkShape{Latency: latency, Jitter: jitter, Seed: 1}}))
	least, most := time.Hour, time.Duration(0)
	for range 20 {
		took := h.ask(0)
		least, most = min(least, took), max(most, took)
	}
	require.GreaterOrEqual(h, least, 2*latency)
	require.Greater(h, most, 2*latency+jitter/4, "twenty answers are all as fast as the latency lets them")
	require.NoError(h, h.link.Set(h.Context(), cluster.LinkState{}))
	clustertest.Eventually(h.T, func() bool { return h.ask(0) < 2*latency }, "every answer takes as long as before")
	h.everythingArrives()
}
