package history

import (
	"fmt"
	"path"
	"slices"
)

// Sources of observations.
const (
	SourceMount  = "mount"  // a client's tree
	SourceServer = "server" // codasrv's own tree
)

// Converged says whether observations show the same tree everywhere, with nothing left to be sent and no problem anywhere.
func Converged(observations []Observation) bool {
	return len(observations) > 0 && len(Differences(observations, 1)) == 0
}

// A Difference is one thing that keeps observations from being converged.
type Difference struct {
	Text  string   // in words
	Path  string   // of the name that is not the same, or wrong; "" where it is none
	Nodes []string // whose trees differ, or whose state is wrong
}

// Differences lists at most so many things that keep observations from being converged, in words.
func Differences(observations []Observation, most int) []string {
	var texts []string
	for _, difference := range Compare(observations, most) {
		texts = append(texts, difference.Text)
	}
	return texts
}

// Compare lists at most so many things that keep observations from being converged. The trees are compared with that of the
// first server, or with the first tree where no server was observed.
func Compare(observations []Observation, most int) []Difference {
	d := differences{most: most}
	reference := -1
	for i := range observations {
		o := &observations[i]
		d.node(o)
		if o.Error == "" && (reference < 0 || o.Source == SourceServer && observations[reference].Source != SourceServer) {
			reference = i
		}
	}
	for i := range observations {
		if i != reference && reference >= 0 && observations[i].Error == "" {
			d.trees(&observations[reference], &observations[i])
		}
	}
	return d.found
}

type differences struct {
	most  int
	found []Difference
}

func (d *differences) add(path string, nodes []string, what string, args ...any) {
	if len(d.found) < d.most {
		d.found = append(d.found, Difference{fmt.Sprintf(what, args...), path, nodes})
	}
}

// node looks at what one observation says by itself. A file that was moved, or made and not written yet, keeps nothing from being converged.
func (d *differences) node(o *Observation) {
	here := []string{o.Node}
	if o.Error != "" {
		d.add("", here, "%s could not be observed: %s", o.Node, o.Error)
	}
	if o.Pending > 0 {
		d.add("", here, "%s has %d records in its modify log", o.Node, o.Pending)
	}
	if Disconnected(o.State) {
		d.add("", here, "%s says that its volume is %s", o.Node, o.State)
	}
	for _, problem := range o.Problems {
		d.add("", here, "%s: %s", o.Node, problem)
	}
	for i := range o.Objects {
		if object := &o.Objects[i]; object.Problem != "" && !IsMisplaced(object.Problem) && !IsEmpty(object.Problem) {
			d.add(object.Path, here, "%s on %s: %s", object.Path, o.Node, object.Problem)
		}
	}
}

// withoutConflicts gives the objects of two trees that can be compared. What a client shows as a conflict may be anything elsewhere: both versions are
// kept, and neither is the right one.
func withoutConflicts(a, b *Observation) (x, y []Object) {
	conflicts := map[string]bool{}
	for _, o := range []*Observation{a, b} {
		for i := range o.Objects {
			if o.Objects[i].Kind == KindConflict {
				conflicts[o.Objects[i].Path] = true
			}
		}
	}
	if len(conflicts) == 0 {
		return a.Objects, b.Objects
	}
	left := func(objects []Object) []Object {
		return slices.DeleteFunc(slices.Clone(objects), func(o Object) bool {
			for at := o.Path; at != "." && at != "/"; at = path.Dir(at) {
				if conflicts[at] {
					return true
				}
			}
			return false
		})
	}
	return left(a.Objects), left(b.Objects)
}

// trees compares two trees that are sorted by path.
func (d *differences) trees(a, b *Observation) {
	x, y := a.Objects, b.Objects
	if a.Source != SourceServer || b.Source != SourceServer { // replicas have to agree on what is in conflict
		x, y = withoutConflicts(a, b)
	}
	for len(x)+len(y) > 0 && len(d.found) < d.most {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].Path < y[0].Path:
			d.add(x[0].Path, []string{b.Node, a.Node}, "%s is on %s and not on %s", x[0].Path, a.Node, b.Node)
			x = x[1:]
		case len(x) == 0 || y[0].Path < x[0].Path:
			d.add(y[0].Path, []string{b.Node, a.Node}, "%s is on %s and not on %s", y[0].Path, b.Node, a.Node)
			y = y[1:]
		default:
			d.objects(a.Node, &x[0], b.Node, &y[0])
			x, y = x[1:], y[1:]
		}
	}
}

func (d *differences) objects(aNode string, a *Object, bNode string, b *Object) {
	differ := func(what string, x, y any) {
		d.add(a.Path, []string{bNode, aNode}, "%s differs in its %s: %v on %s, %v on %s", a.Path, what, x, aNode, y, bNode)
	}
	switch {
	case a.Kind != b.Kind:
		differ("kind", a.Kind, b.Kind)
	case a.Kind == KindConflict: // of which each replica may have another version
	case a.Mode != b.Mode:
		differ("mode", fmt.Sprintf("%#o", a.Mode), fmt.Sprintf("%#o", b.Mode))
	case a.Length != b.Length:
		differ("length", a.Length, b.Length)
	case a.Links != b.Links:
		differ("number of links", a.Links, b.Links)
	case a.Digest != b.Digest: // a server may not know whose content it is
		differ("content", contentOf(a), contentOf(b))
	case a.Version != "" && b.Version != "" && a.Version != b.Version:
		differ("version", a.Version, b.Version)
	}
}

func contentOf(o *Object) string {
	if o.Content.IsZero() {
		return o.Digest
	}
	return o.Content.String()
}
