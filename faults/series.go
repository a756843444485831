package faults

import "context"

// A series is what a fault does over and over, from its injection until it is healed.
type series struct {
	stop func() // nil before begin
}

// begin does a round after the other, in a goroutine of its own, until end. It outlives ctx, which bounds the injection alone.
func (s *series) begin(ctx context.Context, round func(ctx context.Context)) {
	rounds, cancel := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	go func() {
		defer close(over)
		for rounds.Err() == nil {
			round(rounds)
		}
	}()
	s.stop = func() {
		cancel()
		<-over
	}
}

// end ends the series, where it has begun, and waits for the round that is under way.
func (s *series) end() {
	if s.stop != nil {
		s.stop()
	}
}
