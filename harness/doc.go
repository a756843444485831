// Package harness carries out a run from its scenario to its verdict: it plans from the seed, starts the cluster, lets the workload and
// the faults loose, heals, waits for the clients to converge, and judges the history. Run has the whole timeline.
//
// It knows workloads, faults and checks only by the function values of a Catalog; the command wires them.
package harness
