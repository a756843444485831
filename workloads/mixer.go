package workloads

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// mixing is what all processes of a node have in common.
type mixing struct {
	names, fresh, apart, size, share, sync int
	hold                                   time.Duration
	weights                                []int
	// writing is held by who writes to a shared file: the writers of one file on one client see each other's bytes before they are complete, as on a
	// local file system. Whoever opens a file for writing is alone with it then.
	writing chan struct{}
}

// A mixer is a process that does random operations.
type mixer struct {
	*mixing
	*hand
	made   int  // names that it made up
	mine   bool // the present operation changes nothing that others made
	own    *view
	common *view   // what it has seen of the shared directories
	others []*view // and of the directories of other processes
}

func newMixer(plan *mixing, h *hand) *mixer {
	h.process.area = EditableArea
	m := &mixer{mixing: plan, hand: h, own: &view{roots: []string{h.root()}}, common: &view{}}
	for i := range h.shared {
		m.common.roots = append(m.common.roots, h.common(i))
	}
	for _, root := range h.rootsOfOthers() {
		m.others = append(m.others, &view{roots: []string{root}})
	}
	return m
}

// An action is a kind of operation, with the weight that it has where nothing else is said.
type action struct {
	name   string
	weight int64
	what   string
	looks  bool // it changes nothing
	do     func(m *mixer, ctx context.Context, in *view) Result
}

func actions() []action {
	return []action{
		{"create", 8, "make a file that is not there", false, (*mixer).create},
		{"write", 8, "write a whole file, which is there or not", false, (*mixer).write},
		{"append", 6, "add to the end of a file", false, (*mixer).append},
		{"edit", 8, "change a part of a file, or its length, while it is open", false, (*mixer).edit},
		{"read", 16, "read a file", true, (*mixer).read},
		{"stat", 10, "look at the attributes of something", true, (*mixer).stat},
		{"list", 10, "list a directory", true, (*mixer).list},
		{"mkdir", 4, "make a directory", false, (*mixer).mkdir},
		{"rmdir", 3, "remove a directory", false, (*mixer).rmdir},
		{"rename", 6, "give a file or a symlink another name, which may be taken", false, (*mixer).rename},
		{"rename-directory", 2, "give a directory another name, which may be taken", false, (*mixer).renameDirectory},
		{"link", 3, "give a file a second name", false, (*mixer).link},
		{"symlink", 3, "make a symlink", false, (*mixer).symlink},
		{"readlink", 3, "read a symlink", true, (*mixer).readlink},
		{"remove", 8, "remove a file or a symlink", false, (*mixer).remove},
		{"chmod", 4, "change permission bits", false, (*mixer).chmod},
		{"utimes", 2, "change the time of modification", false, (*mixer).utimes},
	}
}

// act does one operation.
func (m *mixer) act(ctx context.Context) Result {
	all := actions()
	chosen := all[m.weighted()]
	in := m.own
	switch {
	case m.chance(m.share):
		in = m.common
	case chosen.looks && len(m.others) > 0 && m.chance(30):
		in = m.others[m.random.IntN(len(m.others))]
	}
	m.mine = m.apart > 0 && in == m.common && !chosen.looks && m.chance(m.apart)
	return chosen.do(m, ctx, in)
}

func (m *mixer) weighted() int {
	total := 0
	for _, weight := range m.weights {
		total += weight
	}
	n := m.random.IntN(total)
	for i, weight := range m.weights {
		if n -= weight; n < 0 {
			return i
		}
	}
	return 0
}

// The first letter of each name says what kind of object has it, so that operations mostly fit.
const (
	aFile      = 'f'
	aDirectory = 'd'
	aSymlink   = 'l'
)

// newName makes a name up, in a directory that is there: often one that was used before, so that what was removed is made again.
func (m *mixer) newName(in *view, kind rune) string {
	directory := m.directory(in)
	if m.mine {
		return m.freshName(in.roots[m.random.IntN(len(in.roots))], kind)
	}
	if kind == aDirectory && strings.Count(directory, "/") > 3 {
		directory = in.roots[m.random.IntN(len(in.roots))]
	}
	if m.chance(m.fresh) {
		return m.freshName(directory, kind)
	}
	return fmt.Sprintf("%s/%c%d", directory, kind, m.random.IntN(m.names))
}

// freshName is one that nobody used before.
func (m *mixer) freshName(directory string, kind rune) string {
	m.made++
	return fmt.Sprintf("%s/%c%s%d", directory, kind, m.signature(), m.made)
}

// signature is in the names that the process made up.
func (m *mixer) signature() string { return fmt.Sprintf("-%s-%d-", m.node, m.number) }

// directory is one of those that are there.
func (m *mixer) directory(in *view) string {
	directories := in.of(aDirectory)
	if i := m.random.IntN(len(in.roots) + len(directories)); i >= len(in.roots) {
		return directories[i-len(in.roots)]
	}
	return in.roots[m.random.IntN(len(in.roots))]
}

// old is a name that was seen, or, where there is none and now and then anyhow, one that may not be there.
func (m *mixer) old(in *view, kinds ...rune) string {
	names := in.of(kinds...)
	if m.mine {
		names = slices.DeleteFunc(names, func(name string) bool { return !strings.Contains(path.Base(name), m.signature()) })
	}
	if len(names) == 0 || m.chance(5) {
		return m.newName(in, kinds[m.random.IntN(len(kinds))])
	}
	return names[m.random.IntN(len(names))]
}

// length is how many bytes a write brings.
func (m *mixer) length() int { return 1 + int(min(m.random.ExpFloat64(), 8)*float64(m.size)) }

func (m *mixer) how() How { return How{Sync: m.chance(m.sync)} }

// alone writes to a file that no other process of the node writes to meanwhile.
func (m *mixer) alone(ctx context.Context, in *view, write func() Result) Result {
	if in == m.own {
		return write()
	}
	select {
	case m.writing <- struct{}{}:
	case <-ctx.Done():
		return Result{Outcome: history.Failed, Err: ctx.Err()}
	}
	defer func() { <-m.writing }()
	return write()
}

func (m *mixer) create(ctx context.Context, in *view) Result {
	name, how := m.newName(in, aFile), m.how()
	how.Exclusive = true
	return in.made(name, m.alone(ctx, in, func() Result { return m.process.Write(ctx, name, m.length(), how) }))
}

func (m *mixer) write(ctx context.Context, in *view) Result {
	name := m.old(in, aFile)
	return in.made(name, m.alone(ctx, in, func() Result { return m.process.Write(ctx, name, m.length(), m.how()) }))
}

func (m *mixer) append(ctx context.Context, in *view) Result {
	name := m.old(in, aFile)
	return in.made(name, m.alone(ctx, in, func() Result { return m.process.Append(ctx, name, m.length(), m.holding(), m.how()) }))
}

func (m *mixer) edit(ctx context.Context, in *view) Result {
	name := m.old(in, aFile)
	splice := Splice{At: m.random.Float64(), Length: m.length(), Cut: m.chance(30), Hold: m.holding()}
	return in.made(name, m.alone(ctx, in, func() Result { return m.process.Edit(ctx, name, splice, m.how()) }))
}

// holding is how long a file stays open before it is changed: mostly not at all.
func (m *mixer) holding() time.Duration {
	if m.hold == 0 || m.chance(70) {
		return 0
	}
	return time.Duration(m.random.Int64N(int64(m.hold)))
}

func (m *mixer) read(ctx context.Context, in *view) Result {
	name := m.old(in, aFile)
	return in.looked(name, m.process.Read(ctx, name))
}

func (m *mixer) stat(ctx context.Context, in *view) Result {
	name := m.old(in, aFile, aDirectory, aSymlink)
	_, result := m.process.Stat(ctx, name)
	return in.looked(name, result)
}

func (m *mixer) list(ctx context.Context, in *view) Result {
	directory := m.directory(in)
	names, result := m.process.List(ctx, directory)
	if result.OK() {
		in.listed(directory, names)
	}
	return in.looked(directory, result)
}

func (m *mixer) mkdir(ctx context.Context, in *view) Result {
	name := m.newName(in, aDirectory)
	return in.made(name, m.process.MakeDirectory(ctx, name))
}

func (m *mixer) rmdir(ctx context.Context, in *view) Result {
	name := m.old(in, aDirectory)
	return in.removed(name, m.process.RemoveDirectory(ctx, name))
}

func (m *mixer) rename(ctx context.Context, in *view) Result {
	from := m.old(in, aFile, aSymlink)
	kind := rune(path.Base(from)[0])
	to := m.newName(in, kind)
	if m.chance(40) {
		to = m.old(in, kind)
	}
	return in.renamed(from, to, m.process.Rename(ctx, from, to))
}

func (m *mixer) renameDirectory(ctx context.Context, in *view) Result {
	from, to := m.old(in, aDirectory), m.newName(in, aDirectory)
	if m.chance(30) {
		to = m.old(in, aDirectory)
	}
	return in.renamed(from, to, m.process.Rename(ctx, from, to))
}

// link mostly stays in the directory of the file, as Coda demands.
func (m *mixer) link(ctx context.Context, in *view) Result {
	name := m.old(in, aFile)
	second := m.newName(in, aFile)
	if m.chance(90) {
		second = path.Join(path.Dir(name), path.Base(second))
	}
	return in.made(second, m.process.Link(ctx, name, second))
}

func (m *mixer) symlink(ctx context.Context, in *view) Result {
	name := m.newName(in, aSymlink)
	m.made++
	return in.made(name, m.process.Symlink(ctx, name, fmt.Sprintf("to-%s-%d-%d", m.node, m.number, m.made)))
}

func (m *mixer) readlink(ctx context.Context, in *view) Result {
	name := m.old(in, aSymlink)
	_, result := m.process.ReadLink(ctx, name)
	return in.looked(name, result)
}

func (m *mixer) remove(ctx context.Context, in *view) Result {
	name := m.old(in, aFile, aSymlink)
	return in.removed(name, m.process.Remove(ctx, name))
}

// chmod leaves the owner all rights, so that nothing fails for want of them.
func (m *mixer) chmod(ctx context.Context, in *view) Result {
	name := m.old(in, aFile, aDirectory)
	mode := 0o700 | fs.FileMode(m.random.Uint32()&0o077)
	return in.looked(name, m.process.SetMode(ctx, name, mode))
}

func (m *mixer) utimes(ctx context.Context, in *view) Result {
	name := m.old(in, aFile, aDirectory)
	modified := time.Unix(1_000_000_000+m.random.Int64N(1_000_000_000), m.random.Int64N(1e9))
	return in.looked(name, m.process.SetTime(ctx, name, modified))
}

// A view is what a process believes to be below some directories, sorted. It only steers the choices: what is there is the checks' affair.
type view struct {
	roots []string
	paths []string
}

// of are the paths of some kinds of objects.
func (v *view) of(kinds ...rune) []string {
	var all []string
	for _, name := range v.paths {
		if slices.Contains(kinds, rune(path.Base(name)[0])) {
			all = append(all, name)
		}
	}
	return all
}

func (v *view) add(name string) {
	if i, there := slices.BinarySearch(v.paths, name); !there {
		v.paths = slices.Insert(v.paths, i, name)
	}
}

// drop forgets a name and all that is below it.
func (v *view) drop(name string) {
	v.paths = slices.DeleteFunc(v.paths, func(p string) bool { return p == name || strings.HasPrefix(p, name+"/") })
}

func (v *view) made(name string, result Result) Result {
	if result.OK() || result.Errno == syscall.EEXIST {
		v.add(name)
	}
	return v.looked(name, result)
}

func (v *view) removed(name string, result Result) Result {
	if result.OK() {
		v.drop(name)
	}
	return v.looked(name, result)
}

func (v *view) renamed(from, to string, result Result) Result {
	if result.OK() && from != to {
		v.drop(to)
		var moved []string
		for _, name := range v.paths {
			if below, ok := strings.CutPrefix(name, from); ok && (below == "" || below[0] == '/') {
				moved = append(moved, to+below)
			}
		}
		v.drop(from)
		for _, name := range moved {
			v.add(name)
		}
	}
	return v.looked(from, result)
}

// looked takes in that something was not there.
func (v *view) looked(name string, result Result) Result {
	if result.Errno == syscall.ENOENT {
		v.drop(name)
	}
	return result
}

// listed takes in what a directory holds.
func (v *view) listed(directory string, names []string) {
	there := make([]string, len(names))
	for i, name := range names {
		there[i] = path.Join(directory, name)
	}
	slices.Sort(there)
	for _, name := range slices.Clone(v.paths) {
		if _, ok := slices.BinarySearch(there, name); path.Dir(name) == directory && !ok {
			v.drop(name)
		}
	}
	for _, name := range there {
		v.add(name)
	}
}
