package venusfs

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The kernel remembers a node for every file that it has seen: 100,000 for a tree of as many. The bound is a class of sizes of the allocator.
func TestNodesAreSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(node{}), uintptr(160))
}
