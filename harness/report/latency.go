package report

import (
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// latencyRow is how long one kind of operation took on one client.
type latencyRow struct {
	node string
	kind history.Kind
	*tally
}

// latencies lists all clients and kinds that there were: pages first, since that is what the visitors of a site wait for.
func (f *findings) latencies() []latencyRow {
	var rows []latencyRow
	for _, client := range f.digest.clients {
		for kind, tally := range client.kinds {
			if tally != nil {
				rows = append(rows, latencyRow{client.name, history.Kind(kind), tally})
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b latencyRow) int {
		return int(order(a.kind)) - int(order(b.kind))
	})
	return rows
}

// order puts pages before everything else.
func order(kind history.Kind) history.Kind {
	if kind == history.Page {
		return 0
	}
	return kind
}
