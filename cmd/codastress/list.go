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
		Use:       "list [scenarios|workloads|faults|checks]",
		Short:     "List what a run can be made of",
		ValidArgs: kinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("want at most one of %s", strings.Join(kinds, ", "))}
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
			return usageError{fmt.Errorf("%s", nearest.Unknown("kind of part", kind, []string{"scenarios", "workloads", "faults", "checks"}))}
		}
	}
	return table.Flush()
}

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain NAME",
		Short: "Describe a scenario, workload, fault or check, or how a fault hook is called",
		Args:  oneArgument("name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := parts()
			if err != nil {
				return err
			}
			return explain(cmd.OutOrStdout(), all, args[0])
		},
	}
}

func explain(out io.Writer, all []part, name string) error {
	var names []string
	found := false
	for _, p := range all {
		names = append(names, p.name)
		if p.name != name {
			continue
		}
		if found {
			fmt.Fprintln(out)
		}
		found = true
		fmt.Fprintf(out, "%s %s\n\n%s\n", p.kind, p.name, strings.TrimSpace(p.doc))
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for i, detail := range p.details {
			fmt.Fprintf(table, "%s  %s\t%s\n", strings.Repeat("\n", max(0, 1-i)), detail[0], detail[1])
		}
		if err := table.Flush(); err != nil {
			return fmt.Errorf("explaining %s: %w", name, err)
		}
	}
	if !found {
		return usageError{fmt.Errorf("%s", nearest.Unknown("part", name, names))}
	}
	return nil
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
		all = append(all, part{kind: "fault", name: f.Name, doc: f.Doc, details: drawnParameters(f.Parameters)})
	}
	for _, c := range known.Checks {
		all = append(all, part{kind: "check", name: c.Name, doc: c.Doc})
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
