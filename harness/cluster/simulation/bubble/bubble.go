package bubble

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
)

// Error says why a bubble did not end well.
type Error struct {
	Reason     string // one line
	Goroutines string // the stack of the goroutine that failed, or of all goroutines of the bubble where they wait for each other
}

// Error is the reason and below it the goroutines.
func (e *Error) Error() string {
	return strings.TrimSpace(e.Reason + "\n\n" + e.Goroutines)
}

// Run calls f in a new bubble and waits until every goroutine that f started in it has ended. The context ends when f has returned.
//
// The error, an [*Error], is for f panicking or ending its goroutine, and for goroutines that wait for each other, with nothing to come that
// could wake them; these stay where they are. A panic in another goroutine than f's ends the process, as it always does.
//
// Run must not be called in a bubble. Each call leaves one goroutine behind, outside the bubble. The first call parses the flags of package
// flag from no arguments, unless they were parsed before.
func Run(f func(context.Context)) (err error) {
	t := newT()
	defer func() {
		// synctest tells of a deadlock by a panic here.
		if r := recover(); r != nil {
			err = &Error{Reason: fmt.Sprint(r), Goroutines: bubbled()}
		}
	}()
	// What holds if f does not come to an end.
	var failed error = &Error{Reason: "the function ended its goroutine by runtime.Goexit"}
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			failed = call(t.Context(), f)
		}()
		<-ended
	})
	return failed
}

// call calls f and turns a panic into an error.
func call(ctx context.Context, f func(context.Context)) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Reason: fmt.Sprint("panic: ", r), Goroutines: string(debug.Stack())}
		}
	}()
	f(ctx)
	return nil
}

// newT is a test that goes on until the process ends: where a test ends, package testing prints to the standard output.
func newT() *testing.T {
	handed := make(chan *testing.T)
	test := func(t *testing.T) {
		handed <- t
		select {}
	}
	m := testing.MainStart(dependencies{}, []testing.InternalTest{{Name: "bubble", F: test}}, nil, nil, nil)
	if !flag.Parsed() {
		// What package testing would parse else are the arguments of the program, which are none of its business.
		if err := flag.CommandLine.Parse(nil); err != nil {
			panic(err) // no arguments, no errors
		}
	}
	go m.Run()
	return <-handed
}

// bubbled is a dump of the goroutines of all bubbles.
func bubbled() string {
	dump := make([]byte, 1<<20)
	for {
		if n := runtime.Stack(dump, true); n < len(dump) {
			dump = dump[:n]
			break
		}
		dump = make([]byte, 2*len(dump))
	}
	var kept []string
	for goroutine := range strings.SplitSeq(string(dump), "\n\n") {
		if header, _, _ := strings.Cut(goroutine, "\n"); strings.Contains(header, "synctest bubble") {
			kept = append(kept, goroutine)
		}
	}
	return strings.Join(kept, "\n\n")
}

// errUnused is for what package testing calls only if a flag asks for it, and none does.
var errUnused = errors.New("not part of a bubble")
