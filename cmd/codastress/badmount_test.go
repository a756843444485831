package main

import (
	"context"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"
)

// A defect makes a loopback file system break a promise.
type defect struct {
	cached    time.Duration // for which the kernel believes what it knows of names and attributes, whatever others do
	forgetful *atomic.Bool  // while it is true, removals of pages are acknowledged, and not done
	frozen    *atomic.Bool  // while it is true, no file can be opened
}

// mountOf mounts a directory through a file system with a defect, for the time of a test.
func mountOf(t *testing.T, source string, d defect) string {
	t.Helper()
	var st syscall.Stat_t
	require.NoError(t, syscall.Stat(source, &st))
	root := &fs.LoopbackRoot{Path: source, Dev: uint64(st.Dev)} //nolint:unconvert // it is shorter on other machines
	root.RootNode = &badNode{LoopbackNode: fs.LoopbackNode{RootData: root}, defect: d}
	mount := t.TempDir()
	server, err := fs.Mount(mount, root.RootNode, &fs.Options{
		EntryTimeout: &d.cached, AttrTimeout: &d.cached,
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "badmount", Name: "badmount"},
	})
	if err != nil {
		t.Skipf("needs FUSE and the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if d.frozen != nil {
			d.frozen.Store(false)
		}
		require.Eventually(t, func() bool { return server.Unmount() == nil }, sweepTime, 100*time.Millisecond)
	})
	return mount
}

// is says whether something is so; nil is never so.
func is(so *atomic.Bool) bool { return so != nil && so.Load() }

// badNode is an object of a file system with a defect.
type badNode struct {
	fs.LoopbackNode
	defect defect
}

var (
	_ fs.NodeWrapChilder = (*badNode)(nil)
	_ fs.NodeUnlinker    = (*badNode)(nil)
	_ fs.NodeOpener      = (*badNode)(nil)
)

// WrapChild implements fs.NodeWrapChilder: what is below has the defect, too.
func (n *badNode) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &badNode{LoopbackNode: fs.LoopbackNode{RootData: n.RootData}, defect: n.defect}
}

// Unlink implements fs.NodeUnlinker.
func (n *badNode) Unlink(ctx context.Context, name string) syscall.Errno {
	if is(n.defect.forgetful) && strings.HasSuffix(name, ".html") {
		return 0
	}
	return n.LoopbackNode.Unlink(ctx, name)
}

// Open implements fs.NodeOpener.
func (n *badNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	for is(n.defect.frozen) {
		time.Sleep(10 * time.Millisecond)
	}
	return n.LoopbackNode.Open(ctx, flags)
}
