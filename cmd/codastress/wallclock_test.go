package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wallTimes are the files of the file system that turn times into numbers, and why they may. Elsewhere what is measured with the clock of the machine would
// be wrong whenever somebody sets that, and no simulated clock would show it.
var wallTimes = map[string]string{
	"system/coda/object.go":        "the form in which the time of an object is kept and sent",
	"system/venusfs/attributes.go": "the form in which the kernel wants it",
	"system/venus/direct/edit.go":  "the form in which it is sent to the control socket",
}

// TestDurationsAreNotMeasuredWithTheWallClock holds the file system to one source of wall clock times, Config.Clock, and to durations that know nothing of it:
// time.Since and time.Until only of times that time.Now has given and that still have its monotonic reading.
func TestDurationsAreNotMeasuredWithTheWallClock(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../../system", func(path string, entry fs.DirEntry, err error) error {
		name, relErr := filepath.Rel("../..", path)
		if err != nil || relErr != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if found := wallClockUses(t, string(text)); wallTimes[name] == "" {
			assert.Empty(t, found, "%s", name)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 100)
}

func TestUsesOfTheWallClockAreSeen(t *testing.T) {
	for use, seen := range map[string]bool{
		"time.Now().UnixNano()": true, "now.Unix()": true, "time.Now().Round(0)": true, "coda.TimeOf(time.Now())": true,
		"time.Since(r.Time.Standard())": true, "time.Until(info.ModTime())": true,
		"time.Since(s.began)": false, "time.Unix(0, n)": false, "d.Round(time.Second)": false, "coda.TimeOf(v.cfg.Clock())": false,
	} {
		require.Equal(t, seen, len(wallClockUses(t, "package p\nvar _ = "+use)) > 0, "%s", use)
	}
}

// wallClockUses are the expressions of a file that take the present from the wall clock, or a duration from it.
func wallClockUses(t *testing.T, text string) (uses []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", text, 0)
	require.NoError(t, err)
	base := files.File(file.Pos()).Base()
	ast.Inspect(file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, _ := selector.X.(*ast.Ident)
		ofTime := of != nil && of.Name == "time"
		bad := false
		switch name := selector.Sel.Name; name {
		case "Unix", "UnixNano", "UnixMicro", "UnixMilli":
			bad = !ofTime && len(call.Args) == 0
		case "Round":
			literal, number := call.Args[0].(*ast.BasicLit)
			bad = number && literal.Value == "0" // takes the monotonic reading away
		case "TimeOf":
			bad = calls(call.Args[0], "Now")
		case "Since", "Until":
			bad = ofTime && calls(call.Args[0], "")
		}
		if bad {
			uses = append(uses, text[int(node.Pos())-base:int(node.End())-base])
		}
		return true
	})
	return uses
}

// calls says whether an expression has a call of something with a name, or of anything.
func calls(expression ast.Expr, name string) (found bool) {
	ast.Inspect(expression, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok {
			selector, named := call.Fun.(*ast.SelectorExpr)
			found = found || name == "" || named && selector.Sel.Name == name
		}
		return true
	})
	return found
}
