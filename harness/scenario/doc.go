// Package scenario says what to run: how large a cluster, which workload, which faults, and the limits that the run is held against.
//
// A scenario is a strict YAML file. Everything but the name and the workload has a default:
//
//	name: my-incident            # names the run directory, so only a-z, 0-9 and -
//	doc: |                       # the first line is what `codastress list` shows
//	  What happened to us.
//	clients: 3
//	servers: 1                   # each holds every volume: the number of replicas
//	profile: modern              # of the file system: docs/profiles.md
//	time_scale: 1                # divides the time constants of the file system
//	constants:                   # of the daemons, as they are to be: the time scale does not divide what is set here
//	  venus: {ping: 2s}          # `codastress explain venus.ping`
//	  codasrv: {lease: 3s}
//	load: 15s                    # how long the workload runs
//	workload:
//	  name: mass-delete
//	  rate: 50                   # everything but the name is an argument of the workload
//	faults:
//	  must: [partition, kill-venus]   # each at least once, as often as it is named
//	  mix: {partition: 2, pause-venus: 1}   # weights of what fills the time that is left
//	  least: 500ms               # the least time from the injection of a fault to its healing
//	  gap: 1.5s                  # the least time from the healing of a fault to the next one
//	limits:
//	  hang: 10s                  # the longest that a call may take
//	  converge: 30s              # from healing to equal trees
//	  p99: 500ms                 # what 99 of 100 calls that no fault hinders may take; as the next two, it is not held against anything unless it is set
//	  stall: 2s                  # the longest in which such calls of a client may wait without one that returns
//	  stale: 2s                  # for how long a client may not see what is on the servers; without it, for a lease of the profile
//	  cached: 1s                 # the longest that a client may take for what it has, with every server gone; without it, 1 s with the profile modern
//	  recover: 5s                # from the healing of what hindered a client until its calls are quick again
//	expect: pass                 # what is expected of the checks; without it they are to pass as well
//
// Several workloads can be done, side by side or one after the other. Each has its own directory and its own seed, and its part of the load; what they do
// is judged as one run:
//
//	workloads:                   # in the place of workload
//	  - name: mass-delete
//	    rate: 50
//	  - name: create-storm
//	    start: 5s                # after the start of the load; what is planned within it, as at of mass-delete, counts from here
//	    length: 4s               # without it, until the load ends
//	    clients: [client2]       # without it, all
//
// A scenario for a file system that is not ours names the mounts of it, a client each, instead of clients and servers, and what it claims:
//
//	mounts: [/mnt/a, /mnt/b, /mnt/c]
//	consistency: close-to-open   # or session, or eventual=10s: docs/mounts.md
//
// Instead of leaving the faults to the seed, their steps can be fixed, in the words of a run's plan.yaml:
//
//	faults:
//	  steps:
//	    - name: latency
//	      nodes: [client2, server1]
//	      start: 3s              # after the start of the load
//	      length: 2s
//	      args: {latency: 300ms} # what is not to be drawn: `codastress explain latency`
//	    - name: kill-venus
//	      nodes: [client3]
//	      when: {operation: remove, count: 300, node: client3}   # instead of a time; without a node, of all clients
//	      length: 2s
//	    - name: kill-codasrv
//	      nodes: [server1]
//	      when: {failpoint: committing, count: 20, node: server1} # in a simulation: when it is to be the 20th time that the daemon commits something
//	      length: 2s
//
// A fault that waits for operations begins at most a tenth of a second after the last of them; one that waits for a failpoint finds the
// daemon there. If the load is over before, the run proves nothing.
//
// What is expected can be symptoms instead: checks that must fail, all or with some profiles. The run passes when all of them show up and every other
// check passes, and fails when one does not show up:
//
//	expect:
//	  - check: no-hang
//	    profiles: [coda-6.1, coda-6.9]
//	    text: remove             # which its summary or its evidence must have
//	    figure: longest call     # of the check, at least this long
//	    least: 20
//	    most: 60                 # and no longer
//
// An unknown field is an error, and so is everything else that cannot be meant: it is reported with file, line and column, and with the
// nearest name where a name is wrong. [Scenario.Marshal] writes a scenario with everything resolved, and that text alone repeats it.
package scenario
