package venus_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/vice/vicetest"
)

// hazards takes replicas of a machine's volume away, from a client or from all, between updates. The one in slot 0 is spared, and those that are gone stay
// away, so that nothing has to be resolved for what a client sees.
type hazards struct {
	machine
	servers replicas
	writer  *paths
	reader  *paths
	seed    uint64
}

func (x *hazards) some() int { return rapid.IntRange(1, len(x.servers)-1).Draw(x.T, "slot") }

func (x *hazards) path() *paths {
	if rapid.Bool().Draw(x.T, "writer") {
		return x.writer
	}
	return x.reader
}

// calm waits until all replicas in reach know of all updates.
func (x *hazards) calm() {
	x.c.settle()
	time.Sleep(time.Second)
}

func (x *hazards) kill() {
	x.calm()
	s := x.servers[x.some()]
	if s.Vice() != nil {
		s.Kill()
	}
}

func (x *hazards) losePower() {
	x.calm()
	s := x.servers[x.some()]
	if x.seed++; s.Vice() != nil {
		s.LosePower(x.seed)
	}
}

// wait lets some time pass, in which it is noticed that replicas are gone.
func (x *hazards) wait() {
	time.Sleep(time.Duration(rapid.SampledFrom([]int{1, 100, 5000, 20000}).Draw(x.T, "milliseconds")) * time.Millisecond)
}

// compare has the servers take the log, and compares what the other client sees with the model.
func (x *hazards) compare() {
	x.sync()
	synctest.Wait() // the breaks have arrived
	require.Equal(x.T, x.m.tree(), x.reader.tree())
}

func (x *hazards) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){"": func(*rapid.T) { x.check() }}
	for name, do := range map[string]func(){
		"write": x.write, "overwrite": x.write, "mkdir": x.mkdir, "symlink": x.symlink, "link": x.link, "remove": x.remove, "rename": x.rename,
		"attributes": x.attributes, "compare": x.compare, "wait": x.wait, "kill": x.kill, "losePower": x.losePower,
		"cut": func() { x.calm(); x.path().cut(x.some()) },
	} {
		actions[name] = func(r *rapid.T) { x.T = r; do() }
	}
	return actions
}

// Whatever happens to the other replicas, clients that reach one which has everything see everything, as if it were alone.
func TestReplicasThatGo(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inBubble(t, r, func(t *testing.T, b bubbled) {
			servers := replicas(vicetest.StartReplicas(t, 3))
			x := &hazards{machine: machine{T: r, s: servers[0], m: newModel()}, servers: servers, writer: servers.client(b), reader: servers.client(b)}
			x.c = x.writer.client
			r.Repeat(x.actions())
			x.T = r
			x.compare()
			x.check()
		})
	})
}
