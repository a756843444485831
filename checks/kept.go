package checks

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// conflicts is what clients and replicas keep, and of which clients that is known.
type conflicts struct {
	known   map[string]bool // nodes that could be observed
	pending map[string]bool // nodes with a modify log that is not empty
	at      map[place][]history.Nonce
	vague   map[place]bool             // the last parts of paths that a client did not know any more
	of      map[history.Nonce][]string // the nodes that keep a content
	paths   map[string]bool            // what any conflict is about
	bases   map[string]bool            // the same of vague

	repaired []history.Nonce // the contents that were kept until a repair
	replicas []history.Nonce // the contents that replicas keep, each its own

	resolved bool // paths has the names of the contents too
}

type place struct{ node, path string }

func newConflicts(run *history.Run) *conflicts {
	c := &conflicts{
		known: map[string]bool{}, pending: map[string]bool{}, at: map[place][]history.Nonce{}, vague: map[place]bool{},
		of: map[history.Nonce][]string{}, paths: map[string]bool{}, bases: map[string]bool{},
	}
	for i := range run.Observations {
		o := &run.Observations[i]
		if o.Error != "" {
			continue
		}
		if o.Source == history.SourceServer {
			for _, conflict := range o.Conflicts {
				c.paths[conflict.Path] = true
				if !conflict.Content.IsZero() {
					c.replicas = append(c.replicas, conflict.Content)
				}
			}
			continue
		}
		c.known[o.Node] = true
		c.pending[o.Node] = o.Pending > 0
		for _, conflict := range o.Conflicts {
			at := place{o.Node, conflict.Path}
			c.at[at] = append(c.at[at], conflict.Content)
			c.paths[conflict.Path] = true
			if base := path.Base(conflict.Path); strings.HasPrefix(conflict.Path, "[") {
				c.vague[place{o.Node, base}] = true
				c.bases[base] = true
			}
			if !conflict.Content.IsZero() {
				c.of[conflict.Content] = append(c.of[conflict.Content], o.Node)
			}
		}
	}
	// What was repaired is no conflict any more, but it was one.
	for i := range run.Loads {
		for _, conflict := range run.Loads[i].Conflicts {
			c.paths[conflict.Path] = true
			if !conflict.Content.IsZero() {
				c.repaired = append(c.repaired, conflict.Content)
			}
		}
	}
	return c
}

// keeps says whether the client of an acknowledged change keeps it as a conflict, or keeps what the same client put in its place later.
func (c *conflicts) keeps(l *lostData, m *history.Row, at uint32) bool {
	if len(c.at) == 0 {
		return false
	}
	node := l.operations.Node(m.Worker)
	if m.Content != 0 && slices.Contains(c.of[l.operations.Nonce(m.Content)], node) {
		return true
	}
	for _, p := range []uint32{at, m.Path, l.operations.Target(m)} {
		name := l.operations.Path(p)
		if c.vague[place{node, path.Base(name)}] {
			return true
		}
		for _, nonce := range c.at[place{node, name}] {
			content, known := l.operations.FindNonce(nonce)
			if nonce.IsZero() || known && l.contents.by[content] >= m.Invoked {
				return true
			}
		}
	}
	return false
}

// about says whether any conflict may be about a name.
func (c *conflicts) about(contents *contents, number uint32) bool {
	if len(c.paths) == 0 {
		return false
	}
	if !c.resolved {
		c.resolved = true
		for _, nonce := range slices.AppendSeq(slices.Concat(c.repaired, c.replicas), maps.Keys(c.of)) {
			if content, known := contents.operations.FindNonce(nonce); known {
				if write := contents.write(content); write != nil {
					c.paths[contents.operations.Path(write.Path)] = true
				}
			}
		}
	}
	name := contents.operations.Path(number)
	return c.paths[name] || c.bases[path.Base(name)]
}
