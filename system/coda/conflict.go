package coda

import (
	"fmt"
	"regexp"
)

// conflictForm is the form of the target of the link that stands for an object in conflict: Coda's, with room for longer numbers.
var conflictForm = regexp.MustCompile(`^@[0-9a-f]{8,16}\.[0-9a-f]{8,16}\.[0-9a-f]{8,16}(@[^/]*\.)?$`)

// realm stands in the targets of conflicts' links where Coda has the name of the cell.
const realm = "localhost"

// ConflictTarget is the target of the symlink that stands for an object in conflict. Nothing has such a name, so that the link leads nowhere.
func ConflictTarget(f Fid) string {
	return fmt.Sprintf("@%08x.%08x.%08x@%s.", f.Volume, f.Vnode, f.Unique, realm)
}

// IsConflictTarget reports whether a text has the form of ConflictTarget, with or without a realm. Nobody may give something that name, or make a
// symlink with that target.
func IsConflictTarget(s string) bool { return conflictForm.MatchString(s) }
