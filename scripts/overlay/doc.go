// Command overlay makes a folder that `go build -overlay` takes, so that the Go runtime of what is built has a switch: with
// CODASTRESS_RUNTIME_SEED=NUMBER in the environment at process start, one seed decides about everything in a synctest bubble that otherwise varies
// from run to run. docs/simulation.md says what that covers.
//
//	go run ./scripts/overlay [-optional] [FOLDER]     default bin/overlay
//
// It prints the flags to build with, for example `go build $(go run ./scripts/overlay) ./cmd/codastress`. The folder has edited copies of
// a few files of the Go distribution that `go env GOROOT` names. The edits find their places by exact text; a Go version with other text
// there is refused, with status 1 and one line that says where. With -optional the line is all, and no flags are printed, which builds without.
package main
