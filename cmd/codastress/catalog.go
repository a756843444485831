package main

import (
	"errors"
	"time"

	"github.com/codastress/codastress/checks"
	"github.com/codastress/codastress/faults"
	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/workloads"
)

// catalog is the one list of everything that a run can be made of.
func catalog() harness.Catalog { return catalogOf(faults.All()) }

// hooked is the catalog with the faults of a hook in the place of ours, where there are any.
func hooked(hooks []faults.Hook) harness.Catalog {
	if len(hooks) == 0 {
		return catalog()
	}
	var all []faults.Fault
	for _, hook := range hooks {
		all = append(all, hook)
	}
	return catalogOf(all)
}

func catalogOf(all []faults.Fault) harness.Catalog {
	var known harness.Catalog
	for _, workload := range workloads.All() {
		known.Workloads = append(known.Workloads, planned(workload))
	}
	for _, fault := range all {
		known.Faults = append(known.Faults, injected(fault))
	}
	for _, check := range checks.All() {
		known.Checks = append(known.Checks, harness.Check{Name: check.Name, Doc: check.Doc, Figures: checks.Figures(check.Name), Run: check.Run})
	}
	known.Constants = append(constants(cluster.Venus, venus.Constants), constants(cluster.Codasrv, vice.Constants)...)
	known.Lease = leaseOf
	known.Schedule = func(request harness.ScheduleRequest) ([]history.Step, error) { return schedule(all, request) }
	return known
}

// leaseOf is for how long a client may trust what it has: a lease, or with a profile that has none, until it has pinged the server again.
func leaseOf(sc scenario.Scenario) (time.Duration, error) {
	profile := coda.Profile(sc.Profile)
	if profile.Historical() {
		config := venus.Config{Profile: profile, Timing: venus.TimingOf(profile).Scaled(sc.TimeScale)}
		err := config.SetConstants(sc.Constants[cluster.Venus])
		return config.Timing.Ping, err
	}
	config := vice.Config{Profile: profile, Timing: vice.TimingOf(profile).Scaled(sc.TimeScale)}
	err := config.SetConstants(sc.Constants[cluster.Codasrv])
	return config.Timing.Lease, err
}

// names are the catalog's as a scenario can use them.
func names(known harness.Catalog) scenario.Names {
	names := scenario.Names{Workloads: map[string][]string{}, Faults: map[string][]string{}, Figures: map[string][]string{}, Constants: map[string][]string{}}
	for _, workload := range known.Workloads {
		names.Workloads[workload.Name] = parameterNames(workload.Parameters)
	}
	for _, fault := range known.Faults {
		names.Faults[fault.Name] = parameterNames(fault.Parameters)
	}
	for _, profile := range coda.Profiles() {
		names.Profiles = append(names.Profiles, string(profile))
	}
	for _, check := range known.Checks {
		names.Checks = append(names.Checks, check.Name)
		names.Figures[check.Name] = check.Figures
	}
	for _, constant := range known.Constants {
		names.Constants[constant.Daemon] = append(names.Constants[constant.Daemon], constant.Name)
	}
	return names
}

// constants is the harness's view of the constants of a kind of daemon.
func constants(daemon string, of func(coda.Profile) []coda.Constant) (all []harness.Constant) {
	for _, c := range of(coda.Modern) {
		all = append(all, harness.Constant{Daemon: daemon, Name: c.Name, Doc: c.Doc, Defaults: map[string]string{}, Check: c.Set})
	}
	for _, profile := range coda.Profiles() {
		for i, c := range of(profile) {
			all[i].Defaults[string(profile)] = c.String()
		}
	}
	return all
}

func parameterNames(parameters []harness.Parameter) []string {
	var names []string
	for _, parameter := range parameters {
		names = append(names, parameter.Name)
	}
	return names
}

// planned is the harness's view of a workload. Its tasks are carried out on the nodes.
func planned(workload workloads.Workload) harness.Workload {
	var parameters []harness.Parameter
	for _, p := range workload.Parameters() {
		parameters = append(parameters, harness.Parameter(p))
	}
	return harness.Workload{
		Name: workload.Name(), Doc: workload.Doc(), Parameters: parameters, NeedsCoda: workloads.NeedsCoda(workload),
		Plan: func(request harness.PlanRequest) ([]history.Step, error) {
			steps, err := workload.Plan(workloads.PlanRequest(request))
			if bad, ok := errors.AsType[*workloads.ParameterError](err); ok {
				err = &harness.ArgumentError{Name: bad.Parameter, Err: bad.Err}
			}
			return steps, err
		},
	}
}

func schedule(known []faults.Fault, request harness.ScheduleRequest) ([]history.Step, error) {
	return faults.Schedule(faults.ScheduleRequest{
		Topology: faults.Topology(request.Topology), Known: known,
		Seed: request.Seed, Load: request.Load, Least: request.Least, Gap: request.Gap,
		Mix: faults.Mix{Must: request.Must, Weights: request.Weights},
	})
}

// injected is the harness's view of a fault.
func injected(fault faults.Fault) harness.Fault {
	var parameters []harness.Parameter
	for _, p := range faults.Parameters(fault) {
		parameters = append(parameters, harness.Parameter(p))
	}
	return harness.Fault{
		Name: fault.Name(), Doc: fault.Doc(), Only: faults.OnlyIn(fault), Excuses: faults.Excuses(fault), Parameters: parameters,
		CheckArguments: func(args map[string]string) error {
			err := faults.CheckArguments(fault, args)
			if bad, ok := errors.AsType[*faults.ArgumentError](err); ok {
				err = &harness.ArgumentError{Name: bad.Name, Err: bad.Err}
			}
			return err
		},
		Hits: func(topology harness.Topology, step history.Step) error {
			return faults.Hits(fault, faults.Topology(topology), step)
		},
		Prepare: func(on *cluster.Cluster, step history.Step) (harness.Injection, error) {
			prepared, err := fault.Prepare(faults.On(on), step)
			if err != nil {
				return nil, err
			}
			return faults.Proving{Injection: prepared}, nil
		},
	}
}
