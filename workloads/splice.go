package workloads

import (
	"path"
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// apply works out the changes that an edit makes to a content, and what the history has to know: what was read, and how much was written.
func (s Splice) apply(by history.Header, content []byte) (history.End, []Change, error) {
	was, problem := history.CheckContent(content, by.Path)
	end := history.End{Problem: problem}
	if !was.Nonce.IsZero() {
		end.Parents = []history.Nonce{was.Nonce}
	}
	if end.Problem != "" && !history.IsMisplaced(problem) || was.Area == 0 {
		return s.replace(by, end, int64(len(content)))
	}
	at := int64(s.At * float64(was.Body()))
	next := was.Spliced(by, at, int64(s.Length), s.Cut)
	whole, err := history.MakeContent(next)
	if err != nil { // too many pieces
		return s.replace(by, end, int64(len(content)))
	}
	area, from := int64(was.Area), int64(was.Area)+at
	changes := []Change{{Data: whole[:area]}}
	if s.Length > 0 {
		changes = append(changes, Change{Offset: from, Data: whole[from : from+int64(s.Length)]})
	}
	if s.Cut {
		changes = append(changes, Change{Offset: next.Length, Truncate: true})
	}
	if by.Nonce[0]&1 == 0 {
		slices.Reverse(changes) // the order within a session does not matter
	}
	end.Length = next.Length
	return end, changes, nil
}

// replace writes a whole new content of about the same length over an old one.
func (s Splice) replace(by history.Header, end history.End, length int64) (history.End, []Change, error) {
	by.Parents, by.Length = end.Parents, max(length, int64(by.Area+s.Length))
	whole, err := history.MakeContent(by)
	if err != nil {
		return end, nil, err
	}
	end.Length = by.Length
	half := len(whole) / 2
	return end, []Change{{Offset: int64(half), Data: whole[half:]}, {Data: whole[:half]}, {Offset: by.Length, Truncate: true}}, nil
}

// entries are the paths of names in a directory, sorted.
func entries(directory string, names []string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = path.Join(directory, name)
	}
	slices.Sort(paths)
	return paths
}
