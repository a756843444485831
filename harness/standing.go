package harness

import (
	"sync"

	"github.com/codastress/codastress/harness/history"
)

// standing is what daemons of nodes could not do, by the faults of the run so far, as history.Run.CutTimes says it afterwards.
type standing struct {
	mu     sync.Mutex
	faults []history.Fault
}

// begin says that a fault with some cuts begins. Until ended is called with its record, it is taken to be there for ever.
func (s *standing) begin(cuts []history.Cut) (ended func(record history.Fault)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := len(s.faults)
	s.faults = append(s.faults, history.Fault{Cuts: cuts, Injecting: history.Now()})
	return func(record history.Fault) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults[at] = record
	}
}

// of is when operations of a kind on a node had an excuse.
func (s *standing) of(node string, kind history.Kind) history.Intervals {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := history.Run{Faults: s.faults}
	return run.CutTimes(func(_ *history.Fault, cut history.Cut) bool { return cut.Node == node && cut.Stops(kind) })[node]
}
