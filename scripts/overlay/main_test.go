package main

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The edits fit the Go distribution that builds, and what comes out is Go.
func TestGenerate(t *testing.T) {
	folder := t.TempDir()
	path, err := generate(folder)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(folder, "overlay.json"), path)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var overlay struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal(text, &overlay))
	for _, e := range edits() {
		require.Contains(t, overlay.Replace, filepath.Join(goroot(t), "src", e.file))
	}
	for original, replacement := range overlay.Replace {
		_, err := parser.ParseFile(token.NewFileSet(), replacement, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		if filepath.Base(original) == "codastress_seeded.go" {
			require.NoFileExists(t, original)
			continue
		}
		require.FileExists(t, original)
	}
}

func goroot(t *testing.T) string {
	t.Helper()
	root, version, err := distribution()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(version, "go1."), version)
	return root
}

// A folder that is there already is left as it is, so that a build that goes on is not disturbed.
func TestGenerateAgain(t *testing.T) {
	folder := t.TempDir()
	path, err := generate(folder)
	require.NoError(t, err)
	before, err := os.Stat(path)
	require.NoError(t, err)
	_, err = generate(folder)
	require.NoError(t, err)
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
}

func TestAnotherVersion(t *testing.T) {
	source := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(source, "a.go"), []byte("one\ntwo\ntwo\n"), 0o644))
	for name, test := range map[string]struct {
		edit edit
		says string
	}{
		"anchor missing": {edit{file: "a.go", anchor: "three\n"}, `a.go has this text 0 times, not once: "three\n"`},
		"anchor twice":   {edit{file: "a.go", anchor: "two\n"}, `a.go has this text 2 times, not once: "two\n"`},
		"file missing":   {edit{file: "b.go", anchor: "one\n"}, "b.go"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := edited(source, []edit{test.edit})
			require.ErrorIs(t, err, errUnfit)
			require.ErrorContains(t, err, test.says)
		})
	}
	files, err := edited(source, []edit{
		{file: "a.go", anchor: "one\n", before: "zero\n", after: "half\n"},
		{file: "a.go", anchor: "half\n", after: "more\n"},
	})
	require.NoError(t, err)
	require.Equal(t, "zero\none\nhalf\nmore\ntwo\ntwo\n", string(files["a.go"]))
}

// What is generated lies in the tree of the module that is built, and must not become a package of it.
func TestTheFolderIsNoPartOfAModule(t *testing.T) {
	module := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), []byte("module around\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(module, "around.go"), []byte("package around\n"), 0o644))
	_, err := generate(filepath.Join(module, "bin", "overlay"))
	require.NoError(t, err)
	list := exec.Command("go", "list", "./...")
	list.Dir = module
	output, err := list.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Equal(t, "around\n", string(output))
}
