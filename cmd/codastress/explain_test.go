package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster/simulation"
)

func TestEveryPartIsExplained(t *testing.T) {
	all, err := parts()
	require.NoError(t, err)
	type key struct{ kind, name string }
	seen := map[key]bool{}
	kinds := map[string]bool{"option": true}
	for _, kind := range listable() {
		kinds[kind[:len(kind)-1]] = true
	}
	for _, p := range all {
		require.NotEmpty(t, p.doc, "%s %s", p.kind, p.name)
		require.False(t, seen[key{p.kind, p.name}], "%s %s is there twice", p.kind, p.name)
		require.True(t, kinds[p.kind], "%s cannot be listed", p.kind)
		seen[key{p.kind, p.name}] = true
	}
	require.True(t, seen[key{"runtime", simulation.Name}])
	for _, driver := range drivers() {
		require.True(t, seen[key{"runtime", driver.Name()}], driver.Name())
	}
}
