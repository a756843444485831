package nearest_test

import (
	"testing"

	"github.com/codastress/codastress/harness/nearest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestUnknown(t *testing.T) {
	names := []string{"mass-delete", "bulk-overwrite", "concurrent-readers", "cut"}
	tests := []struct {
		written, want string
	}{
		{"mass-delte", `unknown scenario "mass-delte": did you mean "mass-delete"?`},
		{"mass_delete", `unknown scenario "mass_delete": did you mean "mass-delete"?`},
		{"Mass-Delete", `unknown scenario "Mass-Delete": did you mean "mass-delete"?`},
		{"bulk", `unknown scenario "bulk": did you mean "bulk-overwrite"?`},
		{"cutt", `unknown scenario "cutt": did you mean "cut"?`},
		{"ctu", `unknown scenario "ctu": did you mean "cut"?`},
		{"zebra", `unknown scenario "zebra": there are bulk-overwrite, concurrent-readers, cut, mass-delete`},
		{"", `unknown scenario "": there are bulk-overwrite, concurrent-readers, cut, mass-delete`},
	}
	for _, test := range tests {
		t.Run(test.written, func(t *testing.T) {
			require.Equal(t, test.want, nearest.Unknown("scenario", test.written, names))
		})
	}
	require.Equal(t, `unknown fault "x": there is none`, nearest.Unknown("fault", "x", nil))
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"kitten", "sitting", 3},
		{"venus", "vneus", 1},
		{"ähre", "ehre", 1},
		{"abcdef", "badcfe", 3},
	}
	for _, test := range tests {
		require.Equal(t, test.want, nearest.Distance(test.a, test.b), "%q to %q", test.a, test.b)
	}
}

func TestDistanceIsSymmetricAndBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringMatching(`[ab-]{0,8}`).Draw(t, "a"), rapid.StringMatching(`[ab-]{0,8}`).Draw(t, "b")
		d := nearest.Distance(a, b)
		require.Equal(t, d, nearest.Distance(b, a))
		require.Equal(t, a == b, d == 0)
		require.LessOrEqual(t, d, max(len(a), len(b)))
		require.GreaterOrEqual(t, d, max(len(a), len(b))-min(len(a), len(b)))
	})
}
