package venusfs

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/codastress/codastress/system/coda"
)

// rawFileSystem answers the requests of the kernel. Operations that are not here fall to the kernel's own ways, for ever: the
// embedded default answers ENOSYS.
type rawFileSystem struct {
	fuse.RawFileSystem

	fs          backend
	options     Options
	log         *slog.Logger
	server      *fuse.Server // set by Init, before any other request
	nodes       *nodes
	files       *table[*openFile]
	directories *table[*openDirectory]
	detours     detours
	locks       *locks
	notifier    *notifier

	passthrough atomic.Bool // the kernel reads and writes containers by itself, as far as is known
}

func newRawFileSystem(fs backend, nodes *nodes, options Options) *rawFileSystem {
	return &rawFileSystem{
		RawFileSystem: fuse.NewDefaultRawFileSystem(), fs: fs, options: options, log: options.Log, nodes: nodes,
		files: newTable[*openFile](), directories: newTable[*openDirectory](), detours: detours{all: map[uint32]detour{}},
		notifier: newNotifier(nodes), locks: newLocks(),
	}
}

// String names the file system for go-fuse.
func (f *rawFileSystem) String() string { return f.options.Name }

// Init is called when the kernel has said what it can do.
func (f *rawFileSystem) Init(server *fuse.Server) {
	f.server = server
	f.passthrough.Store(!f.options.NoPassthrough && server.KernelSettings().Flags64()&fuse.CAP_PASSTHROUGH != 0)
}

// panicked turns a panic in a handler into an error of its request.
func (f *rawFileSystem) panicked(value any) fuse.Status {
	f.log.Error("panic in a request", "value", fmt.Sprint(value), "stack", string(debug.Stack()))
	return fuse.EIO
}

// StatFs answers statfs(2).
func (f *rawFileSystem) StatFs(cancel <-chan struct{}, header *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	r := f.begin(cancel, header.Uid)
	defer r.end()
	space, err := f.fs.StatFS(r)
	if err != nil {
		return r.status(err)
	}
	*out = fuse.StatfsOut{
		Blocks: space.Blocks, Bfree: space.FreeBlocks, Bavail: space.FreeBlocks, Files: space.Objects, Ffree: space.FreeObjects,
		Bsize: uint32(space.BlockSize), Frsize: uint32(space.BlockSize), NameLen: coda.MaxNameLength,
	}
	return fuse.OK
}
