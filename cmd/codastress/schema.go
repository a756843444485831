package main

import (
	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/codastress/codastress/system/coda"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of scenario files, for editors",
		Long: "Schema prints what a scenario file may hold, as a JSON Schema. An editor with a YAML language server completes and explains the fields of a file\n" +
			"that begins with\n\n  # yaml-language-server: $schema=PATH-OF-THE-SCHEMA",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := schema(catalog())
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}

// schema is the JSON Schema of the scenarios that can be made of a catalog.
func schema(known harness.Catalog) ([]byte, error) {
	var workloads, faults []scenario.ParametricTerm
	for _, workload := range known.Workloads {
		term := scenario.ParametricTerm{Term: scenario.Term{Name: workload.Name, Doc: workload.Doc}}
		for _, p := range workload.Parameters {
			term.Parameters = append(term.Parameters, scenario.ParameterTerm{Term: scenario.Term{Name: p.Name, Doc: p.Doc}, Default: p.Default})
		}
		workloads = append(workloads, term)
	}
	for _, fault := range known.Faults {
		term := scenario.ParametricTerm{Term: scenario.Term{Name: fault.Name, Doc: fault.Doc}}
		for _, p := range fault.Parameters {
			term.Parameters = append(term.Parameters, scenario.ParameterTerm{Term: scenario.Term{Name: p.Name, Doc: withDefault(p)}})
		}
		faults = append(faults, term)
	}
	var profiles []scenario.Term
	for _, profile := range coda.Profiles() {
		profiles = append(profiles, scenario.Term{Name: string(profile), Doc: profile.Doc()})
	}
	var checks []scenario.Term
	for _, check := range known.Checks {
		checks = append(checks, scenario.Term{Name: check.Name, Doc: check.Doc})
	}
	return scenario.Schema(workloads, faults, profiles, checks, daemonTerms(known.Constants))
}

// daemonTerms are the kinds of daemons with their constants.
func daemonTerms(constants []harness.Constant) (daemons []scenario.ParametricTerm) {
	for _, c := range constants {
		if len(daemons) == 0 || daemons[len(daemons)-1].Name != c.Daemon {
			daemons = append(daemons, scenario.ParametricTerm{Term: scenario.Term{Name: c.Daemon, Doc: "Constants of every " + c.Daemon + "."}})
		}
		last := &daemons[len(daemons)-1]
		last.Parameters = append(last.Parameters, scenario.ParameterTerm{Term: scenario.Term{Name: c.Name, Doc: c.Doc}})
	}
	return daemons
}

// withDefault says what a fault does where a step does not say it, which often is no value but drawn.
func withDefault(p harness.Parameter) string {
	if p.Default == "" {
		return p.Doc
	}
	return p.Doc + " (default: " + p.Default + ")"
}
