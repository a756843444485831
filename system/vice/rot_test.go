package vice_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// harms are what disks do to a container.
func harms() map[string]func(t *testing.T, s *vicetest.Server) {
	return map[string]func(t *testing.T, s *vicetest.Server){
		"a bit is flipped": func(t *testing.T, s *vicetest.Server) { s.FlipBit(onlyContainer(t, s), 20_000) },
		"the end is missing": func(t *testing.T, s *vicetest.Server) {
			f, err := s.Disk().OpenFile(onlyContainer(t, s), os.O_RDWR)
			require.NoError(t, err)
			require.NoError(t, f.Truncate(30_000))
			require.NoError(t, f.Close())
		},
		"all is missing": func(t *testing.T, s *vicetest.Server) {
			require.NoError(t, s.Disk().Remove(onlyContainer(t, s)))
		},
	}
}

// onlyContainer is the one file of contents that a server has.
func onlyContainer(t *testing.T, s *vicetest.Server) string {
	t.Helper()
	paths := s.Containers()
	require.Len(t, paths, 1)
	return paths[0]
}

// inContainers has a file with contents in a container on all servers.
func inContainers(t *testing.T, servers []*vicetest.Server) (f coda.Fid, contents []byte) {
	t.Helper()
	contents = bytes.Repeat([]byte("0123456789"), 10_000)
	clients := clientsOf(servers, 1)
	c := clients[0]
	log := c.Log()
	f, version := log.Create(c.Root, "file")
	log.Store(f, version, contents)
	for _, c := range clients {
		log.At(c).Apply()
	}
	return f, contents
}

func damaged(f coda.Fid) *vicepb.FetchRequest {
	return &vicepb.FetchRequest{Fid: wire.FidToProto(f), Contents: true, Damaged: true}
}

// Rotten contents are replaced by those of another replica, once somebody has complained, or with a salvage.
func TestRottenContentsAreMended(t *testing.T) {
	for name, harm := range harms() {
		t.Run(name, func(t *testing.T) {
			servers := vicetest.StartReplicas(t, 2, unhurried)
			f, contents := inContainers(t, servers)
			c := servers[0].Client(7)
			before := c.Status(f)

			got, err := c.FetchRequest(damaged(f))
			require.NoError(t, err, "a complaint about sound contents")
			require.Equal(t, contents, got.Data)
			path := onlyContainer(t, servers[0])

			harm(t, servers[0])
			got, err = c.FetchRequest(damaged(f))
			require.NoError(t, err)
			require.Equal(t, contents, got.Data)
			require.Equal(t, before, got.Status, "nothing was changed")
			require.NotEqual(t, path, onlyContainer(t, servers[0]), "the rotten container has gone")
			servers[0].CheckSound()

			harm(t, servers[0])
			found, err := servers[0].Vice().Salvage(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, found.Files)
			require.Len(t, found.Mended, 1)
			require.Empty(t, found.Lost)
			got, err = c.Fetch(f)
			require.NoError(t, err)
			require.Equal(t, contents, got.Data)
			servers[0].Kill()
			servers[0].Start()
			servers[0].CheckSound()
		})
	}
}

// What nobody has is told, and harms nothing else.
func TestRottenContentsThatNobodyHas(t *testing.T) {
	for name, harm := range harms() {
		t.Run(name, func(t *testing.T) {
			servers := vicetest.StartReplicas(t, 2, unhurried)
			f, contents := inContainers(t, servers)
			harm(t, servers[0])
			harm(t, servers[1])
			c := servers[0].Client(7)
			_, err := c.FetchRequest(damaged(f))
			require.ErrorIs(t, err, coda.IO)
			found, err := servers[0].Vice().Salvage(t.Context())
			require.NoError(t, err)
			require.Empty(t, found.Mended)
			require.Len(t, found.Lost, 1)
			require.Contains(t, found.Lost[0], f.String())

			log := c.Log() // who writes the file anew has mended it
			log.Store(f, c.Status(f).Version, contents[1:])
			for _, c := range clientsOf(servers, 7) {
				log.At(c).Apply()
			}
			got, err := c.FetchRequest(damaged(f))
			require.NoError(t, err)
			require.Equal(t, contents[1:], got.Data)
		})
	}
}

// A server that is alone can only tell.
func TestRotOfAServerThatIsAlone(t *testing.T) {
	s := vicetest.Start(t)
	f, contents := inContainers(t, []*vicetest.Server{s})
	harm := harms()["a bit is flipped"]
	harm(t, s)
	c := s.Client(7)
	got, err := c.Fetch(f)
	require.NoError(t, err, "nobody has complained yet")
	require.NotEqual(t, contents, got.Data)
	_, err = c.FetchRequest(damaged(f))
	require.ErrorIs(t, err, coda.IO)
	require.ErrorContains(t, err, "the contents are rotten")
	harm(t, s) // back
	_, err = c.FetchRequest(damaged(f))
	require.NoError(t, err)
}
