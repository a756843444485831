package workloads

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// DeepTree has each process make a tree that is deep and wide, walk through it, move all of it by one rename near its root, walk through it where it is now, and
// remove it as rm -r does; then it makes another one, under a new name. Meanwhile all walk through the trees of others. A path is long, and a rename near
// its beginning gives all that is below another one: whoever walks there must find everything by its new path, with its contents, and nothing by the old one.
type DeepTree struct{}

var _ Workload = DeepTree{}

// Name implements Workload.
func (DeepTree) Name() string { return "deep-tree" }

// Doc implements Workload.
func (DeepTree) Doc() string {
	return "each process makes a deep and wide tree, walks through it, moves it by one rename near its root, and removes it, while others walk there"
}

func (DeepTree) parameters() parameters {
	return append(crewParameters(2, 100_000, 10*time.Millisecond), parameters{
		{name: "depth", preset: 8, least: 1, most: 30, documentation: "directories in each other"},
		{name: "width", preset: 3, least: 0, most: 100, documentation: "more directories in each of these"},
		{name: "size", preset: 600, least: 1, most: 1 << 20, documentation: "bytes of the file that is in each directory"},
		{name: "others", preset: 25, least: 0, most: 100, documentation: "percentage of the operations that walk through trees of others"},
	}...)
}

// Parameters implements Workload.
func (w DeepTree) Parameters() []Parameter { return w.parameters().list() }

const taskGrow = "grow" // make, walk, move and remove trees

// Plan implements Workload.
func (w DeepTree) Plan(request PlanRequest) ([]history.Step, error) {
	return planCrew(w, w.parameters(), taskGrow, request)
}

// Do implements Workload.
func (DeepTree) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return performCrew(ctx, step, env, taskGrow, growTrees)
}

func growTrees(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	depth, width, size, others := a.number("depth"), a.number("width"), a.number("size"), a.number("others")
	if a.err != nil {
		return history.Load{}, a.err
	}
	return crew(ctx, step, env, func(h *hand) func(context.Context) Result {
		return (&gardener{hand: h, depth: depth, width: width, size: size, others: others}).act
	})
}

// A gardener is a process with its tree.
type gardener struct {
	*hand
	depth, width, size, others int
	trees                      int                                // that it began
	todo                       []func(ctx context.Context) Result // with the present one
	tries                      int                                // of the first of these
	path                       []string                           // what it has still to see of another's tree
}

func (g *gardener) act(ctx context.Context) Result {
	if roots := g.rootsOfOthers(); len(roots) > 0 && g.chance(g.others) {
		if len(g.path) == 0 {
			g.path = []string{roots[g.random.IntN(len(roots))]}
		}
		return g.walk(ctx)
	}
	if len(g.todo) == 0 {
		g.trees++
		g.todo = g.life(fmt.Sprintf("%s/tree-%d", g.root(), g.trees))
	}
	result := g.todo[0](ctx)
	// What did not succeed is tried again, as one does who waits for the file system, but not for ever: then something of the tree stays.
	if g.tries++; result.OK() || g.tries == preparingTries {
		g.todo, g.tries = g.todo[1:], 0
	}
	return result
}

// walk looks at one object of another's tree: of a directory at what is in it, too, later.
func (g *gardener) walk(ctx context.Context) Result {
	last := len(g.path) - 1
	next := g.path[last]
	g.path = g.path[:last]
	if strings.HasPrefix(path.Base(next), "file-") {
		return g.process.Read(ctx, next)
	}
	names, result := g.process.List(ctx, next)
	for _, name := range names {
		g.path = append(g.path, path.Join(next, name))
	}
	return result
}

// life is everything that is done with one tree.
func (g *gardener) life(root string) []func(ctx context.Context) Result {
	grown, moved := root+"/grown", root+"/moved"
	todo := []func(ctx context.Context) Result{g.makes(root)}
	for _, directory := range g.directories(grown) {
		todo = append(todo, g.makes(directory), func(ctx context.Context) Result {
			return g.process.Write(ctx, directory+"/file-"+path.Base(directory), g.size, How{})
		})
	}
	todo = append(todo, g.walks(grown)...)
	todo = append(todo, func(ctx context.Context) Result { return g.process.Rename(ctx, grown, moved) })
	todo = append(todo, g.walks(moved)...)
	below := g.directories(moved)
	for i := range below {
		// The last first, so that each directory is empty when its turn comes. The files have the names that they were made with.
		directory := below[len(below)-1-i]
		name := path.Base(directory)
		if directory == moved {
			name = path.Base(grown)
		}
		todo = append(todo, func(ctx context.Context) Result { return gone(g.process.Remove(ctx, directory+"/file-"+name)) }, g.removes(directory))
	}
	return append(todo, g.removes(root))
}

// directories are those of a tree, the upper ones first.
func (g *gardener) directories(root string) []string {
	all := []string{root}
	for at, level := root, 1; level < g.depth; level++ {
		for i := range g.width {
			all = append(all, fmt.Sprintf("%s/wide-%d", at, i))
		}
		at = fmt.Sprintf("%s/deep-%d", at, level)
		all = append(all, at)
	}
	return all
}

func (g *gardener) makes(directory string) func(ctx context.Context) Result {
	return func(ctx context.Context) Result { return there(g.process.MakeDirectory(ctx, directory)) }
}

func (g *gardener) removes(directory string) func(ctx context.Context) Result {
	return func(ctx context.Context) Result { return gone(g.process.RemoveDirectory(ctx, directory)) }
}

// walks look at every directory of a tree and read every file.
func (g *gardener) walks(root string) (all []func(ctx context.Context) Result) {
	for _, directory := range g.directories(root) {
		all = append(all, func(ctx context.Context) Result { return g.readOneOfFiles(ctx, directory) })
	}
	return all
}

// readOneOfFiles lists a directory and reads the file that is in it.
func (g *gardener) readOneOfFiles(ctx context.Context, directory string) Result {
	names, result := g.process.List(ctx, directory)
	for _, name := range names {
		if strings.HasPrefix(name, "file-") {
			return g.process.Read(ctx, path.Join(directory, name))
		}
	}
	return result
}
