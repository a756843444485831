package checks_test

import (
	"fmt"
	"testing"

	"github.com/codastress/codastress/checks"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSoundFileSystemPassesEveryCheck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := simulate(rapid.Uint64().Draw(t, "seed"), sound, rapid.IntRange(20, 3000).Draw(t, "actions"))
		for _, check := range checks.All() {
			verdict := check.Run(run)
			if check.Name == "proven" { // what happens at random may prove nothing
				require.NotEqual(t, history.Fail, verdict.Result)
				continue
			}
			want := history.Pass
			if run.Operations.Len() == 0 {
				want = history.Undecided
			}
			require.LessOrEqual(t, verdict.Result, want, "%+v", verdict)
		}
	})
}

func TestDefectsAreFoundByTheRightCheck(t *testing.T) {
	const seeds = 40
	for _, c := range []struct {
		name   string
		defect defect
		checks []string // that fail often
		never  []string // that must not
	}{
		{"log tail dropped", logTailDropped, []string{"no-lost-data"}, []string{"no-hang", "no-crash", "convergence"}},
		{"remove not sent", removeNotSent, []string{"no-lost-data"}, []string{"no-hang", "no-crash"}},
		{"callback break lost", breakLost, []string{"convergence"}, []string{"no-hang", "no-crash", "no-lost-data"}},
		{"acknowledged before commit", acknowledgedBeforeCommit, []string{"no-lost-data"}, []string{"no-hang", "no-crash"}},
		{"applied twice", appliedTwice, []string{"no-false-conflict"}, []string{"no-hang", "no-crash", "convergence"}},
		{"torn read", tornRead, []string{"no-lost-data"}, []string{"no-hang", "no-crash", "convergence", "session-reads", "no-false-conflict"}},
		{"view goes back", viewGoesBack, []string{"session-reads"}, []string{"no-hang", "no-crash"}},
		{"hangs", hangs, []string{"no-hang"}, []string{"no-crash", "convergence", "no-lost-data", "no-false-conflict"}},
		{"crashes", crashes, []string{"no-crash"}, []string{"no-hang", "convergence", "no-lost-data", "no-false-conflict"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			failed := map[string]int{}
			for seed := range uint64(seeds) {
				run := simulate(seed, c.defect, 1500)
				for _, check := range checks.All() {
					if check.Run(run).Result == history.Fail {
						failed[check.Name]++
					}
				}
			}
			for _, name := range c.checks {
				require.Greater(t, failed[name], seeds/8, fmt.Sprint(failed))
			}
			for _, name := range c.never {
				require.Zero(t, failed[name], fmt.Sprint(failed))
			}
		})
	}
}
