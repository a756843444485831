package history

// Window is when a fault was there: it is empty for one that was never injected, and has no end for one that was never healed.
func (f *Fault) Window() Interval {
	if f.Injecting == 0 {
		return Interval{}
	}
	to := f.Recovered
	if to == 0 {
		to = Forever
	}
	return Interval{From: f.Injecting, To: to}
}

// Standstills is when the own daemon of each node could not work, by the cuts of the faults. A link that is cut is no excuse: calls must
// return all the same.
func (r *Run) Standstills() map[string]Intervals {
	return r.CutTimes(func(_ *Fault, cut Cut) bool { return cut.Stops(Read) })
}

// Visits is when nobody was to wait for a page of each node: its own daemon could not work, or its web server.
func (r *Run) Visits() map[string]Intervals {
	return r.CutTimes(func(_ *Fault, cut Cut) bool { return cut.Stops(Page) })
}

// Stops says whether a cut keeps operations of a kind on its node from their end.
func (c Cut) Stops(kind Kind) bool { return c.Peer == "" && (c.Daemon == "" || kind == Page) }

// CutTimes is when the cuts that count were there, by their node.
func (r *Run) CutTimes(counts func(fault *Fault, cut Cut) bool) map[string]Intervals {
	windows := map[string][]Interval{}
	for i := range r.Faults {
		fault := &r.Faults[i]
		for _, cut := range fault.Cuts {
			if counts(fault, cut) {
				windows[cut.Node] = append(windows[cut.Node], fault.Window())
			}
		}
	}
	times := make(map[string]Intervals, len(windows))
	for node, each := range windows {
		times[node] = Union(each)
	}
	return times
}
