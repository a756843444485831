package main

import (
	"fmt"
	"strings"

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
	hooks            []faults.Hook   // whose faults a scenario can name
	source           scenario.Source // of the scenario that was loaded last
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
	sc, source, err := scenario.Read(name, known)
	if err != nil {
		return sc, usageError{err}
	}
	if err := f.change(cmd, &sc, &source); err != nil {
		return sc, usageError{err}
	}
	if err := sc.Validate(); err != nil {
		return sc, usageError{source.Locate(err)}
	}
	if err := sc.LookUp(known); err != nil {
		return sc, usageError{source.Locate(err)}
	}
	f.source = source
	if sc.Servers > 1 && coda.Profile(sc.Profile).Historical() {
		return sc, usageError{fmt.Errorf("profile: %s has no replicated volumes yet: take %s, or one server", sc.Profile, coda.Modern)}
	}
	return sc, nil
}

// change changes a scenario as the flags say.
func (f *scenarioFlags) change(cmd *cobra.Command, sc *scenario.Scenario, source *scenario.Source) error {
	for flag, change := range map[string]func(){
		"clients": func() { sc.Clients = f.clients },
		"servers": func() { sc.Servers = f.servers },
		"profile": func() { sc.Profile = f.profile },
	} {
		if cmd.Flags().Changed(flag) {
			change()
			source.Changed(flag)
		}
	}
	for _, setting := range f.settings {
		field, _, _ := strings.Cut(setting, "=")
		source.Changed(field)
	}
	return sc.Set(f.settings...)
}
