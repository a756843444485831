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
