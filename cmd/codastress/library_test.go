package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/scenario"
)

// fieldReport is the scenario of the library that has a test of its own.
const fieldReport = "web-hosting-2007"

// Whatever is in the library passes on the system as it is.
func TestLibraryScenariosPass(t *testing.T) {
	const atOnce = 2 // a simulation has one processor
	library, err := scenario.Library()
	require.NoError(t, err)
	codastressed, runs := clean(t), ground(t)
	type running struct {
		*invocation
		name string
	}
	var under []running
	end := func() {
		first := under[0]
		under = under[1:]
		require.Equal(t, exitPass, first.wait(t, runBound), "%s\n%s", first.name, first.said())
	}
	for _, s := range library {
		if s.Name == fieldReport {
			continue
		}
		if len(under) == atOnce {
			end()
		}
		under = append(under, running{
			begin(t, codastressed, "run", s.Name, "--runtime", "simulation", "--seed", "2", "--dir", filepath.Join(runs, s.Name)), s.Name,
		})
	}
	for len(under) > 0 {
		end()
	}
}

// The mail of 2007: its symptoms come by themselves on the profile that it is about, fewer on the later one, and none on the modern one.
func TestTheFieldReport(t *testing.T) {
	ran := codastressWithin(t, 2*time.Minute, exitPass, clean(t), "compare", fieldReport, "--runtime", "simulation", "--seed", "1",
		"--profiles", "coda-6.1,coda-6.9,modern", "--dir", filepath.Join(ground(t), "runs"))
	table := ran.stdout.String()
	require.Regexp(t, `(?m)^verdict +pass +pass +pass$`, table)
	require.Regexp(t, `(?m)^  no-hang +expected +expected +pass$`, table)
	require.Regexp(t, `(?m)^  connected +expected +pass +pass$`, table)
}
