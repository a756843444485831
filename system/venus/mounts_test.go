package venus_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// mount mounts a volume at a path.
func (c *client) mount(p, volume string) {
	c.t.Helper()
	dir, name := c.parent(p)
	require.NoError(c.t, c.Mount(c.t.Context(), dir, name, volume))
}

// A mounted volume is part of the tree on all clients, whatever is done to it, also without a server and after a restart.
func TestMountedVolume(t *testing.T) {
	s := vicetest.Start(t)
	require.NoError(t, s.Vice().CreateVolume(t.Context(), "users", ""))
	a, b := start(t, s), start(t, s)
	a.mkdir("home")
	a.mount("home/u", "users")
	a.write("home/u/x", "one")
	a.mkdir("home/u/d")
	a.write("beside", "two")
	a.write("home/u/d/y", "three")
	a.settle()
	want := a.tree()
	require.Equal(t, "directory", want["home/u"])
	require.Contains(t, want, "home/u/d/y")
	require.Equal(t, want, serverTree(s))
	require.Eventually(t, func() bool { got, err := b.tryRead("home/u/d/y"); return err == nil && got == "three" }, patience, time.Millisecond)
	require.Equal(t, want, b.tree())

	b.write("home/u/x", "four")
	b.settle()
	require.Eventually(t, func() bool { got, err := a.tryRead("home/u/x"); return err == nil && got == "four" }, patience, time.Millisecond)

	a.Disconnect()
	a.write("home/u/z", "offline")
	a.write("z", "offline")
	require.Equal(t, []venus.MountedVolume{{Name: "users", ID: must(a.at("home/u")).Fid.Volume, Path: "home/u", LogRecords: 2}}, a.MountedVolumes())
	var paths []string
	for _, r := range a.ListLocal("home/u") {
		paths = append(paths, r.Path)
	}
	require.Equal(t, []string{"home/u/z", "home/u/z"}, paths)
	a = a.restart()
	a.Disconnect()
	require.Equal(t, "offline", a.read("home/u/z"))
	a.Reconnect()
	a.settle()
	require.Equal(t, a.tree(), serverTree(s))
}

// Nothing crosses from one volume into another, and a mount link stands until it is taken away by its own command.
func TestMountLinksStand(t *testing.T) {
	s := vicetest.Start(t)
	require.NoError(t, s.Vice().CreateVolume(t.Context(), "users", ""))
	c := start(t, s)
	ctx := t.Context()
	root := must(c.Root(ctx)).Fid
	require.ErrorIs(t, c.Mount(ctx, root, "m", "nobody"), coda.NotFound)
	require.ErrorIs(t, c.Mount(ctx, root, "m", "a/b"), coda.Invalid)
	c.mount("m", "users")
	users := must(c.at("m")).Fid
	require.ErrorIs(t, c.Mount(ctx, root, "m", "users"), coda.Exists)
	require.ErrorIs(t, must2(c.MakeSymlink(ctx, root, "forged", coda.MountLink("users"), 0)), coda.Invalid)
	c.write("file", "")
	require.ErrorIs(t, c.RemoveDirectory(ctx, root, "m"), coda.Busy)
	require.ErrorIs(t, c.Remove(ctx, root, "m"), coda.Busy)
	require.ErrorIs(t, c.Rename(ctx, root, "m", root, "n", false), coda.Busy)
	require.ErrorIs(t, c.Rename(ctx, root, "file", root, "m", false), coda.Busy)
	require.ErrorIs(t, c.Rename(ctx, root, "file", users, "file", false), coda.CrossDevice)
	require.ErrorIs(t, must2(c.Link(ctx, users, "link", must(c.at("file")).Fid)), coda.CrossDevice)
	require.ErrorIs(t, c.Unmount(ctx, root, "file"), coda.Invalid)
	c.write("m/inside", "kept")
	require.NoError(t, c.Unmount(ctx, root, "m"))
	_, err := c.at("m")
	require.ErrorIs(t, err, coda.NotFound)
	c.mount("elsewhere", "users")
	require.Equal(t, "kept", c.read("elsewhere/inside"))
	c.settle()

	require.NoError(t, s.Vice().PurgeVolume(ctx, "users"))
	require.Eventually(t, func() bool { s, err := c.at("elsewhere"); return err == nil && s.Kind == coda.Symlink }, patience, time.Millisecond)
	require.NoError(t, s.Vice().CreateVolume(ctx, "users", ""))
	require.Eventually(t, func() bool { s, err := c.at("elsewhere"); return err == nil && s.Kind == coda.Directory }, patience, time.Millisecond)
	require.Equal(t, c.tree(), serverTree(s))
	require.NotContains(t, c.tree(), "elsewhere/inside")
}

func must2[T any](_ T, err error) error { return err }

// Only those who administer the cell say where volumes are.
func TestMountingNeedsAdministrators(t *testing.T) {
	s := newCell(t)
	require.NoError(t, s.Vice().CreateVolume(t.Context(), "users", ""))
	c := s.client()
	c.logIn(root, "admin")
	c.logIn(ann, "ann")
	top := must(c.Root(venus.WithUID(t.Context(), root))).Fid
	admin := venus.WithUID(t.Context(), root)
	require.NoError(t, c.SetACL(admin, top, func(a coda.ACL) (coda.ACL, error) {
		return coda.MakeACL(append(a.Entries(), coda.ACLEntry{Who: s.names["ann"], Grants: coda.AllRights}))
	}))
	require.ErrorIs(t, c.Mount(venus.WithUID(t.Context(), ann), top, "m", "users"), coda.Permission)
	require.NoError(t, c.Mount(admin, top, "m", "users"))
	require.ErrorIs(t, c.Unmount(venus.WithUID(t.Context(), ann), top, "m"), coda.Permission)
	require.NoError(t, c.Unmount(admin, top, "m"))
}

// What a locked volume refuses stays in the log until it is unlocked.
func TestLocks(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	c.warm()
	require.NoError(t, s.Vice().LockVolume(t.Context(), vicetest.Volume, true))
	c.write("x", "one")
	require.Eventually(t, func() bool { return strings.Contains(c.State(), "is locked") }, patience, time.Millisecond)
	require.NoError(t, s.Vice().LockVolume(t.Context(), vicetest.Volume, false))
	c.settle()
	require.Contains(t, s.Tree(), "x")
	require.Zero(t, c.Volume().Conflicts)
}

// Replicas have all volumes, and clients use them whatever becomes of the servers.
func TestMountedVolumesOfReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicas(vicetest.StartReplicas(t, 3))
		a, b := s.client(t), s.client(t)
		a.warm()
		time.Sleep(time.Minute) // until no server is new any more
		require.NoError(t, s[0].Vice().CreateVolume(t.Context(), "users", ""))
		a.mount("u", "users")
		a.cut(2)
		a.write("u/x", "one")
		a.write("y", "two")
		a.settle()
		a.mend(2)
		b.cut(0, 1)
		time.Sleep(time.Minute)
		require.Equal(t, "one", b.read("u/x"))
		b.write("u/x", "three")
		b.settle()
		b.mend(0, 1)
		time.Sleep(time.Minute)
		for _, server := range s {
			require.Equal(t, a.tree(), serverTree(server))
		}
		require.Equal(t, a.tree(), b.tree())
	})
}
