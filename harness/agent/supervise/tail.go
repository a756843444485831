package supervise

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	tailLength = 64 << 10 // of the log that is looked at
	headLines  = 15       // of a panic
	lastLines  = 8        // of the output without one
	lineLength = 300
)

// detail says how a process ended and what it said: the first lines of a panic, or its last lines.
func detail(exit, logFile string, from int64) string {
	said, err := tail(logFile, from)
	if err != nil {
		return fmt.Sprintf("%s; its output cannot be read: %v", exit, err)
	}
	if said = excerpt(said); said == "" {
		return exit
	}
	return exit + "\n" + said
}

// tail reads the end of a file, but nothing before an offset.
func tail(path string, from int64) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	from = max(from, info.Size()-tailLength)
	text, err := io.ReadAll(io.NewSectionReader(file, from, tailLength))
	return string(bytes.ToValidUTF8(text, []byte("?"))), err
}

// excerpt returns the lines from the first alarm on, or the last lines.
func excerpt(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	first, count := max(0, len(lines)-lastLines), lastLines
	for i, line := range lines {
		if isAlarm(line) {
			first, count = i, headLines
			break
		}
	}
	lines = lines[first:min(len(lines), first+count)]
	for i, line := range lines {
		if len(line) > lineLength {
			lines[i] = strings.ToValidUTF8(line[:lineLength], "") + "..."
		}
	}
	return strings.Join(lines, "\n")
}

// isAlarm recognises the lines with which the Go runtime and its race detector announce a crash.
func isAlarm(line string) bool {
	for _, beginning := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE", "SIGSEGV: ", "unexpected fault address"} {
		if strings.HasPrefix(line, beginning) {
			return true
		}
	}
	return false
}
