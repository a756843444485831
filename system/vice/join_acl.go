package vice

import (
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// Each change of an ACL that is not settled is kept with the ACL that it set and with the changes that were there when it was made. What replicas have applied
// together can differ in the latter, and joining adds it up. So the ACL is a function of the changes and not of the order in which replicas are joined.

// addACL adds a change that has seen those before it.
func addACL(acls []aclUpdate, a aclUpdate) []aclUpdate {
	for _, before := range acls {
		a.seen = addUpdate(a.seen, before.update)
	}
	return insertACL(slices.Clone(acls), a)
}

func insertACL(acls []aclUpdate, a aclUpdate) []aclUpdate {
	i, _ := findACL(acls, a.update)
	return slices.Insert(acls, i, a)
}

func findACL(acls []aclUpdate, update coda.StoreID) (at int, found bool) {
	return slices.BinarySearchFunc(acls, update, func(a aclUpdate, u coda.StoreID) int { return compareUpdates(a.update, u) })
}

// addUpdate adds to a set of updates.
func addUpdate(set []coda.StoreID, update coda.StoreID) []coda.StoreID {
	i, found := slices.BinarySearchFunc(set, update, compareUpdates)
	if found {
		return set
	}
	return slices.Insert(slices.Clone(set), i, update)
}

// joinACLs joins the changes of a directory's ACL that two replicas keep. What the other one keeps and this one has forgotten is settled; what this one
// keeps and the other one has forgotten was there when the other one's changes were made.
func (j *join) joinACLs(mine, theirs []aclUpdate) []aclUpdate {
	var forgotten []coda.StoreID
	for _, a := range mine {
		_, kept := findACL(theirs, a.update)
		if b := j.local.find(a.update); !kept && (b == nil || b.everywhere) {
			forgotten = append(forgotten, a.update)
		}
	}
	joined := slices.Clone(mine)
	for _, a := range theirs {
		i, found := findACL(joined, a.update)
		switch {
		case found:
			for _, s := range a.seen {
				joined[i].seen = addUpdate(joined[i].seen, s)
			}
		case j.news(a.update):
			for _, s := range forgotten {
				a.seen = addUpdate(a.seen, s)
			}
			joined = insertACL(joined, a)
		}
	}
	return joined
}

// takeACL gives a directory the ACL that the changes leave.
func (j *join) takeACL(f coda.Fid, acls []aclUpdate) {
	if !f.IsDirectory() {
		return
	}
	theirs := j.remote.objects[f].status
	switch {
	case len(acls) > 0:
		j.writable(f).status.ACL = aclOf(acls)
	case j.remote.everything && theirs != nil: // this replica may have lost what is settled
		j.writable(f).status.ACL = theirs.ACL
	}
}

// aclOf gives the ACL that changes leave. Who had seen another change supersedes it. Of several that did not see each other, or each the other in the order in
// which different replicas had them, what all grant and none denies is left: nobody keeps a right that one of them took.
func aclOf(acls []aclUpdate) coda.ACL {
	sees := map[coda.StoreID]map[coda.StoreID]bool{}
	for _, a := range acls {
		sees[a.update] = allSeen(acls, a.update)
	}
	met, first := coda.ACL(""), true
	for _, a := range acls {
		superseded := slices.ContainsFunc(acls, func(b aclUpdate) bool { return sees[b.update][a.update] && !sees[a.update][b.update] })
		switch {
		case superseded:
		case first:
			met, first = a.acl, false
		default:
			met = met.Meet(a.acl)
		}
	}
	return met
}

// allSeen gives what a change has seen, by way of others as well.
func allSeen(acls []aclUpdate, update coda.StoreID) map[coda.StoreID]bool {
	seen := map[coda.StoreID]bool{}
	for next := []coda.StoreID{update}; len(next) > 0; next = next[1:] {
		i, found := findACL(acls, next[0])
		if !found {
			continue
		}
		for _, s := range acls[i].seen {
			if !seen[s] {
				seen[s] = true
				next = append(next, s)
			}
		}
	}
	return seen
}
