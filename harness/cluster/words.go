package cluster

import (
	"os"
	"strings"
)

// fewWords is how much of a log goes into an error.
const fewWords = 2 << 10

// lastWords is the end of a log, in lines of its own to follow an error; "" where there is none.
func lastWords(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return ""
	}
	return "\nIt said last:\n" + strings.TrimSpace(string(text[max(0, len(text)-fewWords):]))
}
