package checks_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/codastress/codastress/checks"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// never has the kinds of stored histories that a check has none of.
func never(check, kind string) bool {
	if kind == "skipped" {
		_, err := os.Stat(filepath.Join("testdata", check, kind))
		return errors.Is(err, fs.ErrNotExist)
	}
	return check == "proven" && kind == "bad"
}

func TestStoredHistoriesAreJudgedRightly(t *testing.T) {
	want := map[string]history.Result{"good": history.Pass, "bad": history.Fail, "unclear": history.Undecided, "skipped": history.Skipped}
	for _, check := range checks.All() {
		for kind, result := range want {
			if never(check.Name, kind) {
				continue
			}
			t.Run(check.Name+"/"+kind, func(t *testing.T) {
				for name, run := range stored(t, check.Name, kind) {
					verdict := check.Run(run)
					require.Equal(t, result, verdict.Result, "%s: %+v", name, verdict)
					require.Equal(t, check.Name, verdict.Check)
					require.NotEmpty(t, verdict.Summary, name)
					if result > history.Pass {
						require.NotEmpty(t, verdict.Evidence, name)
					}
				}
			})
		}
	}
}

// A good history of one check may be bad for another, but no check may accuse a system because the record is poor.
func TestNoCheckFailsARunWithoutARecord(t *testing.T) {
	for name, run := range map[string]*history.Run{
		"nothing":   {},
		"no events": {Meta: history.Meta{Clients: []string{"client1"}, Servers: []string{"server1"}}, Truncated: "there is no history"},
	} {
		for _, check := range checks.All() {
			run := run
			if check.Name == "visibility" { // it is for runs on mounts of other file systems
				require.Equal(t, history.Skipped, check.Run(run).Result)
				foreign := *run
				foreign.Meta = history.Meta{Mounts: []string{"/a", "/b"}, Consistency: history.Consistency{Level: history.CloseToOpen}}
				run = &foreign
			}
			require.Equal(t, history.Undecided, check.Run(run).Result, "%s of %s", check.Name, name)
		}
	}
}

func TestChecksHaveNamesAndSayWhatTheyTest(t *testing.T) {
	names := map[string]bool{}
	for _, check := range checks.All() {
		require.NotEmpty(t, check.Doc)
		require.False(t, names[check.Name])
		names[check.Name] = true
	}
}
