package report

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// drawing is SVG in the making. Classes are styled by the page.
type drawing struct{ strings.Builder }

func (d *drawing) rect(class string, x, y, width, height float64, title string) {
	fmt.Fprintf(d, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f">%s</rect>`, class, x, y, max(0.1, width), height, titled(title))
}

func (d *drawing) text(class string, x, y float64, text string) {
	fmt.Fprintf(d, `<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, x, y, html.EscapeString(text))
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<path class="%s" d="M%.1f %.1fL%.1f %.1f"/>`, class, x1, y1, x2, y2)
}

// steps draws a line that is level over each slice. A NaN leaves a gap.
func (d *drawing) steps(class string, left, width float64, heights []float64) {
	var path strings.Builder
	pen := "M"
	for i, y := range heights {
		if math.IsNaN(y) {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1fH%.1f", pen, left+float64(i)*width, y, left+float64(i+1)*width)
		pen = "L"
	}
	if path.Len() > 0 {
		fmt.Fprintf(d, `<path class="%s" d="%s"/>`, class, path.String())
	}
}

func titled(title string) string {
	if title == "" {
		return ""
	}
	return "<title>" + html.EscapeString(title) + "</title>"
}

// axis maps times of the record to places on the drawing.
type axis struct {
	from, till  history.Time
	left, width float64
}

// x is where a time stands. What is outside the record stands at its edge.
func (a axis) x(t history.Time) float64 {
	t = min(max(t, a.from), a.till)
	return a.left + a.width*float64(t-a.from)/float64(max(1, a.till-a.from))
}

// ticks are round times after load, at most about twelve.
func (a axis) ticks(load history.Time) []time.Duration {
	span := time.Duration(a.till - a.from)
	every := time.Millisecond
	for step := 0; span/every > 12; step++ {
		if step%3 == 1 { // 1, 2, 5, 10, 20, 50
			every = every * 5 / 2
		} else {
			every *= 2
		}
	}
	var ticks []time.Duration
	first := time.Duration(a.from - load)
	for t := first.Truncate(every); t <= first+span; t += every {
		if t >= first {
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// logarithmic maps lengths of time from 0.1 ms to 100 s to a height above base.
func logarithmic(d time.Duration, base, height float64) float64 {
	const decades = 6
	part := (math.Log10(max(d.Seconds(), 1e-9)) + 4) / decades
	return base - height*min(1, max(0, part))
}
