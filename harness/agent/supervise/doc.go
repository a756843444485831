// Package supervise runs the daemons of a node as child processes: it starts, kills, terminates, pauses and resumes them, reaps them, and
// tells what happened to each.
//
// Every wait is bounded, since a process that waits for a dead file system cannot be killed. Children die with the supervisor's process, even
// when that is killed.
package supervise
