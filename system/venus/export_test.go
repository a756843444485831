package venus

import "github.com/codastress/codastress/system/coda"

// KeepWholeLog has nothing taken out of the log because of what is logged later.
func (v *Venus) KeepWholeLog() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wholeLog = true
}

// Frozen gives the records of the batch that is under way.
func (v *Venus) Frozen() (list []coda.Record) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for r := v.log.head; r != nil; r = r.next {
		if r.frozen {
			list = append(list, r.Record)
		}
	}
	return list
}

// ShowToken has the user log in.
func (v *Venus) ShowToken() {
	v.mu.Lock()
	v.policies.tokens.loggedIn()
	v.review()
	v.mu.Unlock()
	v.wakeReintegrator()
}

// Unreachable is a state for Lead.
const Unreachable = volumeUnreachable

// Lead has the volume go to a state that follows from nothing.
func (v *Venus) Lead(to volumeState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.policies.transitions.lead(to)
}

// Words names a state as the profile does.
func (v *Venus) Words(s volumeState) string { return s.of(v.cfg.Profile) }
