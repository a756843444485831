package workloads

import (
	"path"
	"strings"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// smallSite is a deployment that is through in less than a second.
func smallSite(t *testing.T, how string) []history.Step {
	t.Helper()
	r := with("pages", "30", "directories", "3", "size", "600", "large", "1", "rate", "100", "how", how, "deployments", "3", "think", "2ms", "readers", "2")
	r.Clients, r.Load = []string{"client1", "client2"}, 600*time.Millisecond
	steps, err := Deploy{}.Plan(r)
	require.NoError(t, err)
	steps[len(steps)-1].Length = time.Minute // it ends when it is done, however slow the machine is
	return steps
}

func TestDeploymentsAreSoundOnASoundFileSystem(t *testing.T) {
	for _, how := range howDeployed() {
		t.Run(how, func(t *testing.T) {
			steps := smallSite(t, how)
			j := carryOutTogether(t, Deploy{}, steps, &defect{})
			require.Empty(t, failures(t, j.run))
			s := siteOf(&arguments{step: steps[0].Args})
			there := map[string]bool{}
			for _, object := range j.run.Observations[0].Objects {
				there[object.Path] = true
				require.False(t, strings.HasPrefix(path.Base(object.Path), "."), "a temporary file was left: %s", object.Path)
			}
			require.Equal(t, how != bySymlink, there[s.page(0)], "the version before the last one is all that is left beside the last one")
			require.Equal(t, how == bySymlink, there[s.release(3).page(0)])
			require.Equal(t, how != bySymlink, there[s.deployed(9, 3)])
			require.Equal(t, how == byTar, there[s.deployed(9, 2)], "tar removes nothing")
			for _, load := range j.loads {
				require.Positive(t, load.Done)
			}
		})
	}
}

func TestDeploymentsShowAFileSystemThatDoesNotKeepThem(t *testing.T) {
	for _, how := range howDeployed() {
		t.Run(how, func(t *testing.T) {
			if how == byTar { // the others never write to a name twice
				j := carryOutTogether(t, Deploy{}, smallSite(t, how), &defect{losesWrites: true})
				require.Subset(t, failures(t, j.run), []string{"no-lost-data", "own-names"})
				return
			}
			steps := smallSite(t, how)
			steps[len(steps)-1].Length = 3 * time.Second // a directory that does not get empty is removed again and again
			j := carryOutTogether(t, Deploy{}, steps, &defect{keepsRemoved: true})
			require.Contains(t, failures(t, j.run), "no-lost-data")
		})
	}
}
