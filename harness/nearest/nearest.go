package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// Name returns the name that is nearest to what was written, where one is near enough to be meant: it differs in at most a third of
// the letters (rounded up), or begins with what was written. Of equally near names the first one wins.
func Name(written string, names []string) (string, bool) {
	best, least := "", (len([]rune(written))+2)/3+1
	for _, name := range names {
		if d := Distance(strings.ToLower(written), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	if best != "" {
		return best, true
	}
	for _, name := range names {
		if len(written) >= 3 && strings.HasPrefix(strings.ToLower(name), strings.ToLower(written)) {
			return name, true
		}
	}
	return "", false
}

// Unknown is what to say of a name that is none of names: it suggests the nearest one, or lists them all. The kind says what was
// named, as in "workload".
func Unknown(kind, written string, names []string) string {
	if name, ok := Name(written, names); ok {
		return fmt.Sprintf("unknown %s %q: did you mean %q?", kind, written, name)
	}
	if len(names) == 0 {
		return fmt.Sprintf("unknown %s %q: there is none", kind, written)
	}
	return fmt.Sprintf("unknown %s %q: there are %s", kind, written, strings.Join(slices.Sorted(slices.Values(names)), ", "))
}

// Distance counts the letters that must be inserted, removed, replaced or swapped with their neighbour to make one text of the other.
// No letter is touched twice.
func Distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	// Three rows of the table of the distances between all beginnings are enough: a swap looks two rows back.
	before, above, row := make([]int, len(to)+1), make([]int, len(to)+1), make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(from); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(to); j++ {
			replaced := above[j-1]
			if from[i-1] != to[j-1] {
				replaced++
			}
			row[j] = min(above[j]+1, row[j-1]+1, replaced)
			if i > 1 && j > 1 && from[i-1] == to[j-2] && from[i-2] == to[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(to)]
}
