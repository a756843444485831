package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/nearest"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/codastress/codastress/system/coda"
)

func explainCommand() *cobra.Command {
	var file bool
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "Describe any part of a run, or a field of a scenario",
		Long: "Explain describes a scenario, workload, fault, check, profile, runtime, failpoint, kind of operation, consistency level, a field of a scenario file by its\n" +
			"path, a constant of a daemon, or how a fault hook is called. `codastress list` shows what there is.",
		Example: "  codastress explain partition\n  codastress explain faults.gap\n  codastress explain venus.ping\n" +
			"  codastress explain mass-delete --file >my-incident.yaml",
		Args: oneArgument("name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file {
				return printFile(cmd.OutOrStdout(), args[0])
			}
			all, err := parts()
			if err != nil {
				return err
			}
			return explain(cmd.OutOrStdout(), all, bare(args[0]))
		},
	}
	cmd.Flags().BoolVar(&file, "file", false, "print the file of a scenario of the library, to be copied and changed")
	return cmd
}

// bare is the name of a part in the words of an error, where a field of a list has its number, and a constant the field that it is in.
func bare(name string) string {
	return strings.TrimPrefix(regexp.MustCompile(`\[\d+\]`).ReplaceAllString(name, ""), "constants.")
}

// printFile prints the text of a scenario of the library.
func printFile(out io.Writer, name string) error {
	text, err := scenario.LibraryFile(name)
	if errors.Is(err, scenario.ErrUnknown) {
		return usageError{err}
	} else if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
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
		slices.Sort(names)
		return usageError{fmt.Errorf("%s", nearest.Unknown("part", name, slices.Compact(names)))}
	}
	return nil
}

// vocabulary is what else a scenario, or a command, can name.
func vocabulary() (all []part) {
	for _, profile := range coda.Profiles() {
		all = append(all, part{kind: "profile", name: string(profile), doc: profile.Doc()})
	}
	for _, runtime := range runtimeDocs() {
		all = append(all, part{kind: "runtime", name: runtime[0], doc: runtime[1]})
	}
	for _, failpoint := range history.Failpoints() {
		all = append(all, part{kind: "failpoint", name: string(failpoint), doc: failpoint.Doc()})
	}
	for _, kind := range history.Kinds() {
		all = append(all, part{kind: "operation", name: kind.String(), doc: kind.Doc()})
	}
	for _, level := range history.Levels() {
		all = append(all, part{kind: "level", name: string(level), doc: level.Doc()})
	}
	for _, field := range scenario.Fields() {
		all = append(all, part{kind: "field", name: field.Name, doc: field.Doc})
	}
	return all
}

// runtimeDocs say of each runtime what a node is there.
func runtimeDocs() [][2]string {
	return [][2]string{
		{"containers", "each node is a container of its own, in networks where only the proxy reaches the others"},
		{"processes", "the nodes are child processes of the harness, on loopback"},
		{"simulation", "all nodes are parts of one process, in virtual time: network and disks are in memory"},
		{"auto", "containers if a container engine answers, or else processes; the run says which and why"},
	}
}

// faultDoc is what else there is to say of a fault: what it may excuse, and where it can be injected.
func faultDoc(f harness.Fault) string {
	text := "\n\nMay excuse " + f.Excuses + "."
	if f.Only != "" {
		text += "\nOnly in the runtime " + f.Only + "."
	}
	return text
}

// constantPart explains a constant by the values that it has where a scenario says nothing.
func constantPart(c harness.Constant) part {
	p := part{
		kind: "constant", name: c.Daemon + "." + c.Name,
		doc: c.Doc + "\n\nA scenario sets it in constants." + c.Daemon + "; the time scale does not divide what is set. Where nothing is set, and before the time scale:",
	}
	for _, profile := range coda.Profiles() {
		p.details = append(p.details, [2]string{string(profile), c.Defaults[string(profile)]})
	}
	return p
}

// measured are the figures of a check.
func measured(names []string) [][2]string {
	var details [][2]string
	for _, name := range names {
		details = append(details, [2]string{"figure", name})
	}
	return details
}
