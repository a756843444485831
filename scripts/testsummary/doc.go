// Command testsummary reads the output of `go test -json` and prints what a person reads: one line a package, the whole output of
// what failed, and at the end the tests that were left out, each with its reason.
//
// It ends with status 1 when a test or package failed, and, with -strict, also when a test was skipped because it needs something
// that the machine does not have. Such a skip says so with the word "needs".
package main
