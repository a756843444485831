package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSummary(t *testing.T) {
	const (
		passing = `{"Action":"output","Package":"p","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":12}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`
		skipping = `{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: needs FUSE: no /dev/fuse\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
`
		deciding = `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:3: no O_TMPFILE\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
`
		failing = `{"Action":"output","Package":"q","Test":"TestD","Output":"    d_test.go:9: wrong\n"}
{"Action":"fail","Package":"q","Test":"TestD"}
{"Action":"fail","Package":"q"}
`
		panicking = `{"Action":"output","Package":"r","Test":"TestE","Output":"panic: broken\n"}
{"Action":"output","Package":"r","Output":"FAIL\tr\t0.1s\n"}
{"Action":"fail","Package":"r"}
`
		building = `{"ImportPath":"s","Action":"build-output","Output":"s.go:1: undefined: x\n"}
{"Action":"fail","Package":"s","FailedBuild":"s"}
`
	)
	tests := []struct {
		name     string
		events   string
		lax      bool // what it says without -strict
		strict   bool
		contains []string
		lacks    []string
	}{
		{"everything passes", passing, true, true, []string{"ok  \tp", "1 passed, 0 failed, 0 skipped\n", "p TestA: 12s"}, []string{"noise"}},
		{
			"a skip for want of something", skipping + passing, true, false,
			[]string{"Left out", "p TestB: needs FUSE: no /dev/fuse", "1 passed, 0 failed, 1 skipped\n"},
			nil,
		},
		{"a skip by decision", deciding + passing, true, true, []string{"own decision", "p TestC: no O_TMPFILE"}, []string{"Left out"}},
		{"a failure", passing + failing, false, false, []string{"FAILED q TestD", "wrong", "1 passed, 1 failed, 0 skipped\n"}, nil},
		{"a panic", passing + panicking, false, false, []string{"UNFINISHED r TestE", "panic: broken", "FAIL\tr"}, nil},
		{"a build that fails", passing + building, false, false, []string{"undefined: x", "Failed packages"}, nil},
		{"nothing", "", false, false, []string{"No package was tested"}, nil},
		{"the go command speaks", "go: no such tool\n" + passing, true, true, []string{"no such tool"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for strict, want := range map[bool]bool{false: test.lax, true: test.strict} {
				var out strings.Builder
				s := newSummary(&out)
				require.NoError(t, s.read(strings.NewReader(test.events)))
				require.Equal(t, want, s.finish(strict), "strict %v: %s", strict, out.String())
				for _, text := range test.contains {
					require.Contains(t, out.String(), text)
				}
				for _, text := range test.lacks {
					require.NotContains(t, out.String(), text)
				}
			}
		})
	}
}
