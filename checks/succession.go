package checks

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/codastress/codastress/harness/history"
)

// A zone is a version that was written and those that were edited from it, one after the other, with nothing in between. Of their times two matter: when
// something of it was done first, and when something of it began last.
type zone struct {
	done, begun history.Time
	first, last int  // their rows
	ends        bool // it has what is there in the end
}

// forced says whether all of a zone must have come before all of another: something of it was done before something of the other began.
func (z *zone) forced(before *zone) bool { return z.done < before.begun }

// succession looks whether the acknowledged versions of a file can have followed each other. A server takes a version only on top of the one that its client
// had, and so all those that it took are in one order, each changed while the one before it was there: an order of moments, of which each is within its
// operation. The last one is there in the end. With edits that stand behind what they edited, whether there is such an order is what the algorithm of Gibbons
// and Korach decides for a register ("Testing shared memories", 1997), in n log n: no zones that are each forced before the other.
//
// Files that had other names, or that were removed, are left out: there a name is no register.
func (v *versions) succession() {
	if v.run.Meta.Foreign() {
		return // nothing is certified there
	}
	contentAt := make([]uint32, max(v.writes.paths(), v.operations.Paths()))
	for i := range v.lostData.final.Objects {
		o := &v.lostData.final.Objects[i]
		if path, known := v.operations.FindPath(o.Path); known {
			contentAt[path] = v.stateOf(o).content
		}
	}
	for path := range uint32(v.writes.paths()) {
		if last := contentAt[path]; last != 0 && !v.plain(path, last) && !v.told[path] && v.isOneFile(path) {
			v.succeed(path, last)
		}
	}
}

// plain says whether nothing can be wrong with the order of a file: whatever was written to it began before the last version was done, no client is known
// not to have heard of it, and no edit has to follow what it edited.
func (v *versions) plain(path, last uint32) bool {
	if len(v.separations) > 0 {
		return false
	}
	return !slices.ContainsFunc(v.writes.of(path), func(i uint32) bool {
		row := v.operations.Row(int(i))
		return row.Kind != history.Write || row.Content != last && row.Invoked > v.contents.by[last]
	})
}

// isOneFile says whether a name was that of one file from its creation on.
func (v *versions) isOneFile(path uint32) bool {
	return !v.mayHaveMoved(path) && !slices.ContainsFunc(v.mutations.of(path), func(i uint32) bool { return takesAway(v.operations.Row(int(i))) })
}

// succeed judges one file.
func (v *versions) succeed(path, last uint32) {
	zones, ok := v.zones(path, last)
	if !ok {
		return
	}
	end := slices.IndexFunc(zones, func(z zone) bool { return z.ends })
	if end < 0 {
		return
	}
	name := v.operations.Path(path)
	for i := range zones {
		if i != end && zones[end].forced(&zones[i]) {
			row := v.operations.Row(zones[i].last)
			v.failAt(path, v.loss(row)+v.inPlace(row), v.rowOf(last), zones[end].first, zones[i].last)
			return
		}
	}
	if row := v.unheardBefore(path, last); row != nil {
		v.failAt(path, v.loss(row)+v.inPlace(row), v.rowOf(last), v.rowOf(row.Content))
		return
	}
	if one, other := crossed(zones); one != nil {
		v.failAt(path, fmt.Sprintf("%s: what %s and %s made of it was acknowledged, cannot have been in place one after the other, and none is kept as a conflict%s",
			name, v.node(one.last), v.node(other.last), v.inPlace(v.operations.Row(one.last))), one.first, one.last, other.first, other.last)
	}
}

// unheardBefore is a version of which the client of the last one cannot have heard: then it cannot have been in place before.
func (v *versions) unheardBefore(path, last uint32) *history.Row {
	end := v.contents.write(last)
	for _, s := range v.separations {
		by := v.contents.by[last]
		if node := v.operations.Node(end.Worker); node != s.one && node != s.other || by <= s.From || by > s.To {
			continue
		}
		for _, i := range v.writes.of(path) {
			row := v.operations.Row(int(i))
			node := v.operations.Node(row.Worker)
			if (node == s.one || node == s.other) && node != v.operations.Node(end.Worker) && row.Invoked >= s.From && row.Invoked < by && v.taken(row, path) {
				return row
			}
		}
	}
	return nil
}

// taken says whether the server must have taken a version, or one that its client put in its place.
func (v *versions) taken(row *history.Row, path uint32) bool {
	return row.Outcome == history.OK && row.Content != 0 && v.excuse(row, path) == none && !v.merges.kept(row)
}

// zones are the runs of versions of a file. ok is false where something else of it is known to be lost, or to have come from elsewhere.
func (v *versions) zones(path, last uint32) (zones []zone, ok bool) {
	number := map[uint32]int{} // of a content, the zone that it is in, plus one
	for _, i := range v.writes.of(path) {
		row := v.operations.Row(int(i))
		if row.Content != last && !v.taken(row, path) {
			continue
		}
		if !v.accounted[row.Content] {
			return nil, false
		}
		parent := parentOf(v.operations, row)
		if write := v.contents.write(parent); write != nil && write.Path != path {
			return nil, false
		}
		in := number[parent] // by their begin: what was edited comes first
		if parent == 0 || in == 0 {
			zones = append(zones, zone{done: history.Forever, first: int(i), last: int(i)})
			in = len(zones)
		}
		number[row.Content] = in
		z := &zones[in-1]
		if by := v.contents.by[row.Content]; by < z.done {
			z.done, z.first = by, int(i)
		}
		if row.Invoked >= z.begun {
			z.begun, z.last = row.Invoked, int(i)
		}
		z.ends = z.ends || row.Content == last
	}
	return zones, true
}

// crossed finds two zones of which each is forced before the other.
func crossed(zones []zone) (one, other *zone) {
	var forward []*zone
	for i := range zones {
		if zones[i].done < zones[i].begun {
			forward = append(forward, &zones[i])
		}
	}
	slices.SortFunc(forward, func(a, b *zone) int { return cmp.Compare(a.done, b.done) })
	for i := range forward {
		if i > 0 && forward[i].done < forward[i-1].begun {
			return forward[i-1], forward[i]
		}
	}
	for i := range zones {
		z := &zones[i]
		if z.done < z.begun {
			continue
		}
		// Those before it do not overlap: only the last that begins before it can hold it.
		n := sort.Search(len(forward), func(k int) bool { return forward[k].done >= z.begun })
		if n > 0 && z.done < forward[n-1].begun {
			return forward[n-1], z
		}
	}
	return nil, nil
}
