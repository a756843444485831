package vice

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// claim is what an update has bound a name to. A name can have several, by updates that did not see each other.
type claim struct {
	update  coda.StoreID
	removal coda.StoreID // of an object that came back: the removal that had not seen the update; otherwise zero
	entry   coda.Entry
}

// claimNews reports whether a claim of the other replica is one that this one has not seen. One of an object that came back has been seen by those
// who know both the update and the removal.
func (j *join) claimNews(c claim) bool { return j.news(c.update) || j.news(c.removal) }

// claimKnown reports whether the other replica has seen a claim of this one.
func (j *join) claimKnown(c claim) bool { return j.known(c.update) && j.known(c.removal) }

func (c claim) compare(d claim) int {
	return cmp.Or(compareUpdates(c.update, d.update), compareUpdates(c.removal, d.removal))
}

// A name's claims are the row at the name itself, and those at the aliases that were given to objects that had to leave the name to another one.

// row gives what is unsettled of a name; false where nothing is.
func (j *join) row(p location) (nameRow, bool, error) {
	if row, ok := j.names[p]; ok {
		return row, true, nil
	}
	return getName(j.base, p)
}

// getName reads what is unsettled of a name.
func getName(r pebble.Reader, p location) (row nameRow, ok bool, err error) {
	ok, err = get(r, renamedKey(p.dir, p.name), func(b []byte) (err error) {
		row, err = decodeName(p.dir, p.name, b)
		return err
	})
	return row, ok, err
}

// set makes a name stand for what a row says.
func (j *join) set(p location, row nameRow) error {
	if !row.entry.Fid.IsZero() {
		row.entry.Name = p.name
	}
	if err := j.noteDerived(p, row); err != nil {
		return err
	}
	if origin := (location{row.originDir, row.originName}); !origin.dir.IsZero() {
		j.noteAlias(j.aliases, origin, p)
	}
	if !row.update.IsZero() {
		j.names[p] = row
	}
	now, err := j.name(p.dir, p.name)
	if err != nil || now == row.entry {
		return err
	}
	if !now.Fid.IsZero() {
		j.move(now.Fid, p, -1)
		j.length[p.dir]--
	}
	if !row.entry.Fid.IsZero() {
		j.move(row.entry.Fid, p, +1)
		j.length[p.dir]++
	}
	j.entries[p.dir][p.name].now = row.entry
	j.after[p.dir] = true
	return nil
}

// noteDerived notes a row that resolution has derived, if it is new here.
func (j *join) noteDerived(p location, row nameRow) error {
	list := slices.DeleteFunc(j.derivations[p.dir], func(d derivation) bool { return d.at == p })
	j.derivations[p.dir] = list
	if !row.derived {
		return nil
	}
	before, ok, err := getName(j.base, p)
	if err == nil && (!ok || !bytes.Equal(before.shown(), row.shown())) {
		j.derivations[p.dir] = append(list, derivation{p, row})
	}
	return err
}

func (j *join) move(f coda.Fid, p location, by int) {
	if j.moves[f] == nil {
		j.moves[f] = map[location]int{}
	}
	j.moves[f][p] += by
	j.after[f] = true
}

// readAliases finds the aliases of all names, in both replicas.
func (j *join) readAliases() error {
	for p, row := range j.remote.names {
		if !row.originDir.IsZero() {
			j.noteAlias(j.theirAliases, location{row.originDir, row.originName}, p)
		}
	}
	return scanNames(j.base, func(p location, row nameRow) error {
		if !row.originDir.IsZero() {
			j.noteAlias(j.aliases, location{row.originDir, row.originName}, p)
		}
		return nil
	})
}

func (j *join) noteAlias(aliases map[location]map[location]bool, of, alias location) {
	if aliases[of] == nil {
		aliases[of] = map[location]bool{}
	}
	aliases[of][alias] = true
}

// joinNames goes through the names about which the other replica says something.
func (j *join) joinNames() error {
	if err := j.readAliases(); err != nil {
		return err
	}
	asked := map[location]bool{}
	for p, row := range j.remote.names {
		if row.originDir.IsZero() {
			asked[p] = true
		} else {
			asked[location{row.originDir, row.originName}] = true
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(asked), location.compare) {
		if err := j.joinName(p); err != nil {
			return fmt.Errorf("name %q in %v: %w", p.name, p.dir, err)
		}
	}
	return nil
}

// claimsHere gives this replica's row of a name, and all claims on the name.
func (j *join) claimsHere(p location) (row nameRow, ok bool, claims []claim, err error) {
	row, ok, err = j.row(p)
	if err != nil {
		return row, ok, nil, err
	}
	if !row.originDir.IsZero() { // the name is the alias of another one
		row, ok = nameRow{}, false
	}
	claims = addClaim(claims, row)
	for a := range j.aliases[p] {
		other, _, err := j.row(a)
		if err != nil {
			return row, ok, nil, err
		}
		if other.originDir == p.dir && other.originName == p.name {
			claims = addClaim(claims, other)
		}
	}
	return row, ok, claims, nil
}

// claimsThere is claimsHere of the other replica.
func (j *join) claimsThere(p location) (row nameRow, ok bool, claims []claim) {
	row, ok = j.remote.names[p]
	if !row.originDir.IsZero() {
		row, ok = nameRow{}, false
	}
	claims = addClaim(claims, row)
	for a := range j.theirAliases[p] {
		claims = addClaim(claims, j.remote.names[a])
	}
	return row, ok, claims
}

func addClaim(claims []claim, row nameRow) []claim {
	if row.entry.Fid.IsZero() {
		return claims
	}
	entry := coda.Entry{Fid: row.entry.Fid, Kind: row.entry.Kind}
	claims = append(claims, claim{row.update, row.removal, entry})
	for _, a := range row.also {
		claims = append(claims, claim{a.update, a.removal, entry})
	}
	return claims
}

// joinName joins the claims on a name: those that both have, and those of one that the other one has not seen. A claim that a replica has seen and
// does not have any more was superseded there.
func (j *join) joinName(p location) error {
	mine, unsettled, here, err := j.claimsHere(p)
	if err != nil {
		return err
	}
	theirs, told, there := j.claimsThere(p)
	if !unsettled && len(here) == 0 {
		return j.joinUntouched(p, theirs, told, there)
	}
	now, err := j.name(p.dir, p.name)
	if err != nil {
		return err
	}
	_, anyRow, err := j.row(p)
	if err != nil {
		return err
	}
	if !anyRow && !now.Fid.IsZero() { // what keeps the name is settled, and only an alias beside it is not
		here = append(here, claim{entry: coda.Entry{Fid: now.Fid, Kind: now.Kind}})
	}
	superseded := told && j.news(theirs.update)
	var joined []claim
	for _, c := range here {
		// Of a claim that is settled the other replica may have forgotten the row. Only an update of the name itself has superseded it then.
		forgotten := j.remote.known.find(c.update) == nil && (!superseded || c.entry.Fid != now.Fid)
		if slices.Contains(there, c) || !j.claimKnown(c) || forgotten {
			joined = append(joined, c)
		}
	}
	for _, c := range there {
		filled := j.remote.everything && c.update.IsZero() && !mine.entry.Fid.IsZero()
		if !slices.Contains(here, c) && (j.claimNews(c) || filled) {
			joined = append(joined, c)
		}
	}
	if len(joined) > 0 {
		return j.show(p, joined)
	}
	return j.showNothing(p, mine, theirs, unsettled, told)
}

// joinUntouched is for a name about which this replica keeps nothing.
func (j *join) joinUntouched(p location, theirs nameRow, told bool, there []claim) error {
	now, err := j.name(p.dir, p.name)
	if err != nil {
		return err
	}
	news := told && j.news(theirs.update)
	var joined []claim
	for _, c := range there {
		filled := j.remote.everything && c.update.IsZero() && now.Fid.IsZero()
		if j.claimNews(c) || filled {
			joined = append(joined, c)
		}
	}
	switch {
	case len(joined) > 0:
		return j.show(p, joined)
	case news:
		return j.set(p, theirs)
	default:
		return nil
	}
}

// showNothing is for a name on which there is no claim any more.
func (j *join) showNothing(p location, mine, theirs nameRow, unsettled, told bool) error {
	row := mine
	switch {
	case !unsettled && !told:
		return j.hideAliases(p, nil)
	case !unsettled || !mine.entry.Fid.IsZero():
		row = theirs
	case !told || !theirs.entry.Fid.IsZero():
	case mine.update == theirs.update && theirs.derived:
		row = theirs
	case mine.update != theirs.update && compareUpdates(theirs.update, mine.update) < 0:
		row = theirs
	}
	if !row.entry.Fid.IsZero() { // both were superseded, by what both have forgotten
		row.entry = coda.Entry{}
	}
	if err := j.hideAliases(p, nil); err != nil {
		return err
	}
	return j.set(p, row)
}

// show gives the name to the object of the first of the claims, in an order without meaning, and aliases to the others.
func (j *join) show(p location, claims []claim) error {
	slices.SortFunc(claims, claim.compare)
	rows := map[coda.Fid]*nameRow{}
	var order []*nameRow
	for _, c := range slices.Compact(claims) {
		if row := rows[c.entry.Fid]; row != nil {
			row.also = append(row.also, reason{c.update, c.removal})
			continue
		}
		row := &nameRow{update: c.update, removal: c.removal, derived: !c.removal.IsZero(), entry: c.entry}
		rows[c.entry.Fid] = row
		order = append(order, row)
	}
	delete(rows, order[0].entry.Fid)
	if err := j.hideAliases(p, rows); err != nil {
		return err
	}
	row, ok, err := j.row(p)
	if err != nil {
		return err
	}
	winner := *order[0]
	winner.entry.Name = p.name
	if !ok || !row.same(winner) {
		if err := j.makeRoom(p, row); err != nil {
			return err
		}
		if err := j.set(p, winner); err != nil {
			return err
		}
	}
	for _, row := range order[1:] {
		if err := j.showAlias(p, *row); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom moves on an alias of another name that stands where a name's own object has to be.
func (j *join) makeRoom(p location, row nameRow) error {
	if row.originDir.IsZero() || row.entry.Fid.IsZero() {
		return nil
	}
	if err := j.set(p, nameRow{update: row.update, derived: true}); err != nil {
		return err
	}
	return j.put(location{p.dir, alias(p.name, row.entry.Fid)}, row)
}

// showAlias gives an object a name beside the one that it had to leave, if it has none yet.
func (j *join) showAlias(p location, row nameRow) error {
	row.derived, row.originDir, row.originName = true, p.dir, p.name
	for _, a := range slices.SortedFunc(maps.Keys(j.aliases[p]), location.compare) {
		there, _, err := j.row(a)
		if err != nil {
			return err
		}
		if there.entry.Fid == row.entry.Fid && there.originDir == p.dir && there.originName == p.name {
			return j.moveAlias(p, a, row)
		}
	}
	return j.put(location{p.dir, alias(p.name, row.entry.Fid)}, row)
}

// moveAlias renews the alias that an object has, and moves it to where the other replica has it when that comes first: all have to end with the same.
func (j *join) moveAlias(of, from location, row nameRow) error {
	to := from
	for a := range j.theirAliases[of] {
		if j.remote.names[a].entry.Fid != row.entry.Fid || a.compare(to) >= 0 {
			continue
		}
		free, err := j.freeFor(a, row)
		if err != nil {
			return err
		}
		if free {
			to = a
		}
	}
	if to != from {
		old := row
		old.entry = coda.Entry{}
		if err := j.set(from, old); err != nil {
			return err
		}
	}
	return j.set(to, row)
}

// hideAliases takes back the aliases of a name, but those of some objects.
func (j *join) hideAliases(p location, but map[coda.Fid]*nameRow) error {
	for _, a := range slices.SortedFunc(maps.Keys(j.aliases[p]), location.compare) {
		row, _, err := j.row(a)
		if err != nil {
			return err
		}
		if _, stays := but[row.entry.Fid]; stays || row.entry.Fid.IsZero() || row.originDir != p.dir || row.originName != p.name {
			continue
		}
		row.entry = coda.Entry{}
		if err := j.set(a, row); err != nil {
			return err
		}
	}
	return nil
}

// put sets a row that resolution derives, at the place or beside it when that is taken.
func (j *join) put(p location, row nameRow) error {
	row.derived = true
	for {
		free, err := j.freeFor(p, row)
		if err != nil {
			return err
		}
		if free {
			return j.set(p, row)
		}
		p.name = alias(p.name, row.entry.Fid)
	}
}

// freeFor reports whether an alias can be at a place: nothing else has the name, and nothing is to be remembered of it.
func (j *join) freeFor(p location, row nameRow) (bool, error) {
	now, err := j.name(p.dir, p.name)
	if err != nil || (!now.Fid.IsZero() && now.Fid != row.entry.Fid) {
		return false, err
	}
	there, ok, err := j.row(p)
	return !ok || !there.originDir.IsZero(), err
}

// alias is the name that an object gets beside another one that keeps the name.
func alias(name string, f coda.Fid) string {
	suffix := fmt.Sprintf("~%x", f.Unique)
	return name[:min(len(name), coda.MaxNameLength-len(suffix))] + suffix
}

// free takes a name from an object that has another one.
func (j *join) free(p location) error {
	row, ok, err := j.row(p)
	if err != nil {
		return err
	}
	row.entry, row.derived = coda.Entry{}, true
	if !ok { // the name is settled: nothing is kept of it
		row = nameRow{derived: true}
	}
	return j.set(p, row)
}
