package checks_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/checks"
)

// What checks say of the stored histories has the figures that they are said to have, and no others.
func TestFiguresAreNamed(t *testing.T) {
	node := regexp.MustCompile(`client\d+$`)
	for _, check := range checks.All() {
		seen := map[string]bool{}
		for _, kind := range []string{"good", "bad", "unclear", "skipped"} {
			if never(check.Name, kind) {
				continue
			}
			for name, run := range stored(t, check.Name, kind) {
				for _, figure := range check.Run(run).Figures {
					figure.Name = node.ReplaceAllString(figure.Name, "NODE")
					require.Contains(t, checks.Figures(check.Name), figure.Name, "%s of %s", check.Name, name)
					seen[figure.Name] = true
				}
			}
		}
		for _, figure := range checks.Figures(check.Name) {
			require.True(t, seen[figure], "%s never had the figure %q", check.Name, figure)
		}
	}
}
