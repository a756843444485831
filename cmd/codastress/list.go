package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/codastress/codastress/faults"
	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/nearest"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/spf13/cobra"
)

// A part is something that can be listed and explained.
type part struct {
	kind, name, doc string
	details         [][2]string // name and text
}

func listCommand() *cobra.Command {
	kinds := []string{"scenarios", "workloads", "faults", "checks"}
	return &cobra.Command{
		Use:       "list [scenarios|workloads|faults|checks|...]",
		Short:     "List what a run can be made of",
		Long:      "List shows what a run can be made of, or one kind of it: " + strings.Join(listable(), ", ") + ".",
		ValidArgs: listable(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("want at most one of %s", strings.Join(listable(), ", "))}
			}
			for _, arg := range args {
				kinds = []string{arg}
			}
			all, err := parts()
			if err != nil {
				return err
			}
			return list(cmd.OutOrStdout(), all, kinds)
		},
	}
}

// listable are the kinds of parts that can be listed.
func listable() []string {
	return []string{"scenarios", "workloads", "faults", "checks", "profiles", "runtimes", "failpoints", "operations", "levels", "fields", "constants"}
}

func list(out io.Writer, all []part, kinds []string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, kind := range kinds {
		found := false
		for _, p := range all {
			if p.kind+"s" != kind {
				continue
			}
			if !found && len(kinds) > 1 {
				fmt.Fprintf(table, "%s%s:\n", strings.Repeat("\n", min(i, 1)), kind)
			}
			found = true
			summary, _, _ := strings.Cut(p.doc, "\n")
			fmt.Fprintf(table, "%s\t%s\n", p.name, summary)
		}
		if !found {
			return usageError{fmt.Errorf("%s", nearest.Unknown("kind of part", kind, listable()))}
		}
	}
	return table.Flush()
}

// parts lists everything that the catalog and the scenario library have.
func parts() ([]part, error) {
	var all []part
	library, err := scenario.Library()
	if err != nil {
		return nil, fmt.Errorf("reading the library of scenarios: %w", err)
	}
	for _, sc := range library {
		all = append(all, part{kind: "scenario", name: sc.Name, doc: sc.Doc})
	}
	known := catalog()
	for _, w := range known.Workloads {
		all = append(all, part{kind: "workload", name: w.Name, doc: w.Doc, details: parameters(w.Parameters)})
	}
	for _, f := range known.Faults {
		all = append(all, part{kind: "fault", name: f.Name, doc: f.Doc + faultDoc(f), details: drawnParameters(f.Parameters)})
	}
	for _, c := range known.Checks {
		all = append(all, part{kind: "check", name: c.Name, doc: c.Doc, details: measured(c.Figures)})
	}
	all = append(all, vocabulary()...)
	for _, c := range known.Constants {
		all = append(all, constantPart(c))
	}
	return append(all, part{kind: "option", name: "fault-hook", doc: faults.HookDoc}), nil
}

func parameters(of []harness.Parameter) [][2]string {
	var details [][2]string
	for _, p := range of {
		details = append(details, [2]string{p.Name + "=" + p.Default, p.Doc})
	}
	return details
}

// drawnParameters are those of a fault: most of them have no value that could be written down.
func drawnParameters(of []harness.Parameter) [][2]string {
	var details [][2]string
	for _, p := range of {
		details = append(details, [2]string{p.Name, withDefault(p)})
	}
	return details
}
