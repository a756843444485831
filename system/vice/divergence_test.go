package vice_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// divergence is one history of replicas that do not see each other's updates, below a directory of its own. What it keeps is what clients were told,
// and nothing of how servers work.
type divergence struct {
	t       *testing.T
	servers []*vicetest.Server
	authors [][]*vicetest.Client // by author, by slot
	random  *rand.Rand
	dir     coda.Fid
	name    string
	script  []string // for a person who looks for the reason of a failure

	made     map[coda.Fid]bool
	stores   map[coda.StoreID]*stored
	removed  map[coda.Fid][]coda.StoreID // by removals: the last update of what was removed
	renamed  map[coda.Fid]bool           // or linked
	conflict map[coda.Fid]bool           // what is in conflict at the end
}

// stored is an acknowledged update of a file.
type stored struct {
	fid  coda.Fid
	base coda.StoreID
}

func (d *divergence) note(format string, args ...any) {
	d.script = append(d.script, fmt.Sprintf(format, args...))
}

// subset picks some replicas, among them one.
func (d *divergence) subset(with int) []int {
	list := []int{with}
	for slot := range d.servers {
		if slot != with && d.random.IntN(3) == 0 {
			list = append(list, slot)
		}
	}
	slices.Sort(list)
	return list
}

// below gives what one replica has below the directory, by path.
func (d *divergence) below(slot int) map[string]coda.Status {
	tree := map[string]coda.Status{}
	for path, s := range treeOf(d.servers[slot]) {
		if path == d.name || strings.HasPrefix(path, d.name+"/") {
			tree[strings.TrimPrefix(path, d.name)] = s
		}
	}
	return tree
}

// update sends one update, which makes sense to a client that sees one replica, to some of them.
func (d *divergence) update() {
	seen := d.random.IntN(len(d.servers))
	tree := d.below(seen)
	paths := slices.Sorted(maps.Keys(tree))
	dirs := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return tree[p].Kind != coda.Directory })
	files := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return tree[p].Kind != coda.File })
	clients := d.authors[d.random.IntN(len(d.authors))]
	log := clients[0].Log()
	dir := tree[dirs[d.random.IntN(len(dirs))]]
	name := string(rune('a' + d.random.IntN(4)))
	var target coda.Status
	var parent coda.Fid
	var old string
	if len(paths) > 1 {
		p := paths[1+d.random.IntN(len(paths)-1)]
		target = tree[p]
		parent = tree[p[:strings.LastIndex(p, "/")]].Fid
		old = p[strings.LastIndex(p, "/")+1:]
	}
	there := coda.Status{}
	for p, s := range tree {
		if i := strings.LastIndex(p, "/"); i >= 0 && p[i+1:] == name && tree[p[:i]].Fid == dir.Fid {
			there = s
		}
	}
	switch choice := d.random.IntN(11); {
	case choice == 10:
		acl, err := coda.MakeACL([]coda.ACLEntry{
			{Who: coda.AnyUser, Grants: coda.AllRights},
			{Who: coda.Principal(1000 + d.random.IntN(3)), Grants: coda.Rights(d.random.IntN(128)), Denies: coda.Rights(d.random.IntN(128))},
		})
		require.NoError(d.t, err)
		log.Add(coda.SetACL{Fid: dir.Fid, Was: dir.ACL, ACL: acl})
	case choice < 2 || target.Fid.IsZero():
		f := clients[d.random.IntN(len(clients))].NewFid(coda.File)
		v := log.Add(coda.Create{Parent: dir.Fid, Name: name, Fid: f, Mode: 0o644})
		log.Store(f, v, data(byte(d.random.IntN(256)), d.random.IntN(1500)))
	case choice == 2:
		f := clients[d.random.IntN(len(clients))].NewFid(coda.Directory)
		log.Add(coda.MakeDirectory{Parent: dir.Fid, Name: name, Fid: f, Mode: 0o755})
	case choice < 5 && len(files) > 0:
		s := tree[files[d.random.IntN(len(files))]]
		log.Store(s.Fid, s.Version, data(byte(d.random.IntN(256)), d.random.IntN(1500)))
	case choice == 5 && target.Kind == coda.Directory:
		log.Add(coda.RemoveDirectory{Parent: parent, Name: old, Fid: target.Fid})
	case choice < 7 && target.Kind != coda.Directory:
		log.Add(coda.Remove{Parent: parent, Name: old, Fid: target.Fid, Base: target.Version})
	case choice == 7 && target.Kind == coda.File:
		log.Add(coda.Link{Parent: target.Parent, Name: name, Fid: target.Fid})
	case choice == 8:
		log.Add(coda.SetAttributes{Fid: target.Fid, Base: target.Version, Mode: new(uint32(0o600 + d.random.IntN(8)))})
	default:
		log.Add(coda.Rename{
			FromParent: parent, FromName: old, ToParent: dir.Fid, ToName: name, Fid: target.Fid,
			Replaced: there.Fid, ReplacedBase: there.Version,
		})
	}
	d.send(log, clients, d.subset(seen))
}

// send sends a batch to some replicas, and sometimes the COP2 for those with the same answer.
func (d *divergence) send(log *vicetest.Log, clients []*vicetest.Client, slots []int) {
	same := map[string][]int{}
	for _, slot := range slots {
		before := d.below(slot)
		answer, err := log.At(clients[slot]).Send()
		require.NoError(d.t, err)
		refused := map[uint64]bool{}
		for _, r := range answer.Refusals {
			refused[r.Number] = true
		}
		key := fmt.Sprint(refused)
		same[key] = append(same[key], slot)
		for _, r := range log.Records {
			if !refused[r.Number] {
				d.acknowledged(clients[slot].ID, r, before)
			}
		}
		for _, r := range log.Records {
			d.note("slot %d: %d %v %+v, refused: %v", slot, r.Number, r.Operation, fields(r.Operation), refused[r.Number])
		}
	}
	if len(same) != 1 || d.random.IntN(3) == 0 {
		return
	}
	for _, slot := range slots {
		if d.random.IntN(6) > 0 {
			log.At(clients[slot]).COP2(slots...)
			d.note("COP2 of %d for %v at %d", log.Records[0].Number, slots, slot)
		}
	}
}

// fields shows what an operation does.
func fields(o coda.Operation) string {
	text := fmt.Sprintf("%#v", o)
	for _, f := range regexp.MustCompile(`coda.Fid{Volume:0x1, Vnode:(0x[0-9a-f]+), Unique:0x[0-9a-f]+}`).FindAllStringSubmatch(text, -1) {
		text = strings.ReplaceAll(text, f[0], f[1])
	}
	return regexp.MustCompile(`(ReplacedBase|Base|Digest):[a-zA-Z.]+{.*`).ReplaceAllString(text, "")
}

func (d *divergence) acknowledged(c coda.ClientID, r coda.Record, before map[string]coda.Status) {
	id := coda.StoreID{Client: c, Number: r.Number}
	switch o := r.Operation.(type) {
	case coda.Create:
		d.made[o.Fid] = true
		d.stores[id] = &stored{fid: o.Fid}
	case coda.MakeDirectory:
		d.made[o.Fid] = true
	case coda.Store:
		d.stores[id] = &stored{fid: o.Fid, base: o.Base.Store}
	case coda.SetAttributes:
		if !o.Fid.IsDirectory() {
			d.stores[id] = &stored{fid: o.Fid, base: o.Base.Store}
		}
	case coda.Link:
		d.renamed[o.Fid] = true
	case coda.Remove:
		d.removed[o.Fid] = append(d.removed[o.Fid], o.Base.Store)
	case coda.RemoveDirectory:
		d.removed[o.Fid] = append(d.removed[o.Fid], coda.StoreID{})
	case coda.Rename:
		d.renamed[o.Fid] = true
		there := func(s coda.Status) bool { return s.Fid == o.Replaced }
		if !o.Replaced.IsZero() && slices.ContainsFunc(slices.Collect(maps.Values(before)), there) {
			d.removed[o.Replaced] = append(d.removed[o.Replaced], o.ReplacedBase.Store)
		}
	}
}

func (d *divergence) join(to, from int) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	require.NoError(d.t, d.servers[to].Vice().JoinFrom(ctx, from))
	d.note("%d joins %d", to, from)
}

func (d *divergence) crash(slot int) {
	if d.random.IntN(2) == 0 {
		d.servers[slot].Kill()
	} else {
		d.servers[slot].LosePower(d.random.Uint64())
	}
	d.servers[slot].Start()
	for _, clients := range d.authors {
		clients[slot].Reconnect()
	}
	d.note("%d crashes", slot)
}

// converge joins replicas, in any order, often enough for everybody to have heard of everything.
func (d *divergence) converge() {
	for range 4 {
		var pairs [][2]int
		for a := range d.servers {
			for b := range d.servers {
				if a != b {
					pairs = append(pairs, [2]int{a, b})
				}
			}
		}
		d.random.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		for _, p := range pairs {
			d.join(p[0], p[1])
		}
	}
}

// check looks at what has come out.
func (d *divergence) check() {
	first := d.below(0)
	held := map[coda.StoreID]bool{}
	exists := map[coda.Fid]bool{}
	d.conflict = map[coda.Fid]bool{}
	for slot := range d.servers {
		d.servers[slot].CheckSound()
		tree := d.below(slot)
		require.Equal(d.t, slices.Sorted(maps.Keys(first)), slices.Sorted(maps.Keys(tree)))
		for path, s := range tree {
			held[s.Version.Store] = true
			exists[s.Fid] = true
			d.conflict[s.Fid] = s.Inconsistent
			want := first[path]
			require.Equal(d.t, want.Version.Slots, s.Version.Slots, path)
			if s.Inconsistent { // each may have its own
				s.Version, s.Length, s.Digest, s.Modified, s.Mode = want.Version, want.Length, want.Digest, want.Modified, want.Mode
			}
			require.Equal(d.t, want, s, path)
		}
	}
	d.nothingLost(held, exists)
}

// nothingLost checks that each acknowledged update is there, was superseded by one that had seen it, or was removed by somebody who had seen it; and
// that what was removed by those who had seen everything stays removed.
func (d *divergence) nothingLost(held map[coda.StoreID]bool, exists map[coda.Fid]bool) {
	superseded := map[coda.StoreID]bool{}
	for _, s := range d.stores {
		superseded[s.base] = true
	}
	seen := map[coda.Fid]bool{} // by a removal, with all that was done
	for f := range d.removed {
		seen[f] = true
	}
	for id, s := range d.stores {
		if superseded[id] {
			continue
		}
		if slices.Contains(d.removed[s.fid], id) {
			continue
		}
		seen[s.fid] = false
		require.True(d.t, held[id], "update %v of %v is lost", id, s.fid)
	}
	for f := range d.made {
		if len(d.removed[f]) == 0 {
			require.True(d.t, exists[f], "%v is lost", f)
		}
		if seen[f] && !d.renamed[f] && !f.IsDirectory() && !d.conflict[f] {
			require.False(d.t, exists[f], "%v is back", f)
		}
	}
}

// settle has the servers forget what is settled.
func (d *divergence) settle() {
	for range 5 {
		for _, s := range d.servers {
			ctx, cancel := context.WithTimeout(context.Background(), callTime)
			require.NoError(d.t, s.Vice().Settle(ctx))
			cancel()
		}
	}
	for slot, s := range d.servers {
		require.Zero(d.t, s.Vice().Unsettled(), "slot %d: %s", slot, s.Vice().State())
	}
}

// divergences is how many histories a test tries.
func divergences(t *testing.T) int {
	if text := os.Getenv("DIVERGENCES"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	return 100
}

// Whatever replicas have done without seeing each other, and in whatever order they are joined, all end with the same, and nothing is lost.
func TestDivergence(t *testing.T) {
	for _, replicas := range []int{2, 3} {
		t.Run(fmt.Sprint(replicas), func(t *testing.T) {
			seed := uint64(replicas)
			if text := os.Getenv("DIVERGENCE_SEED"); text != "" {
				n, err := strconv.ParseUint(text, 10, 64)
				require.NoError(t, err)
				seed = n
			}
			servers := vicetest.StartReplicas(t, replicas, unhurried, smallLimits)
			var authors [][]*vicetest.Client
			for id := range uint64(2) {
				authors = append(authors, clientsOf(servers, id+1))
			}
			for n := range divergences(t) {
				d := &divergence{
					t: t, servers: servers, authors: authors, random: rand.New(rand.NewPCG(seed, uint64(n))), name: fmt.Sprint(n),
					made: map[coda.Fid]bool{}, stores: map[coda.StoreID]*stored{}, removed: map[coda.Fid][]coda.StoreID{}, renamed: map[coda.Fid]bool{},
				}
				d.run()
			}
		})
	}
}

func (d *divergence) run() {
	defer func() {
		if d.t.Failed() {
			d.t.Logf("history %s:\n%s", d.name, strings.Join(d.script, "\n"))
			for slot := range d.servers {
				for path, s := range d.below(slot) {
					d.t.Logf("slot %d: %q %+v", slot, path, s)
				}
			}
		}
	}()
	log := d.authors[0][0].Log()
	d.dir = log.MakeDirectory(d.authors[0][0].Root, d.name)
	for slot := range d.servers {
		log.At(d.authors[0][slot]).Apply()
	}
	for slot := range d.servers {
		all := make([]int, len(d.servers))
		for i := range all {
			all[i] = i
		}
		log.At(d.authors[0][slot]).COP2(all...)
	}
	for range 1 + d.random.IntN(12) {
		switch choice := d.random.IntN(20); {
		case choice < 15:
			d.update()
		case choice < 19:
			to := d.random.IntN(len(d.servers))
			if from := d.random.IntN(len(d.servers)); from != to {
				d.join(to, from)
			}
		default:
			if d.random.IntN(4) == 0 {
				d.crash(d.random.IntN(len(d.servers)))
			}
		}
	}
	d.converge()
	d.check()
	before := treeOf(d.servers[0])
	d.converge()
	require.Equal(d.t, before, treeOf(d.servers[0]), "what is equal stays as it is")
	d.settle()
}
