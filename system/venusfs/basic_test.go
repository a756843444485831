package venusfs

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTwoClientsSeeEachOther(t *testing.T) {
	c := startCluster(t)
	a, b := c.mount(Options{}), c.mount(Options{})
	a.write("file", "hello")
	require.Equal(t, "hello", a.read("file"))
	eventually(t, func() bool {
		text, err := os.ReadFile(b.path("file"))
		return err == nil && string(text) == "hello"
	}, "the other client sees the file")
	require.Equal(t, "true", a.ask("passthrough"))
	b.write("file", "hello again, and longer")
	eventually(t, func() bool { return a.read("file") == "hello again, and longer" }, "the first client sees the change")
}
