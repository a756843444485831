package venus_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/stretchr/testify/assert"

	"github.com/codastress/codastress/system/coda"
)

// promises knows what a client has been promised about the names that are written to, each by one worker only: the states that a name has
// had, in order, and from which one on a state may still be there after a crash. A state is that a name stands for a certain file, or is
// free; a file has states of its own, its contents.
type promises struct {
	mu    sync.Mutex
	names map[string]*history[*file]
}

// history is the states of one thing.
type history[S any] struct {
	states []S
	acked  int // the one that was acknowledged last; those behind it are of operations that have not returned, or have failed
	synced int // the first that may be there after the client has lost its power
	sent   int // the first that may be there after the client's loss, or any crash of the server
}

// file is a file that existed at some time. Its first contents are empty.
type file struct {
	history[string]
	fid coda.Fid // zero while it is not known
}

// sight is what somebody sees under a name.
type sight struct {
	fid      coda.Fid
	contents string
}

func newFile() *file { return &file{history: history[string]{states: []string{""}}} }

// begin adds a state that an operation under way brings about, and gives its place.
func (h *history[S]) begin(s S) int {
	h.states = append(h.states, s)
	return len(h.states) - 1
}

func newPromises() *promises { return &promises{names: map[string]*history[*file]{}} }

// name gives the history of a name.
func (p *promises) name(name string) *history[*file] {
	h := p.names[name]
	if h == nil {
		h = &history[*file]{states: []*file{nil}}
		p.names[name] = h
	}
	return h
}

// moment is what was acknowledged at some moment.
type moment struct {
	names map[*history[*file]]int
	files map[*file]int
}

func (p *promises) now() moment {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := moment{map[*history[*file]]int{}, map[*file]int{}}
	for _, h := range p.names {
		m.names[h] = h.acked
		if f := h.states[h.acked]; f != nil {
			m.files[f] = f.acked
		}
	}
	return m
}

// synced notes that a sync that began at a moment has returned: all names survive, and the contents of the one file that was synced.
func (p *promises) synced(m moment, f *file) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for h, i := range m.names {
		h.synced = max(h.synced, i)
	}
	if f != nil {
		f.synced = f.acked
	}
}

// sent notes that everything from before a moment has been reintegrated.
func (p *promises) sent(m moment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for h, i := range m.names {
		h.sent = max(h.sent, i)
	}
	for f, i := range m.files {
		f.sent = max(f.sent, i)
	}
}

// crash is what happened before contents are judged.
type crash int

const (
	clientKilled      crash = iota
	clientKilledAlone       // and has not seen the server since
	clientLostPower
	clientLostPowerAlone // likewise
	serverCrashed
)

func (c crash) String() string {
	return [...]string{
		"the client was killed", "the client was killed and is alone", "the client lost its power", "the client lost its power and is alone",
		"the server crashed",
	}[c]
}

// floor is the first state that may be there after a crash.
func (h *history[S]) floor(c crash) int {
	switch c {
	case clientKilled, clientKilledAlone:
		return h.acked
	case clientLostPower:
		return max(h.synced, h.sent)
	case clientLostPowerAlone:
		return h.synced
	default:
		return h.sent
	}
}

// find gives the last states of a name and its file that fit what was seen, from the floor on; contents nil for a free name.
func (h *history[S]) find(c crash, fits func(S) bool) (int, bool) {
	for i := len(h.states) - 1; i >= h.floor(c); i-- {
		if fits(h.states[i]) {
			return i, true
		}
	}
	return 0, false
}

func fits(c crash, seen *sight) func(*file) bool {
	return func(f *file) bool {
		if f == nil || seen == nil {
			return f == nil && seen == nil
		}
		_, ok := f.find(c, f.like(c, seen.contents))
		return ok && (f.fid == seen.fid || f.fid.IsZero())
	}
}

// like reports whether contents are those of a state. After a loss of power a part of what was appended to them without a sync may be there
// as well, as in any file system.
func (f *file) like(c crash, contents string) func(string) bool {
	return func(state string) bool {
		if (c != clientLostPower && c != clientLostPowerAlone) || state == "" {
			return contents == state
		}
		return strings.HasPrefix(contents, state) && slices.ContainsFunc(f.states, func(later string) bool {
			return strings.HasPrefix(later, state) && partOf(contents, later)
		})
	}
}

// partOf reports whether contents have nothing but bytes of whole, and holes.
func partOf(contents, whole string) bool {
	if len(contents) > len(whole) {
		return false
	}
	for i := range len(contents) {
		if contents[i] != whole[i] && contents[i] != 0 {
			return false
		}
	}
	return true
}

// judge says what is wrong with the contents that a crash has left under a name, "" for nothing.
func (p *promises) judge(c crash, name string, seen *sight) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.name(name)
	if _, ok := h.find(c, fits(c, seen)); ok {
		return ""
	}
	got := "nothing"
	if seen != nil {
		got = fmt.Sprintf("%v with %s", seen.fid, show(seen.contents))
	}
	return fmt.Sprintf("%v: %s has %s, of %s", c, name, got, h.describe(c))
}

// settle makes what a crash of the client has left the last state.
func (p *promises) settle(c crash, name string, seen *sight) {
	h := p.name(name)
	i, _ := h.find(c, fits(c, seen))
	f := h.cut(c, i)
	if f != nil {
		j, _ := f.find(c, f.like(c, seen.contents))
		f.cut(c, j)
		f.states[j], f.fid = seen.contents, seen.fid
	}
}

func (h *history[S]) cut(c crash, i int) S {
	h.states = slices.Clone(h.states[:i+1])
	h.acked, h.synced, h.sent = i, min(h.synced, i), min(h.sent, i)
	if c == clientLostPower {
		h.sent = i // the server has been heard, and has heard everything
	}
	return h.states[i]
}

func (h *history[S]) describe(c crash) string {
	s := ""
	for i, state := range h.states {
		var what any = state
		if f, ok := what.(*file); ok {
			what = "free"
			if f != nil {
				what = fmt.Sprintf("%v {%s}", f.fid, f.describe(c))
			}
		} else {
			what = show(what.(string))
		}
		mark := ""
		if i == h.floor(c) {
			mark = "from here: "
		}
		s += fmt.Sprintf("%s%v; ", mark, what)
	}
	return s
}

func show(contents string) string { return fmt.Sprintf("%d bytes %.20q", len(contents), contents) }

// check judges everything that somebody sees, by name, and settles it where the client has crashed.
func (p *promises) check(t assert.TestingT, c crash, seen map[string]sight) bool {
	good := true
	for _, name := range p.all(seen) {
		var here *sight
		if s, ok := seen[name]; ok {
			here = &s
		}
		if wrong := p.judge(c, name, here); wrong != "" {
			good = assert.Fail(t, wrong)
		} else if c == clientKilled || c == clientLostPower {
			p.settle(c, name, here)
		}
	}
	return good
}

func (p *promises) all(seen map[string]sight) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for name := range seen {
		all = append(all, name)
	}
	for name := range p.names {
		if _, ok := seen[name]; !ok {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
