package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/faults"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/codastress/codastress/system/coda"
)

// scenarioFlags change a scenario that is loaded.
type scenarioFlags struct {
	clients, servers int
	profile          string
	settings         []string
	hooks            []faults.Hook // whose faults a scenario can name
}

func (f *scenarioFlags) register(cmd *cobra.Command) {
	f.registerShape(cmd)
	cmd.Flags().StringVar(&f.profile, "profile", scenario.DefaultProfile, "profile of the file system: "+profileNames())
}

// registerShape registers the flags of everything but the profile.
func (f *scenarioFlags) registerShape(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.clients, "clients", 3, "number of clients")
	flags.IntVar(&f.servers, "servers", 1, "number of servers")
	flags.StringArrayVar(&f.settings, "set", nil, "set one value of the scenario, as in workload.rate=50 (repeatable)")
}

// load loads a scenario, a name of the library or a file, with the changes. What cannot be run is a usageError.
func (f *scenarioFlags) load(cmd *cobra.Command, name string) (scenario.Scenario, error) {
	known := names(catalog())
	for _, hook := range f.hooks {
		known.Faults[hook.Name()] = nil
	}
	sc, err := scenario.Load(name, known)
	if err != nil {
		return sc, usageError{err}
	}
	if cmd.Flags().Changed("clients") {
		sc.Clients = f.clients
	}
	if cmd.Flags().Changed("servers") {
		sc.Servers = f.servers
	}
	if cmd.Flags().Changed("profile") {
		sc.Profile = f.profile
	}
	if err := sc.Set(f.settings...); err != nil {
		return sc, usageError{err}
	}
	if err := sc.Validate(); err != nil {
		return sc, usageError{err}
	}
	if err := sc.LookUp(known); err != nil {
		return sc, usageError{err}
	}
	if sc.Servers > 1 && coda.Profile(sc.Profile).Historical() {
		return sc, usageError{fmt.Errorf("profile: %s has no replicated volumes yet: take %s, or one server", sc.Profile, coda.Modern)}
	}
	return sc, nil
}
