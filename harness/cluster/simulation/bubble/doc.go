// Package bubble runs a function in virtual time, in an ordinary program: in a bubble of [testing/synctest], which by itself is to be had in
// tests only. In the bubble, time passes when every goroutine waits, and then at once.
//
// The way there is [testing.MainStart], which gives out a [testing.T]. It is made for the programs that `go test` generates and may change
// with a release of Go; then this package does not compile. Nothing here depends on what a release could change without that.
//
// Built with the overlay of scripts/overlay and started with CODASTRESS_RUNTIME_SEED=NUMBER, a process repeats itself:
// the goroutines of the bubble run in an order that the number decides, and so does everything else that is random.
// docs/simulation.md says what is covered.
package bubble
