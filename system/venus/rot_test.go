package venus_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// rot flips a bit of all contents that a server has in containers, or flips it back.
func rot(t *testing.T, s *vicetest.Server) {
	t.Helper()
	paths := s.Containers()
	require.NotEmpty(t, paths)
	for _, path := range paths {
		s.FlipBit(path, 7)
	}
}

// A client that is given rotten contents by a replica gets the good ones in the end, and the replica has them then.
func TestRottenContentsAreNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := replicas(vicetest.StartReplicas(t, 2))
		large := strings.Repeat("large ", 10_000)
		a := servers.client(t)
		a.write("file", large)
		a.settle()
		servers.equal(t)
		rot(t, servers[0])
		for range 8 { // each has another replica that it asks first
			require.Equal(t, large, servers.client(t).read("file"))
		}
		servers[0].CheckSound()
	})
}

// Where nobody has the contents, reading is an error, and other files can be read.
func TestRottenContentsOfAServerThatIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		a, b := start(t, s, of(coda.Modern)), start(t, s, of(coda.Modern))
		a.write("file", strings.Repeat("large ", 10_000))
		a.write("other", "small")
		a.settle()
		rot(t, s)
		_, err := b.tryRead("file")
		require.ErrorIs(t, err, coda.IO)
		require.ErrorContains(t, err, "the contents are rotten")
		require.Equal(t, "small", b.read("other"))
		rot(t, s) // back
		require.Equal(t, strings.Repeat("large ", 10_000), b.read("file"))
	})
}
