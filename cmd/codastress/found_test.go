package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// The bugs of the file system that were found, one file each in testdata/found: what was wrong, a patch that takes the mend out again, and what shows
// the bug in a tree with that patch. So a bug is seen to be found, not only believed to be.
const (
	foundFolder = "testdata/found"
	trackRecord = "../../docs/track-record.md"
)

var corpus = flag.String("corpus", "quick", "which bugs TestFoundBugs takes the mend of out again: quick ones, or all")

// bug is a file of testdata/found.
type bug struct {
	name     string
	patch    []byte // takes the mend out again
	scenario []byte // of simulate

	Wrong    string   `yaml:"wrong"`    // one sentence
	Found    string   `yaml:"found"`    // by what it was found first
	Mended   string   `yaml:"mended"`   // subject of the commit
	Quick    bool     `yaml:"quick"`    // it is shown each time the tests run
	Simulate searched `yaml:"simulate"` // a search among seeds, or
	Test     tested   `yaml:"test"`     // a test

	Unsearched string `yaml:"unsearched"` // why no search among seeds shows a bug that a test does
}

// searched is a search for a seed that shows a bug. A seed takes another course in each version of the program, so there are several, of which one
// must show it.
type searched struct {
	Seeds string `yaml:"seeds"` // FIRST..LAST
	Check string `yaml:"check"` // that fails
}

// tested is a test that shows a bug.
type tested struct {
	Package string   `yaml:"package"` // as the go command wants it, from the root of the module
	Run     string   `yaml:"run"`     // its name
	Flags   []string `yaml:"flags"`
}

func readBugs(t *testing.T) (bugs []bug) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(foundFolder, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		b := bug{name: strings.TrimSuffix(filepath.Base(file), ".txt")}
		for _, part := range archive.Files {
			switch part.Name {
			case "bug.yaml":
				require.NoError(t, yaml.UnmarshalWithOptions(part.Data, &b, yaml.Strict()), "%s", file)
			case "unmended.patch":
				b.patch = part.Data
			case "scenario.yaml":
				b.scenario = part.Data
			default:
				require.Fail(t, "unknown part", "%s of %s", part.Name, file)
			}
		}
		require.NotEmpty(t, b.Wrong, "%s", file)
		require.NotEmpty(t, b.Found, "%s", file)
		require.NotEmpty(t, b.Mended, "%s", file)
		require.NotEqual(t, b.Simulate.Seeds == "", b.Test.Run == "", "%s: a search or a test, and not both", file)
		require.Equal(t, b.Simulate.Seeds == "", b.scenario == nil, "%s: a search has a scenario", file)
		require.Equal(t, b.Simulate.Seeds == "", b.Unsearched != "", "%s: why is there no search?", file)
		bugs = append(bugs, b)
	}
	return bugs
}

// TestFoundBugs takes the mend of each bug out again and demands that the bug is found, and that the tree as it is passes the same.
func TestFoundBugs(t *testing.T) {
	for _, b := range readBugs(t) {
		t.Run(b.name, func(t *testing.T) {
			replaced := patched(t, b.name, b.patch) // also of those that are not shown: a patch that does not fit shows nothing
			switch {
			case !b.Quick && *corpus != "all":
			case b.Test.Run != "":
				b.Test.show(t, replaced)
			default:
				b.search(t, replaced)
			}
		})
	}
}

// search looks for a seed that shows the bug in the tree without the mend, and has the tree as it is pass as many.
func (b bug) search(t *testing.T, replaced map[string]string) {
	t.Helper()
	executable, err := build(filepath.Join(t.TempDir(), "codastress"), replaced)
	require.NoError(t, err)
	runs := ground(t)
	sc := filepath.Join(t.TempDir(), "scenario.yaml")
	require.NoError(t, os.WriteFile(sc, b.scenario, 0o644))
	found := codastress(t, exitFail, executable, "simulate", sc, "--seeds", b.Simulate.Seeds, "--dir", runs)
	require.Contains(t, failedChecks(t, runs), b.Simulate.Check, "%s", found.said())
	needed := seedsOf(t, found.stdout.String())
	t.Logf("found with %d seeds of %s", needed, b.Simulate.Seeds)
	first, _, err := parseSeeds(b.Simulate.Seeds)
	require.NoError(t, err)
	seeds := fmt.Sprintf("%d..%d", first, first+uint64(needed)-1)
	codastress(t, exitPass, clean(t), "simulate", sc, "--seeds", seeds, "--dir", t.TempDir())
}

// show runs the test in the tree without the mend, where it must fail, and in the tree as it is.
func (w tested) show(t *testing.T, replaced map[string]string) {
	t.Helper()
	said, err := w.run(t, replaced)
	require.Error(t, err, "%s", said)
	failed := regexp.MustCompile(`(?m)^\s*--- FAIL: ` + w.Run + `(/\S+)?`).FindString(said)
	require.NotEmpty(t, failed, "it did not fail by itself:\n%s", said)
	t.Log(failed)
	said, err = w.run(t, nil)
	require.NoError(t, err, "%s", said)
}

// run runs the test with other files in the place of some.
func (w tested) run(t *testing.T, replaced map[string]string) (string, error) {
	t.Helper()
	overlay := filepath.Join(t.TempDir(), "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, text, 0o644))
	args := append([]string{"test", "-count=1", "-failfast", "-vet=off", "-overlay", overlay, "-run", "^" + w.Run + "$", w.Package}, w.Flags...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = "../.."
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// TestTrackRecord holds docs/track-record.md to the bugs that there are.
func TestTrackRecord(t *testing.T) {
	text, err := os.ReadFile(trackRecord)
	require.NoError(t, err)
	head, _, found := bytes.Cut(text, []byte("\n| "))
	require.True(t, found)
	var want bytes.Buffer
	fmt.Fprintf(&want, "%s\n| bug | what was wrong | how it was found | what shows it without the mend | the commit that mended it |\n|---|---|---|---|---|\n", head)
	for _, b := range readBugs(t) {
		shows := fmt.Sprintf("`%s` of `%s`. %s", b.Test.Run, b.Test.Package, b.Unsearched)
		if b.Test.Run == "" {
			shows = fmt.Sprintf("%s, in seeds %s of its scenario", b.Simulate.Check, b.Simulate.Seeds)
		}
		fmt.Fprintf(&want, "| [%s](../cmd/codastress/%s/%s.txt) | %s | %s | %s | %s |\n", b.name, foundFolder, b.name, b.Wrong, b.Found, shows, b.Mended)
	}
	if *update {
		text = want.Bytes()
		require.NoError(t, os.WriteFile(trackRecord, text, 0o644))
	}
	require.Equal(t, want.String(), string(text), "write it again with `go test ./cmd/codastress -run TestTrackRecord -update`")
}
