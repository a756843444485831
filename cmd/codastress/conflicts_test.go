package main

import (
	"testing"

	"github.com/codastress/codastress/system/venus"
	"github.com/stretchr/testify/require"
)

func TestOnlyKeptContentsAreOwed(t *testing.T) {
	kept := []venus.Conflict{
		{Record: 1, Operation: "rename", Path: "d/renamed"},
		{Record: 2, Operation: "mkdir", Path: "d/made"},
		{Record: 3, Operation: "store", Path: "d/made/file", Kept: "/cache/3", DependsOn: 2},
		{Record: 4, Operation: "setattr", Path: "d/attributes"},
		{Record: 5, Operation: "store", Path: "d/both", Kept: "/cache/5"},
		{Record: 6, Operation: "rename", Path: "e/both"},
	}
	require.False(t, owesContents(kept, "d/renamed"))
	require.True(t, owesContents(kept, "d/made"), "for what it made")
	require.True(t, owesContents(kept, "d/made/file"))
	require.False(t, owesContents(kept, "d/attributes"))
	require.False(t, owesContents(kept, "d/both"), "e may have got the name d")
	require.False(t, owesContents(kept, "e/made"), "its directory may have been renamed")
}
