package clustertest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// Start starts a cluster of stubs, with one server and two clients, for a test, and ends it with that.
func Start(t *testing.T, driver Driver) *cluster.Cluster {
	t.Helper()
	b := bench{driver: driver, sweeper: driver, stub: BuildStub(t)}
	return b.start(t, b.spec(t))
}

// A Talk is a connection through a link to server1, which answers each word that it hears.
type Talk struct {
	t       *testing.T
	cluster *cluster.Cluster
	from    *cluster.Node
	name    string
}

// Begin connects a client to server1. Names of talks are not used twice.
func Begin(t *testing.T, c *cluster.Cluster, client, name string) *Talk {
	t.Helper()
	talk := &Talk{t: t, cluster: c, from: node(t, c, client), name: name}
	talk.do("open", "")
	return talk
}

// do carries out a task of the stub's, and gives its answer.
func (k *Talk) do(task, word string) uint64 {
	k.t.Helper()
	return do(k.t, k.from, task, map[string]string{"talk": k.name, "peer": "server1", "word": word})
}

func do(t *testing.T, on *cluster.Node, task string, args map[string]string) uint64 {
	t.Helper()
	load, err := on.RunTask(bounded(t), history.Step{Task: task, Args: args}, func([]byte) {})
	require.NoError(t, err)
	return load.Done
}

// Say says a word, and waits for nothing.
func (k *Talk) Say(word string) {
	k.t.Helper()
	k.do("say", word)
}

// Try says a word with some more bytes behind it, on a connection that may end meanwhile.
func (k *Talk) Try(word string, more int) {
	k.t.Helper()
	k.do("try", word+" "+strings.Repeat("x", more))
}

// Ask says a word with some more bytes behind it, and gives how long the answer took.
func (k *Talk) Ask(word string, more int) time.Duration {
	k.t.Helper()
	return time.Duration(k.do("ask", word+" "+strings.Repeat("x", more))) * time.Microsecond
}

// Answered is how many words were answered so far.
func (k *Talk) Answered() int {
	k.t.Helper()
	return int(k.do("answered", ""))
}

// WasReset says whether the connection was reset.
func (k *Talk) WasReset() bool {
	k.t.Helper()
	return k.do("reset", "") == 1
}

// HasEnded says whether the connection has ended, in any way.
func (k *Talk) HasEnded() bool {
	k.t.Helper()
	return k.do("ended", "") == 1
}

// Heard is how often the server has heard a word, whoever said it.
func (k *Talk) Heard(word string) int {
	k.t.Helper()
	return int(do(k.t, node(k.t, k.cluster, "server1"), "heard", map[string]string{"word": word}))
}

// Word is the word with a number.
func (k *Talk) Word(number int) string { return k.name + "-" + strconv.Itoa(number) }

// Eventually waits until something holds.
func Eventually(t *testing.T, holds func() bool, what string) {
	t.Helper()
	eventually(t, holds, what)
}
