package report

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// ProgressOptions say how progress is shown.
type ProgressOptions struct {
	Terminal bool          // draw a status line below the lines that are logged
	Width    int           // of the terminal in letters; 0 means 80
	Every    time.Duration // how often a line with figures is logged where there is no terminal; 0 means every 5 s
	Clients  []string      // whose rates are shown, in this order
}

const (
	redrawEvery = 200 * time.Millisecond
	ratesOver   = time.Second // what a rate is measured over
	mostRates   = 4           // with more clients than this, only the slowest is named
	mostStuck   = 3           // operations of one node that are named
)

// Progress shows a person what a run does while it does it: a line for everything that begins or goes wrong, and on a terminal a
// status line that moves. It may be told things from several goroutines.
type Progress struct {
	options ProgressOptions
	out     io.Writer
	start   time.Time
	stop    chan struct{}
	stopped chan struct{}

	mu     sync.Mutex // guards what follows, and out
	phase  string
	total  uint64
	now    map[string]uint64 // operations of each client since the last sample
	rates  map[string]float64
	since  time.Time // the last sample
	faults []activeFault
	stuck  map[string]int // operations, by their nodes
	drawn  bool           // a status line stands on the terminal
}

type activeFault struct {
	step int
	text string
}

// NewProgress begins to show progress on w. Close ends it.
func NewProgress(w io.Writer, options ProgressOptions) *Progress {
	if options.Width <= 0 {
		options.Width = 80
	}
	if options.Every <= 0 {
		options.Every = 5 * time.Second
	}
	p := &Progress{
		options: options, out: w, start: time.Now(), since: time.Now(),
		stop: make(chan struct{}), stopped: make(chan struct{}),
		now: map[string]uint64{}, rates: map[string]float64{}, stuck: map[string]int{},
	}
	go p.draw()
	return p
}

// Close takes the status line away and waits until nothing more is written.
func (p *Progress) Close() {
	close(p.stop)
	<-p.stopped
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

// Phase says what the run does from now on.
func (p *Progress) Phase(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = name
	p.log("%s", name)
}

// Chunk counts the operations of a chunk that was recorded.
func (p *Progress) Chunk(chunk []byte) {
	// A damaged chunk is the recorder's to report: here it only counts less.
	operations, _ := history.Chunks(chunk)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range operations.Rows() {
		if row.Completed == 0 {
			continue
		}
		p.now[operations.Node(row.Worker)]++
		p.total++
	}
}

// FaultInjecting says that a fault begins.
func (p *Progress) FaultInjecting(step history.Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := strings.Join(append([]string{step.Name}, step.Nodes...), " ")
	p.faults = append(p.faults, activeFault{step.Number, text})
	p.log("fault: %s, for %s", text, length(step.Length))
}

// FaultRecovered says that a fault is over, and what became of it.
func (p *Progress) FaultRecovered(record history.Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = slices.DeleteFunc(p.faults, func(f activeFault) bool { return f.step == record.Step })
	text := strings.Join(append([]string{record.Name}, record.Nodes...), " ")
	switch {
	case record.Problem != "":
		p.log("fault: %s: %s", text, record.Problem)
	default:
		p.log("healed: %s (%s)", text, record.Proof)
	}
}

// Stall says that an operation is older than it may be. Of each node the first few are named, and the others counted: what stops often stops
// everything.
func (p *Progress) Stall(stall history.Stall) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck[stall.Node]++
	if p.stuck[stall.Node] > mostStuck {
		return
	}
	text := fmt.Sprintf("stuck: %s of %s on %s has not returned for %s", stall.Kind, stall.Path, stall.Node, length(time.Duration(stall.Seen-stall.Invoked)))
	if len(stall.Files) > 0 {
		text += ": see " + path.Dir(stall.Files[0])
	}
	p.log("%s", text)
}

// draw keeps the status line, or the logged figures, going until Close.
func (p *Progress) draw() {
	defer close(p.stopped)
	every := p.options.Every
	if p.options.Terminal {
		every = redrawEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.tick()
		}
	}
}

func (p *Progress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sample()
	if p.options.Terminal {
		p.erase()
		fmt.Fprint(p.out, shortened(p.elapsed()+p.status(), p.options.Width-1))
		p.drawn = true
		return
	}
	if p.total > 0 {
		p.log("%s", p.status())
	}
}

// sample measures the rates anew, when enough time has passed since the last time.
func (p *Progress) sample() {
	passed := time.Since(p.since)
	if passed < ratesOver {
		return
	}
	for _, client := range p.options.Clients {
		p.rates[client] = float64(p.now[client]) / passed.Seconds()
	}
	clear(p.now)
	p.since = time.Now()
}

// status is the phase, the rates and the faults of this moment on one line.
func (p *Progress) status() string {
	parts := []string{p.phase}
	if p.total > 0 {
		parts = append(parts, p.rateText())
	}
	stuck := 0
	for _, operations := range p.stuck {
		stuck += operations
	}
	if stuck > 0 {
		parts = append(parts, fmt.Sprintf("%d stuck", stuck))
	}
	for _, fault := range p.faults {
		parts = append(parts, "! "+fault.text)
	}
	return strings.Join(parts, "  ")
}

func (p *Progress) rateText() string {
	var sum float64
	var each []string
	slowest := ""
	for _, client := range p.options.Clients {
		rate := p.rates[client]
		sum += rate
		each = append(each, fmt.Sprintf("%s %.0f/s", client, rate))
		if slowest == "" || rate < p.rates[slowest] {
			slowest = client
		}
	}
	if len(each) > mostRates {
		return fmt.Sprintf("%.0f/s, slowest %s %.0f/s", sum, slowest, p.rates[slowest])
	}
	return strings.Join(each, "  ")
}

// log writes a line that stays, above the status line where there is one.
func (p *Progress) log(format string, args ...any) {
	p.erase()
	fmt.Fprintln(p.out, p.elapsed()+fmt.Sprintf(format, args...))
}

func (p *Progress) elapsed() string {
	return fmt.Sprintf("%6.1f s  ", time.Since(p.start).Seconds())
}

func (p *Progress) erase() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[2K")
		p.drawn = false
	}
}

// shortened cuts a line so that it stays one line of a terminal.
func shortened(line string, width int) string {
	letters := []rune(line)
	if width < 1 || len(letters) <= width {
		return line
	}
	return string(letters[:width-1]) + "…"
}
