// Package cfs is what the subcommands of cfs and hoard do: each asks a running venus over its control socket and writes to a writer, in the words of
// Coda's programs.
package cfs
