// Package dump lets a process be asked for the stacks of its goroutines over a unix socket, without a signal that ends it and without any
// lock of the program, so that it answers when the program hangs.
package dump
