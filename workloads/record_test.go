package workloads

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// A bench is a node with a plain directory and a history that can be read back.
type bench struct {
	Environment
	root   string
	chunks *[][]byte
}

func newBench(t *testing.T) *bench {
	t.Helper()
	var chunks [][]byte
	recorder := history.NewRecorder("client1", func(chunk []byte) { chunks = append(chunks, chunk) })
	t.Cleanup(recorder.Close)
	root := t.TempDir()
	return &bench{root: root, chunks: &chunks, Environment: Environment{
		Node: "client1", Files: LocalDirectory{Root: root}, Recorder: recorder,
		Log: slog.New(slog.DiscardHandler), Patience: 5 * time.Second,
	}}
}

// serve adds a web server of the directory, or with another handler.
func (b *bench) serve(t *testing.T, handler http.Handler) {
	t.Helper()
	if handler == nil {
		handler = http.FileServer(http.Dir(b.root))
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	b.WebURL = server.URL
}

// recorded returns the history so far, in the order in which operations ended.
func (b *bench) recorded(t *testing.T) []history.Operation {
	t.Helper()
	b.Recorder.Flush()
	operations, err := history.Chunks(*b.chunks...)
	require.NoError(t, err)
	return slices.DeleteFunc(slices.Collect(operations.All()), func(op history.Operation) bool { return op.Outcome == 0 })
}
