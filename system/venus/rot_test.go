package venus_test

import (
	"crypto/sha256"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
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

// flipCached flips a bit of all contents that a client has beside the server, whose number is known.
func flipCached(t *testing.T, c *client, files int) {
	t.Helper()
	var cached []venus.CachedContents
	require.Eventually(t, func() bool { cached = c.CachedContents(); return len(cached) == files }, patience, time.Millisecond)
	for _, contents := range cached {
		b, err := os.ReadFile(contents.File)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(b), [32]byte(contents.Digest))
		b[len(b)/2] ^= 4
		require.NoError(t, os.WriteFile(contents.File, b, 0o600))
	}
}

// What the disk gives wrong of the cache is seen by the next venus before anybody gets it, and fetched again.
func TestARottenCacheIsFetchedAgain(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	large := strings.Repeat("large ", 1000)
	for _, name := range []string{"read", "edited", "alone"} {
		c.write(name, name+large)
	}
	c.settle()
	flipCached(t, c, 3)
	c = c.restart()
	c.await(true)
	require.Equal(t, "read"+large, c.read("read"))

	h := c.open("edited", venus.OpenFlags{Read: true, Write: true})
	_, err := h.WriteAt([]byte("E"), 0)
	require.NoError(t, err)
	require.NoError(t, h.Flush(t.Context()))
	require.NoError(t, h.Close(t.Context()))
	require.Equal(t, "Edited"+large, c.read("edited"), "what was not edited is as it was")

	s.Stop()
	c.await(false)
	c.write("unsent", "it is nowhere else")
	for _, contents := range c.CachedContents() {
		b, err := os.ReadFile(contents.File)
		require.NoError(t, err)
		require.NotEqual(t, "it is nowhere else", string(b), "contents that nobody else has are said to be cached")
	}
	_, err = c.tryRead("alone")
	require.ErrorIs(t, err, coda.TimedOut, "better none than wrong ones")
}
