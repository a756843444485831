package workloads

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestLocalDirectoryDoesWhatItIsAsked(t *testing.T) {
	ctx := t.Context()
	d := LocalDirectory{Root: t.TempDir()}
	require.NoError(t, d.MakeDirectory(ctx, "a"))
	require.NoError(t, d.WriteFile(ctx, "a/file", []byte("first and longer"), How{Exclusive: true}))
	require.NoError(t, d.WriteFile(ctx, "a/file", []byte("second"), How{Sync: true}))
	require.NoError(t, d.Symlink(ctx, "a/symlink", "file"))
	require.NoError(t, d.Link(ctx, "a/file", "a/second name"))

	var content bytes.Buffer
	require.NoError(t, d.ReadFile(ctx, "a/symlink", &content))
	require.Equal(t, "second", content.String())
	names, err := d.List(ctx, "a")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"file", "symlink", "second name"}, names)
	info, err := d.Stat(ctx, "a/file")
	require.NoError(t, err)
	require.Equal(t, Info{Mode: 0o644, Length: 6, Links: 2}, info)
	info, err = d.Stat(ctx, "a/symlink")
	require.NoError(t, err)
	require.Equal(t, fs.ModeSymlink, info.Mode.Type())
	info, err = d.Stat(ctx, ".")
	require.NoError(t, err)
	require.True(t, info.Mode.IsDir())

	require.NoError(t, d.Rename(ctx, "a/second name", "b"))
	require.NoError(t, d.Remove(ctx, "a/file"))
	require.NoError(t, d.Remove(ctx, "a/symlink"))
	require.NoError(t, d.RemoveDirectory(ctx, "a"))
	names, err = d.List(ctx, ".")
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, names)
}

func TestLocalDirectoryReportsErrnos(t *testing.T) {
	ctx := t.Context()
	d := LocalDirectory{Root: t.TempDir()}
	require.NoError(t, d.MakeDirectory(ctx, "full"))
	require.NoError(t, d.WriteFile(ctx, "full/file", nil, How{}))
	_, statError := d.Stat(ctx, "none")
	_, listError := d.List(ctx, "full/file")
	tests := []struct {
		name  string
		err   error
		op    string
		errno syscall.Errno
	}{
		{"read what is not there", d.ReadFile(ctx, "none", &bytes.Buffer{}), "open", unix.ENOENT},
		{"read a directory", d.ReadFile(ctx, "full", &bytes.Buffer{}), "read", unix.EISDIR},
		{"write a directory", d.WriteFile(ctx, "full", nil, How{}), "open", unix.EISDIR},
		{"make a file that exists", d.WriteFile(ctx, "full/file", nil, How{Exclusive: true}), "open", unix.EEXIST},
		{"remove what is not there", d.Remove(ctx, "none"), "unlink", unix.ENOENT},
		{"remove a directory", d.Remove(ctx, "full"), "unlink", unix.EISDIR},
		{"make a directory that exists", d.MakeDirectory(ctx, "full"), "mkdir", unix.EEXIST},
		{"remove a full directory", d.RemoveDirectory(ctx, "full"), "rmdir", unix.ENOTEMPTY},
		{"rename what is not there", d.Rename(ctx, "none", "new"), "rename", unix.ENOENT},
		{"link to a taken name", d.Link(ctx, "full/file", "full"), "link", unix.EEXIST},
		{"symlink at a taken name", d.Symlink(ctx, "full", "text"), "symlink", unix.EEXIST},
		{"stat what is not there", statError, "stat", unix.ENOENT},
		{"list a file", listError, "open", unix.ENOTDIR},
		{"leave the root", d.Remove(ctx, "../file"), "unlink", unix.EINVAL},
		{"rename out of the root", d.Rename(ctx, "full/file", "/tmp/file"), "rename", unix.EINVAL},
		{"link out of the root", d.Link(ctx, "full/file", "../file"), "link", unix.EINVAL},
		{"a root that is not there", LocalDirectory{Root: filepath.Join(d.Root, "none")}.Remove(ctx, "file"), "open the root for unlink of", unix.ENOTCONN},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call, ok := errors.AsType[*CallError](test.err)
			require.True(t, ok, "%v", test.err)
			require.Equal(t, test.op, call.Op)
			require.Equal(t, test.errno, call.Errno)
			require.ErrorIs(t, test.err, test.errno)
		})
	}
}

// A full file system reports at the write, when the file has been truncated already.
func TestLocalDirectorySaysWhenAWriteHadBegun(t *testing.T) {
	root := mountTmpfs(t)
	d := LocalDirectory{Root: root, Mounted: true}
	require.NoError(t, d.WriteFile(t.Context(), "file", []byte("old"), How{}))
	err := d.WriteFile(t.Context(), "file", make([]byte, 1<<20), How{})
	call, ok := errors.AsType[*CallError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, CallError{Op: "write", Path: "file", Errno: unix.ENOSPC, Effect: Maybe}, *call)
}

// After its file system was unmounted, the directory below is there to be seen, empty, and could be written.
func TestLocalDirectoryDoesNothingBelowAMountThatIsGone(t *testing.T) {
	root := mountTmpfs(t)
	d := LocalDirectory{Root: root, Mounted: true}
	require.NoError(t, d.MakeDirectory(t.Context(), "there"))
	require.NoError(t, unix.Unmount(root, unix.MNT_DETACH))
	for _, err := range []error{
		d.MakeDirectory(t.Context(), "there"), d.WriteFile(t.Context(), "file", nil, How{}), d.ReadFile(t.Context(), "file", &bytes.Buffer{}),
	} {
		call, ok := errors.AsType[*CallError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, unix.ENOTCONN, call.Errno)
		require.Equal(t, None, call.Effect)
	}
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// mountTmpfs mounts a file system that is soon full.
func mountTmpfs(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := unix.Mount("codastress-test", root, "tmpfs", 0, "size=64k"); errors.Is(err, unix.EPERM) {
		t.Skip("needs root: to mount a tmpfs")
	} else {
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	})
	return root
}
