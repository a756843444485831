package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// The measures of the time line, in units of the drawing.
const (
	lineWidth     = 1140.0
	lineLeft      = 90.0
	lineRight     = 10.0
	letter        = 6.2 // the width of a letter, about
	faultRow      = 18.0
	nodeRow       = 16.0
	rateRow       = 46.0
	latencyHeight = 66.0
	gap           = 8.0
)

// timeline draws what happened when: the faults, the daemons, and for each client how much returned and how long it took.
func (f *findings) timeline() template.HTML {
	t := &timeline{findings: f, axis: axis{f.digest.begin, f.recordEnd(), lineLeft, lineWidth - lineLeft - lineRight}}
	t.y = 16
	t.faultRows()
	t.nodeRows()
	for _, client := range f.digest.clients {
		t.shade(client.name, t.y, rateRow+gap+latencyHeight)
		t.rates(client)
		t.latencies(client)
	}
	height := t.y + 4
	head := fmt.Sprintf(`<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="time line">`, lineWidth, height)
	t.ruler(height)
	return template.HTML(head + t.String() + "</svg>") // every text in it was escaped by drawing
}

// recordEnd is the last moment that the record knows of.
func (f *findings) recordEnd() history.Time {
	end := f.digest.end
	for _, fault := range f.faults {
		end = max(end, fault.Recovered, fault.Injecting)
	}
	for _, observation := range f.Run.Observations {
		end = max(end, observation.Time)
	}
	return end
}

type timeline struct {
	*findings
	drawing
	axis axis
	y    float64 // the top of what is drawn next
}

// faultRows draws a bar for each fault, as many below each other as keeps their names apart.
func (t *timeline) faultRows() {
	if len(t.faults) == 0 {
		return
	}
	var ends []float64 // of the rows
	t.text("name", 0, t.y+12, "faults")
	for _, fault := range t.faults {
		x := t.axis.x(fault.Injecting)
		width := t.axis.x(t.until(fault)) - x
		row := slices.IndexFunc(ends, func(end float64) bool { return end < x })
		if row < 0 {
			row = len(ends)
			ends = append(ends, 0)
		}
		ends[row] = x + max(width, letter*float64(len(faultName(fault)))+8)
		y := t.y + float64(row)*faultRow
		class := "fault"
		if fault.Problem != "" {
			class = "fault bad"
		}
		t.rect(class, x, y+1, max(2, width), faultRow-3, t.faultText(fault.Step)+": "+fault.Proof+fault.Problem)
		t.text("label", min(x+4, lineWidth-lineRight-letter*float64(len(faultName(fault)))), y+12, faultName(fault))
	}
	t.y += float64(len(ends))*faultRow + gap
}

// until is the end of a fault, or of the record where it was not seen to be healed.
func (t *timeline) until(fault history.Fault) history.Time {
	if fault.Recovered == 0 {
		return t.axis.till
	}
	return fault.Recovered
}

// nodeRows draws for each node when its daemon could not work.
func (t *timeline) nodeRows() {
	for _, node := range slices.Concat(t.Run.Meta.Servers, t.Run.Meta.Clients) {
		t.text("name", 0, t.y+11, node)
		t.rect("up", t.axis.left, t.y+3, t.axis.width, nodeRow-8, node+" runs")
		for _, o := range t.outages(node) {
			t.rect(o.class, t.axis.x(o.from), t.y+1, max(2, t.axis.x(o.till)-t.axis.x(o.from)), nodeRow-4, o.text)
		}
		t.y += nodeRow
	}
	t.y += gap
}

// An outage is a time in which a daemon did not work.
type outage struct {
	class, text string
	from, till  history.Time
}

// outages are read from the events of the daemons that carry the file system.
func (t *timeline) outages(node string) []outage {
	var found []outage
	open := -1 // the outage that lasts
	for _, event := range t.Run.Events {
		if event.Node != node || (event.Daemon != "venus" && event.Daemon != "codasrv") || event.Time >= t.axis.till {
			continue
		}
		text := fmt.Sprintf("%s %s at %s", event.Daemon, event.What, moment(t.at(event.Time)))
		if event.Detail != "" {
			text += ": " + event.Detail
		}
		switch event.What {
		case "killed", "exited", "paused":
			if open >= 0 {
				break
			}
			class := "down"
			if event.What == "paused" {
				class = "paused"
			}
			if !event.Expected {
				class = "down bad"
				text += " (nobody asked for it)"
			}
			found = append(found, outage{class, text, event.Time, t.axis.till})
			open = len(found) - 1
		case "ready", "resumed":
			if open >= 0 {
				found[open].till = event.Time
				found[open].text += ", " + event.What + " at " + moment(t.at(event.Time))
			}
			open = -1
		}
	}
	return found
}

// shade marks the times of the faults that concern a client, behind its rows. A fault of a server alone concerns every client.
func (t *timeline) shade(client string, y, height float64) {
	for _, fault := range t.faults {
		named := slices.ContainsFunc(fault.Nodes, func(node string) bool { return slices.Contains(t.Run.Meta.Clients, node) })
		if named && !slices.Contains(fault.Nodes, client) {
			continue
		}
		x := t.axis.x(fault.Injecting)
		t.rect("shade", x, y, max(1, t.axis.x(t.until(fault))-x), height, t.faultText(fault.Step))
	}
}

// rates draws how many operations of a client returned in each slice, the failed ones on top.
func (t *timeline) rates(c *clientDigest) {
	base := t.y + rateRow
	width := t.axis.x(t.digest.begin+t.digest.slice) - t.axis.left
	most := uint64(1)
	for _, s := range c.slices {
		most = max(most, s.ok+s.failed+s.unknown)
	}
	for i, s := range c.slices {
		all := s.ok + s.failed + s.unknown
		if all == 0 {
			continue
		}
		x := t.axis.left + float64(i)*width
		at := t.digest.begin + history.Time(i)*t.digest.slice
		title := fmt.Sprintf("%s at %s: %s ok, %s failed, %s of unknown outcome; longest %s",
			c.name, moment(t.at(at)), count(s.ok), count(s.failed), count(s.unknown), length(s.longest))
		up := rateRow * float64(all) / float64(most)
		bad := rateRow * float64(s.failed+s.unknown) / float64(most)
		t.rect("ok", x, base-up, width, up-bad, title)
		if bad > 0 {
			t.rect("failed", x, base-up, width, max(1, bad), title)
		}
	}
	perSecond := float64(most) / time.Duration(t.digest.slice).Seconds()
	t.text("name", 0, t.y+12, c.name)
	t.text("scale", 0, t.y+26, fmt.Sprintf("up to %s/s", count(uint64(perSecond))))
	t.line("rule", t.axis.left, base, t.axis.left+t.axis.width, base)
	if s := c.silence; s.length() > history.Time(100*time.Millisecond) {
		t.rect("silence", t.axis.x(s.from), base-3, t.axis.x(s.till)-t.axis.x(s.from), 3,
			fmt.Sprintf("nothing returned on %s for %s, from %s on", c.name, length(time.Duration(s.length())), moment(t.at(s.from))))
	}
	t.y += rateRow + gap
}

// latencies draws how long the operations took that returned in each slice: half of them, 99 of 100, and the longest.
func (t *timeline) latencies(c *clientDigest) {
	base := t.y + latencyHeight
	width := t.axis.x(t.digest.begin+t.digest.slice) - t.axis.left
	for _, mark := range []time.Duration{time.Millisecond, 100 * time.Millisecond, 10 * time.Second} {
		y := logarithmic(mark, base, latencyHeight)
		t.line("grid", t.axis.left, y, t.axis.left+t.axis.width, y)
		t.text("scale", 30, y+3, length(mark))
	}
	lines := map[string]func(sliceDigest) time.Duration{
		"p50":     func(s sliceDigest) time.Duration { return s.quantile(0.5) },
		"p99":     func(s sliceDigest) time.Duration { return s.quantile(0.99) },
		"longest": func(s sliceDigest) time.Duration { return s.longest },
	}
	for _, class := range []string{"longest", "p99", "p50"} {
		heights := make([]float64, len(c.slices))
		for i, s := range c.slices {
			heights[i] = math.NaN()
			if s.took != nil {
				heights[i] = logarithmic(lines[class](s), base, latencyHeight)
			}
		}
		t.steps(class, t.axis.left, width, heights)
	}
	for _, op := range t.digest.hung {
		if op.Node == c.name {
			t.rect("hung", t.axis.x(op.Invoked), t.y, t.axis.x(t.axis.till)-t.axis.x(op.Invoked), 3, t.operation(op))
		}
	}
	t.line("rule", t.axis.left, base, t.axis.left+t.axis.width, base)
	t.y += latencyHeight + 2*gap
}

func (s sliceDigest) quantile(q float64) time.Duration {
	return min(s.longest, time.Duration(s.took.ValueAtPercentile(q*100))*time.Microsecond)
}

// ruler draws the times, and where the load began.
func (t *timeline) ruler(height float64) {
	for _, tick := range t.axis.ticks(t.digest.load) {
		x := t.axis.x(t.digest.load + history.Time(tick))
		class := "grid"
		if tick == 0 {
			class = "start"
		}
		t.line(class, x, 14, x, height)
		t.text("tick", x, 10, fmt.Sprintf("%g s", tick.Seconds()))
	}
}
