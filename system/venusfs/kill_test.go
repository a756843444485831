package venusfs

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
)

var (
	killRounds = flag.Int("kill.rounds", 40, "how often TestKilledOverAndOver kills venus")
	killSeed   = flag.Uint64("kill.seed", 1, "what the programs of TestKilledOverAndOver do, and when venus is killed")
)

// program works on files in a directory of its own and knows what they must contain, until a call tells that venus has gone.
type program struct {
	dir    string // on the mount
	random *rand.Rand
	step   int
	files  tree
	// What the call that is under way may have done: one of these, or nothing.
	outcomes []tree
	left     []*os.File // files that it had open when venus was killed
}

// tree is contents by name. In an outcome it is what changes, and a name that goes has gone.
type tree map[string]string

const gone = "\x00gone"

// with gives a tree after an outcome.
func (t tree) with(outcome tree) tree {
	after := maps.Clone(t)
	for name, text := range outcome {
		if after[name] = text; text == gone {
			delete(after, name)
		}
	}
	return after
}

// done says that the last of the possible outcomes was acknowledged.
func (p *program) done() {
	p.files = p.files.with(p.outcomes[len(p.outcomes)-1])
	p.outcomes = nil
}

// run works until venus is killed. Any other failure is returned.
func (p *program) run(killed *atomic.Bool) error {
	for {
		p.step++
		err := p.work()
		// EIO: the kernel could not read the page that was to be written to.
		if isOneOf(err, unix.ENOTCONN, unix.ECONNABORTED, unix.EIO) && killed.Load() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s, step %d: %w", p.dir, p.step, err)
		}
	}
}

// work does one thing.
func (p *program) work() error {
	name := fmt.Sprint("file", p.random.IntN(10))
	_, exists := p.files[name]
	switch what := p.random.IntN(10); {
	case what < 3 || !exists && what < 6:
		return p.replace(name)
	case what < 6:
		return p.keepOpen(name)
	case !exists:
		return nil
	case what == 6:
		return p.append(name)
	case what == 7:
		return p.cut(name)
	case what == 8:
		return p.rename(name)
	default:
		p.outcomes = []tree{{name: gone}}
		return p.call(unix.Unlink(p.path(name)))
	}
}

// call takes the end of a call that has one outcome.
func (p *program) call(err error) error {
	if err == nil {
		p.done()
	}
	return err
}

func (p *program) path(name string) string { return filepath.Join(p.dir, name) }

// text makes contents that nothing else has: short, or longer than what venus treats as small.
func (p *program) text(name string) string {
	line := fmt.Sprintf("%s in %s in step %d\n", name, filepath.Base(p.dir), p.step)
	return strings.Repeat(line, []int{1, 1, 1, 100, 2000, 20_000}[p.random.IntN(6)])
}

func (p *program) open(name string, flags int) (*os.File, error) {
	fd, err := unix.Open(p.path(name), flags|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), p.path(name)), nil
}

// replace makes a file, or replaces its contents.
func (p *program) replace(name string) error {
	text := p.text(name)
	p.outcomes = []tree{{name: text}}
	if _, exists := p.files[name]; !exists {
		p.outcomes = []tree{{name: ""}, {name: text}}
	}
	f, err := p.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	if err != nil {
		return err
	}
	return p.finish(f, text, 0)
}

// append adds to a file.
func (p *program) append(name string) error {
	text := p.text(name)
	p.outcomes = []tree{{name: p.files[name] + text}}
	f, err := p.open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	return p.finish(f, text, int64(len(p.files[name])))
}

// finish writes and closes. What it cannot close stays open.
func (p *program) finish(f *os.File, text string, offset int64) error {
	if _, err := f.WriteAt([]byte(text), offset); err != nil {
		p.left = append(p.left, f)
		return err
	}
	return p.call(f.Close())
}

// keepOpen replaces contents, has that acknowledged without closing the file, adds something and closes.
func (p *program) keepOpen(name string) error {
	text, more := p.text(name), "and more"
	p.outcomes = []tree{{name: text}}
	f, err := p.open(name, unix.O_RDWR)
	if err != nil {
		return err
	}
	// From here on it is left open when venus dies.
	keep := func(err error) error {
		p.left = append(p.left, f)
		return err
	}
	if err := f.Truncate(0); err != nil {
		return keep(err)
	}
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		return keep(err)
	}
	if p.random.IntN(2) == 0 {
		err = f.Sync()
	} else if fd, dupErr := unix.Dup(int(f.Fd())); dupErr != nil {
		err = dupErr
	} else {
		err = unix.Close(fd)
	}
	if err != nil {
		return keep(err)
	}
	p.done()
	p.outcomes = []tree{{name: text + more}}
	if p.random.IntN(3) == 0 {
		// Another program replaces it meanwhile, and does not come to its close.
		other, err := p.open(name, unix.O_WRONLY)
		if err != nil {
			return keep(err)
		}
		p.left = append(p.left, other)
	}
	return p.finish(f, more, int64(len(text)))
}

// cut truncates a file by its name.
func (p *program) cut(name string) error {
	length := p.random.IntN(len(p.files[name]) + 1)
	p.outcomes = []tree{{name: p.files[name][:length]}}
	return p.call(unix.Truncate(p.path(name), int64(length)))
}

// rename gives a file another name, which may be taken.
func (p *program) rename(name string) error {
	to := fmt.Sprint("file", p.random.IntN(10))
	if to == name {
		return nil
	}
	p.outcomes = []tree{{name: gone, to: p.files[name]}}
	return p.call(unix.Rename(p.path(name), p.path(to)))
}

// haunt writes to what was left open when an earlier venus was killed. Only the kernel takes it.
func (p *program) haunt() error {
	for _, f := range p.left {
		if _, err := f.WriteAt([]byte("left behind"), 3); err != nil && !isOneOf(err, unix.ENOTCONN, unix.ECONNABORTED, unix.EIO) {
			return fmt.Errorf("write to what was left of %s: %w", f.Name(), err)
		}
	}
	for len(p.left) > 20 {
		_ = p.left[0].Close() // its venus has gone
		p.left = p.left[1:]
	}
	return nil
}

// check compares what is there with what must be, and takes it over.
func (p *program) check() error {
	got, err := readTree(p.dir)
	if err != nil {
		return err
	}
	possible := []tree{p.files}
	for _, outcome := range p.outcomes {
		possible = append(possible, p.files.with(outcome))
	}
	if !slices.ContainsFunc(possible, func(want tree) bool { return maps.Equal(want, got) }) {
		return fmt.Errorf("%s after step %d:%s", p.dir, p.step, difference(p.files, got, p.outcomes))
	}
	p.files, p.outcomes = got, nil
	return nil
}

func readTree(dir string) (tree, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	got := tree{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		got[e.Name()] = string(b)
	}
	return got, nil
}

// difference describes what is wrong with a tree.
func difference(want, got tree, outcomes []tree) string {
	brief := func(t tree, name string) string {
		text, ok := t[name]
		if !ok || text == gone {
			return "nothing"
		}
		return fmt.Sprintf("%d bytes, %.40q to %q", len(text), text, text[max(0, len(text)-20):])
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(want.with(got))) {
		if want[name] == got[name] {
			continue
		}
		fmt.Fprintf(&b, "\n  %s: want %s, got %s", name, brief(want, name), brief(got, name))
		for _, outcome := range outcomes {
			if _, ok := outcome[name]; ok {
				fmt.Fprintf(&b, ", or %s", brief(outcome, name))
			}
		}
	}
	return b.String()
}

// Whatever programs were told to be done is done, and nothing else, when venus is killed at any moment, over and over, also while it starts.
func TestKilledOverAndOver(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		random := rand.New(rand.NewPCG(*killSeed, 0))
		client := c.mount(options)
		var programs []*program
		for i := range 4 {
			p := &program{dir: client.path(fmt.Sprint("program", i)), random: rand.New(rand.NewPCG(*killSeed, uint64(i+1))), files: tree{}}
			require.NoError(t, os.Mkdir(p.dir, 0o755))
			programs = append(programs, p)
		}
		for round := range *killRounds {
			workUntilKilled(t, client, programs, time.Duration(random.IntN(80))*time.Millisecond)
			config := client.config
			config.Disconnected = random.IntN(2) == 0
			for range random.IntN(3) {
				killEarly(t, config, time.Duration(random.IntN(60))*time.Millisecond)
			}
			client = startClient(t, config)
			for _, when := range []string{"", " and writes to files that an earlier venus had opened"} {
				for _, p := range programs {
					require.NoError(t, p.check(), "round %d of seed %d%s", round, *killSeed, when)
					require.NoError(t, p.haunt())
				}
			}
		}
		requireOnServer(t, c, client, programs)
	})
}

// workUntilKilled has programs work until the client is killed.
func workUntilKilled(t *testing.T, client *client, programs []*program, life time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	var killed atomic.Bool
	failures := make(chan error, len(programs))
	for _, p := range programs {
		all.Go(func() { failures <- p.run(&killed) })
	}
	time.Sleep(life)
	killed.Store(true)
	client.kill()
	require.NoError(t, within(t, 20*time.Second, "a program whose venus was killed", func() error {
		all.Wait()
		close(failures)
		var found error
		for err := range failures {
			found = errors.Join(found, err)
		}
		return found
	}))
	require.NoError(t, ClearDead(client.dir))
}

// killEarly starts a client and kills it, most likely before it has mounted anything.
func killEarly(t *testing.T, config childConfig, life time.Duration) {
	t.Helper()
	client := spawn(t, config)
	time.Sleep(life)
	client.kill()
	require.NoError(t, ClearDead(client.dir))
}

// requireOnServer restarts a client with its server, and requires that the server gets everything.
func requireOnServer(t *testing.T, c *cluster, client *client, programs []*program) {
	t.Helper()
	for _, p := range programs {
		for _, f := range p.left {
			_ = f.Close() // its venus has gone
		}
	}
	client.stop()
	config := client.config
	config.Disconnected = false
	client = startClient(t, config)
	eventually(t, func() bool { return client.ask("reintegrate") == "0 <nil>" }, "the server gets everything")
	require.Equal(t, "0", client.ask("conflicts"))
	want, got := map[string]coda.Digest{}, map[string]coda.Digest{}
	for _, p := range programs {
		require.NoError(t, p.check())
		for name, text := range p.files {
			want[filepath.Base(p.dir)+"/"+name] = sha256.Sum256([]byte(text))
		}
	}
	for path, s := range c.server.Tree() {
		if s.Kind == coda.File {
			got[path] = s.Digest
		}
	}
	require.Equal(t, want, got)
}
