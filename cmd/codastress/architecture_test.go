package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

const module = "github.com/codastress/codastress/"

// rules say which packages of ours a package may import: the first rule whose prefix fits holds. The arrows are DESIGN.md section 2.
var rules = []struct {
	packages string   // a package and what is below it, relative to the module
	allow    []string // likewise; "." is the package's own folder
}{
	{"system/coda", nil},
	{"system/auth", []string{"system/coda"}},
	{"system/disk", []string{"system/disk"}},
	{"system/wire", []string{"system/wire", "system/coda"}},
	{"system/vice", []string{"system/vice", "system/auth", "system/wire", "system/disk", "system/coda"}},
	{"system/venusfs", []string{"system/venusfs", "system/venus", "system/coda"}},
	{"system/venus", []string{"system/venus", "system/wire", "system/disk", "system/coda"}},
	{"harness/history", nil},
	{"harness/nearest", nil},
	{"harness/scenario", []string{"harness/scenario", "harness/history", "harness/nearest"}},
	{"harness/shrink", []string{"harness/scenario"}},
	{"harness/report", []string{"harness/report", "harness/history"}},
	{"harness/proxy", []string{"harness/proxy"}},
	{"harness/agent", []string{"harness/agent", "harness/history", "harness/proxy"}},
	{"harness/cluster", []string{"harness/cluster", "harness/history", "harness/agent", "harness/proxy"}},
	{"harness", []string{"harness/scenario", "harness/cluster", "harness/history", "harness/nearest"}},
	{"workloads", []string{"harness/history"}},
	{"faults", []string{"harness/cluster", "harness/history"}},
	{"checks", []string{"harness/history"}},
	{"cmd/codastress", []string{""}},
}

// homes say where a big dependency may be imported, and nowhere else.
var homes = map[string][]string{
	"github.com/Shopify/toxiproxy":                {"harness/proxy"},
	"github.com/testcontainers/testcontainers-go": {"harness/cluster/containers"},
	"github.com/tsenart/vegeta":                   {"workloads"},
	"github.com/hanwen/go-fuse":                   {"system/venusfs"},
	"github.com/prometheus":                       {"cmd/codastress"},
	"github.com/cockroachdb/pebble":               {"system/vice", "system/venus", "system/disk"},
	"github.com/anishathalye/porcupine":           {},
	"github.com/spf13/cobra":                      {"cmd/codastress"},
}

func TestImportsPointOneWay(t *testing.T) {
	loaded, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedImports}, module+"...")
	require.NoError(t, err)
	require.Greater(t, len(loaded), 15, "the packages of the module were not found")
	for _, p := range loaded {
		name := strings.TrimPrefix(p.PkgPath, module)
		for imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok {
				require.True(t, allowed(name, ours), "%s must not import %s", name, ours)
			}
			for dependency, places := range homes {
				if under(imported, dependency) {
					require.True(t, anyUnder(name, places), "%s must not import %s: its place is %v", name, imported, places)
				}
			}
		}
	}
}

func TestTheImportTableCanFail(t *testing.T) {
	require.False(t, allowed("checks", "system/venus"))
	require.False(t, allowed("system/venus", "system/vice"))
	require.False(t, allowed("harness/history", "harness/cluster"))
	require.True(t, allowed("system/venusfs", "system/venus"))
}

func allowed(importer, imported string) bool {
	for _, rule := range rules {
		if under(importer, rule.packages) {
			return anyUnder(imported, rule.allow)
		}
	}
	return false
}

func anyUnder(path string, folders []string) bool {
	for _, folder := range folders {
		if under(path, folder) {
			return true
		}
	}
	return false
}

func under(path, folder string) bool {
	return folder == "" || path == folder || strings.HasPrefix(path, folder+"/")
}
