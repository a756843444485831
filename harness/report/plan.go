package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/codastress/codastress/harness/history"
)

// Plan prints the numbered steps of a run, one a line, as they are known before anything starts.
func Plan(w io.Writer, plan []history.Step) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, step := range plan {
		fmt.Fprintf(table, "  %d\t%s\t%s\t%s%s\n",
			step.Number, step.Phase, strings.TrimSpace(step.Name+" "+step.Task), strings.Join(step.Nodes, " "), when(step))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the plan: %w", err)
	}
	return nil
}

// when is the column that says when a step happens. Preparing steps happen one after the other, before times are told, and repairing ones after that.
func when(step history.Step) string {
	if step.Phase == "prepare" || step.Phase == "repair" {
		return ""
	}
	text := "\tat " + begins(step)
	if step.Length > 0 {
		text += " for " + length(step.Length)
	}
	return text
}

// begins says when a step begins.
func begins(step history.Step) string {
	switch {
	case step.When == nil:
		return moment(step.Start)
	case step.Start == 0:
		return step.When.String()
	}
	return moment(step.Start) + " after " + step.When.String()
}
