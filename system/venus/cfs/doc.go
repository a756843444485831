// Package cfs is what the subcommands of cfs do: each asks a running venus over its control socket and writes to a writer, in the words of
// Coda's cfs.
package cfs
