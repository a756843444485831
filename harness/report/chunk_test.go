package report_test

import (
	"github.com/codastress/codastress/harness/history"
)

// chunk is what a node sends when it has done some operations, of which another is still pending.
func chunk(node string, operations int) []byte {
	var emitted [][]byte
	recorder := history.NewRecorder(node, func(chunk []byte) { emitted = append(emitted, chunk) })
	worker := recorder.Worker()
	for range operations {
		worker.Begin(history.Stat, "www", "").End(history.End{Outcome: history.OK})
	}
	worker.Begin(history.Stat, "www", "")
	recorder.Close()
	return emitted[0]
}
