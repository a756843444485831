package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// length is a length of time in the unit and with the digits that a person wants.
func length(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + length(-d)
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
}

// moment is a time since the start of the load.
func moment(d time.Duration) string {
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// count is a whole number with commas.
func count[N ~int | ~int64 | ~uint64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	var out strings.Builder
	for i, digit := range text {
		if left := len(text) - i; i > 0 && left%3 == 0 && text[i-1] != '-' {
			out.WriteByte(',')
		}
		out.WriteRune(digit)
	}
	return out.String()
}

// quantity is a count with its noun, in the plural where it needs one.
func quantity[N ~int | ~int64 | ~uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// figure is a measured number with its unit, without digits that mean nothing.
func figure(value float64, unit string) string {
	text := strconv.FormatFloat(value, 'g', 4, 64)
	if value == float64(int64(value)) {
		text = count(int64(value))
	}
	return strings.TrimSpace(text + " " + unit)
}
