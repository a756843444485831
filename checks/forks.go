package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// forks finds lost updates: of two edits of one content by different clients only one can be in place, and of what was edited nothing can. An edit is
// based on what it found when it opened the file, and says what that was. A write that replaces a file as a whole may be based on any version that its
// client had heard of when it opened it: see unheard.
func (v *versions) forks() {
	children := map[uint32][]int{} // of each content one edit of each client
	for i, row := range v.operations.Rows() {
		if row.Outcome != history.OK || row.Content == 0 {
			continue
		}
		parent := parentOf(v.operations, row)
		if parent == 0 || !v.stands(i) {
			continue
		}
		if v.final[parent] {
			v.told[row.Path] = true
			v.failAt(row.Path, fmt.Sprintf("%s: what %s edited is there in the end, although its edit was acknowledged",
				v.operations.Path(row.Path), v.node(i)), v.rowOf(parent), i)
		}
		known := false
		for _, first := range children[parent] {
			if v.node(first) == v.node(i) {
				// Two that were open at the same time are one to the server. Of two that followed each other, the second should have found the first.
				if known = true; v.run.Meta.Foreign() || !v.oneAfterTheOther(first, i) {
					continue
				}
				v.told[row.Path] = true
				v.failAt(row.Path, fmt.Sprintf("%s: %s edited it twice, and the second time found what it had edited before%s",
					v.operations.Path(row.Path), v.node(i), v.inPlace(row)), v.rowOf(parent), first, i)
				break
			}
			if !v.merges.join(v.operations.Row(first), row) {
				v.told[row.Path] = true
				v.failAt(row.Path, fmt.Sprintf("%s: %s and %s edited the same content, both were acknowledged, and neither is kept as a conflict%s",
					v.operations.Path(row.Path), v.node(first), v.node(i), v.inPlace(row)), v.rowOf(parent), first, i)
				break
			}
		}
		if !known {
			children[parent] = append(children[parent], i)
		}
	}
}

// oneAfterTheOther says whether one of two operations was over before the other began.
func (v *versions) oneAfterTheOther(one, other int) bool {
	a, b := v.operations.Row(one), v.operations.Row(other)
	return a.Completed < b.Invoked || b.Completed < a.Invoked
}

func (v *versions) node(i int) string { return v.operations.Node(v.operations.Row(i).Worker) }

// unheard finds updates that were lost without any edit to tell what they were based on: two clients wrote to a file while they cannot have heard of each
// other, so that neither write was based on the other one, and one of them has to be kept as a conflict.
func (v *versions) unheard() {
	if len(v.separations) == 0 {
		return
	}
	var writes []int
	for i, row := range v.operations.Rows() {
		if row.Kind.Writes() && row.Outcome == history.OK && row.Content != 0 {
			writes = append(writes, i)
		}
	}
	slices.SortFunc(writes, func(a, b int) int { return cmp.Compare(v.operations.Row(a).Invoked, v.operations.Row(b).Invoked) })
	for _, s := range v.separations {
		first, _ := slices.BinarySearchFunc(writes, s.From, func(i int, from history.Time) int { return cmp.Compare(v.operations.Row(i).Invoked, from) })
		lasts := map[uint32]*[2]int{} // by path: of each of the two, plus one. What went before it is in its log no more.
		var paths []uint32
		for _, i := range writes[first:] {
			row := v.operations.Row(i)
			if row.Invoked >= s.To {
				break
			}
			side := slices.Index([]string{s.one, s.other}, v.node(i))
			if side < 0 || row.Completed > s.To {
				continue
			}
			if lasts[row.Path] == nil {
				lasts[row.Path] = &[2]int{}
				paths = append(paths, row.Path)
			}
			lasts[row.Path][side] = i + 1
		}
		for _, path := range paths {
			if both := lasts[path]; both[0] != 0 && both[1] != 0 && !v.told[path] && v.parted(path, both[0]-1, both[1]-1) {
				v.told[path] = true
				v.failAt(path, fmt.Sprintf("%s: %s and %s wrote to it while they cannot have heard of each other, both were acknowledged, and neither is kept as a conflict%s",
					v.operations.Path(path), s.one, s.other, v.inPlace(v.operations.Row(both[0]-1))), both[0]-1, both[1]-1)
			}
		}
	}
}

// parted says whether two writes that did not know of each other were both taken, one in the place of the other.
func (v *versions) parted(path uint32, one, other int) bool {
	a, b := v.operations.Row(one), v.operations.Row(other)
	switch {
	case v.mayHaveMoved(path):
		return false // they may have been different files, or replicas kept both
	case v.final[a.Content] && v.final[b.Content], v.merges.join(a, b):
		return false
	}
	for _, i := range v.mutations.of(path) {
		if take := v.operations.Row(int(i)); takesAway(take) && v.contents.takenEffect(take) >= min(a.Invoked, b.Invoked) {
			return false // it was made anew
		}
	}
	return v.stands(one) && v.stands(other)
}

// mayHaveMoved says whether a file of the name may have had other names, or replicas may have kept two.
func (v *versions) mayHaveMoved(path uint32) bool {
	return v.groups.shared(path) || v.groups.below(v.operations.Path(path)) || len(v.groups.connected(path)) > 0 ||
		len(v.run.Meta.Servers) > 1 && (v.conflicts.about(v.contents, path) || v.hasAlias(path))
}

// hasAlias says whether replicas have put something beside a name.
func (v *versions) hasAlias(path uint32) bool {
	return slices.ContainsFunc(v.lostData.final.Objects, func(o history.Object) bool {
		beside, ok := aliasOf(v.run, o.Path)
		return ok && beside == v.operations.Path(path)
	})
}

// mostLinks bounds what is shown of a chain of versions.
const mostLinks = 6

// inPlace says in words which versions what is in the place of a content came from, "" where it is no edit.
func (v *versions) inPlace(row *history.Row) string {
	i := v.inItsPlace(row)
	if i < 0 || parentOf(v.operations, v.operations.Row(i)) == 0 {
		return ""
	}
	return "; there is " + strings.Join(chain(v.contents, v.operations.Row(i).Content), ", which edited ")
}

// chain describes a content and those that it was edited from, one after the other.
func chain(c *contents, content uint32) []string {
	var links []string
	for len(links) < mostLinks {
		write := c.write(content)
		if write == nil {
			break
		}
		links = append(links, fmt.Sprintf("%.8s of %s", c.operations.Nonce(content), c.operations.Node(write.Worker)))
		if content = parentOf(c.operations, write); content == 0 {
			break
		}
	}
	return links
}
