package workloads

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// A traced operation is one of a recording. Its paths are relative to the directory that is meant.
type traced struct {
	kind         history.Kind
	path, target string
	length       int  // of what a Write, Append or Edit wrote, or a Read read
	synced       bool // of a Write, Append or Edit
	failed       bool // it found nothing
}

// formatTrace writes a recording into an argument, a line for each operation.
func formatTrace(all []traced) string {
	var text strings.Builder
	for _, t := range all {
		fmt.Fprintf(&text, "%s %q %q %d %t %t\n", t.kind, t.path, t.target, t.length, t.synced, t.failed)
	}
	return text.String()
}

func parseTrace(text string) (all []traced, err error) {
	for line := range strings.Lines(text) {
		var t traced
		var kind string
		if _, err := fmt.Sscanf(line, "%s %q %q %d %t %t\n", &kind, &t.path, &t.target, &t.length, &t.synced, &t.failed); err != nil {
			return nil, fmt.Errorf("line %s: %w", strconv.Quote(line), err)
		}
		if err := t.kind.UnmarshalText([]byte(kind)); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// before are the operations that make what must have been there before the recording: what it found and did not make itself.
func before(all []traced) []traced {
	b := beforehand{made: map[string]bool{".": true}, found: map[string]traced{}}
	for _, t := range all {
		b.see(t)
	}
	names := slices.SortedFunc(maps.Keys(b.found), func(one, other string) int {
		return cmp.Or(cmp.Compare(strings.Count(one, "/"), strings.Count(other, "/")), cmp.Compare(one, other))
	})
	made := make([]traced, len(names))
	for i, name := range names {
		made[i] = b.found[name]
	}
	return made
}

// beforehand is what is known of the names of a recording.
type beforehand struct {
	made  map[string]bool   // what is there, or was taken away, by what the recording did itself
	found map[string]traced // what makes what was there
}

func (b *beforehand) see(t traced) {
	if t.failed {
		return
	}
	b.directory(path.Dir(t.path))
	switch t.kind {
	case history.MakeDirectory, history.Symlink:
		b.made[t.path] = true
	case history.Write:
		b.made[t.path] = true // it does not matter to it whether the file was there
	case history.List, history.RemoveDirectory:
		b.directory(t.path)
		b.made[t.path] = b.made[t.path] || t.kind == history.RemoveDirectory
	case history.ReadLink:
		b.need(t.path, traced{kind: history.Symlink, path: t.path, target: "somewhere"})
	case history.Rename, history.Link:
		b.need(t.path, traced{kind: history.Write, path: t.path})
		b.directory(path.Dir(t.target))
		b.move(t)
	default:
		b.need(t.path, traced{kind: history.Write, path: t.path, length: t.length})
	}
}

// move takes in that what is below one name is below another, too.
func (b *beforehand) move(t traced) {
	b.made[t.target] = true
	for name := range maps.Clone(b.made) {
		if below, ok := strings.CutPrefix(name, t.path+"/"); ok {
			b.made[t.target+"/"+below] = true
		}
	}
}

// directory needs a directory, and those above it. What was taken for a file until then is a directory.
func (b *beforehand) directory(name string) {
	if name == "." || name == "/" {
		return
	}
	b.directory(path.Dir(name))
	made := traced{kind: history.MakeDirectory, path: name}
	if _, found := b.found[name]; found {
		b.found[name] = made
		return
	}
	b.need(name, made)
}

func (b *beforehand) need(name string, made traced) {
	if !b.made[name] {
		b.made[name] = true
		b.found[name] = made
	}
}

// readStoredRun reads the operations of a stored run whose outcome is known.
func readStoredRun(dir, below string) (all []traced, err error) {
	run, err := history.ReadRun(dir)
	if err != nil {
		return nil, err
	}
	for op := range run.Operations.All() {
		t := traced{kind: op.Kind, target: op.Target, length: int(op.Length), synced: op.Synced, failed: op.Outcome == history.Failed}
		if op.Outcome == history.Indeterminate {
			continue
		}
		if t.kind == history.Page {
			t.kind = history.Read
		}
		if t.failed {
			t.kind = history.Stat
		}
		var inside bool
		if t.path, inside = within("/"+op.Path, below); !inside || t.path == "." && t.kind != history.List {
			continue
		}
		if t.kind == history.Rename || t.kind == history.Link {
			if t.target, inside = within("/"+op.Target, below); !inside {
				continue
			}
		}
		all = append(all, t)
	}
	return all, nil
}

// within makes a path relative to the directory that is meant, and says whether it is in it.
func within(name, below string) (relative string, inside bool) {
	if below == "" {
		for _, system := range []string{"/proc", "/sys", "/dev"} {
			if name == system || strings.HasPrefix(name, system+"/") {
				return "", false
			}
		}
		below = "/"
	}
	below = strings.TrimSuffix(path.Clean("/"+below), "/")
	if name == below || name == "/" && below == "" {
		return ".", true
	}
	relative, inside = strings.CutPrefix(name, below+"/")
	return relative, inside
}
