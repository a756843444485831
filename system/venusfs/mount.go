package venusfs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
)

// maxWrite is the largest read or write that is asked for where the kernel does not do them by itself.
const maxWrite = 1 << 20

// MountPoint is a mounted file system.
type MountPoint struct {
	dir        string
	connection uint64
	helper     bool // fusermount3 mounted it and has to unmount it
	raw        *rawFileSystem
	log        *slog.Logger
	grace      time.Duration
	done       chan struct{}
}

// Mount mounts fs on dir and serves it until Unmount, or until somebody else ends the mount. The context bounds the mounting only. The last
// element of dir must not be a symbolic link.
//
// The calling process must never touch the mount: see the package documentation.
func Mount[H Handle](ctx context.Context, fs FileSystem[H], dir string, options Options) (*MountPoint, error) {
	options = options.withDefaults()
	dir, err := realDirectory(dir)
	if err != nil {
		return nil, err
	}
	at, err := mountsAt(dir)
	if err != nil {
		return nil, err
	}
	if len(at) > 0 {
		return nil, coda.Errorf("mount on "+dir, coda.Busy, "there is a FUSE mount already, perhaps a dead one")
	}
	root, err := fs.Root(ctx)
	if err != nil {
		return nil, fmt.Errorf("mount on %s: %w", dir, err)
	}
	nodes := newNodes(root.Fid)
	raw := newRawFileSystem(adapter[H]{fs}, nodes, options)
	server, helper, err := connect(raw, dir, options)
	if err != nil {
		return nil, fmt.Errorf("mount on %s: %w", dir, err)
	}
	m := &MountPoint{
		dir: dir, helper: helper, raw: raw, log: options.Log, grace: options.Grace, done: make(chan struct{}),
	}
	if at, err = mountsAt(dir); err == nil && len(at) > 0 {
		m.connection = at[len(at)-1].connection
	}
	fs.SetInvalidator(raw.notifier)
	go func() {
		defer close(m.done)
		m.serve(server)
		fs.SetInvalidator(nil)
	}()
	return m, nil
}

// serve answers requests until the connection ends.
func (m *MountPoint) serve(server *fuse.Server) {
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { m.raw.notifier.run(server, stop) })
	others.Go(func() { m.raw.tidy(stop) })
	server.Serve()
	close(stop)
	others.Wait()
	// A connection that was cut leaves files open whose release will never come. Nobody was told that what was written to them is safe.
	for _, o := range m.raw.files.takeAll() {
		m.raw.close(o, o.handle.Abandon)
	}
}

// Done is closed when the mount has ended and all its files are closed.
func (m *MountPoint) Done() <-chan struct{} { return m.done }

// Passthrough reports whether the kernel reads and writes cached files by itself, as far as is known: that it refuses shows when the first file
// is opened.
func (m *MountPoint) Passthrough() bool { return m.raw.passthrough.Load() }

// connect mounts dir and takes the kernel's greeting. It reports whether fusermount3 had to help.
func connect(raw *rawFileSystem, dir string, o Options) (server *fuse.Server, helper bool, err error) {
	options := &fuse.MountOptions{
		FsName: o.Name, Name: o.Name,
		MaxWrite: maxWrite, MaxReadAhead: maxWrite,
		// Releases count as background requests. Those of files whose close takes long must not keep others waiting.
		MaxBackground: 1024,
		// A container on an overlay, which is stacked once already, can be passed through too.
		MaxStackDepth:      2,
		DisableXAttrs:      true,
		DisableReadDirPlus: true,
		EnableLocks:        true,
		// The pages of a node are always of its own contents, so that its times need not be compared.
		ExplicitDataCacheControl: true,
		EnableSymlinkCaching:     true, // the target of a fid never changes
		ExtraCapabilities:        fuse.CAP_ATOMIC_O_TRUNC,
		Logger:                   slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		PanicHandler:             raw.panicked,
	}
	if !o.Fusermount {
		server, err = mountDirectly(raw, dir, o, options)
		if err == nil || o.DirectMount || !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
			return server, false, err
		}
		o.Log.Info("mount(2) is not allowed, fusermount3 has to do it", "dir", dir, "error", err)
	}
	options.Options = []string{"default_permissions", "nosuid", "nodev", "noatime"}
	options.AllowOther = os.Geteuid() == 0 // others need a line in /etc/fuse.conf
	server, err = fuse.NewServer(raw, dir, options)
	return server, true, err
}

// mountDirectly mounts without any helper.
func mountDirectly(raw *rawFileSystem, dir string, o Options, options *fuse.MountOptions) (*fuse.Server, error) {
	fd, err := openAndMount(dir, o.Name)
	if err != nil {
		return nil, err
	}
	server, err := fuse.NewServer(raw, fmt.Sprintf("/dev/fd/%d", fd), options)
	if err != nil {
		return nil, errors.Join(err, forceUnmount(dir))
	}
	return server, nil
}

// openAndMount gives the descriptor of a new mount. It must not get into children: one that has it keeps the connection alive when its
// parent is killed, and then everybody who uses the mount waits for ever.
func openAndMount(dir, name string) (fd int, err error) {
	fd, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/fuse: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d,default_permissions,allow_other,max_read=%d",
		fd, unix.S_IFDIR, os.Geteuid(), os.Getegid(), maxWrite)
	err = unix.Mount(name, dir, "fuse."+name, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOATIME, data)
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("mount(2): %w", err)
	}
	return fd, nil
}

// Unmount ends the mount. It takes the mount out of the tree, lets processes finish with their open files for a while, and then cuts the
// connection, so that it ends whatever they do. What they have not closed by then is lost to them, with an error.
func (m *MountPoint) Unmount(ctx context.Context) error {
	select {
	case <-m.done:
		return nil
	default:
	}
	clean := m.unmount(ctx, 0)
	if clean != nil {
		m.log.Info("the mount is in use, so it is detached", "dir", m.dir, "error", clean)
		if err := m.unmount(ctx, unix.MNT_DETACH); err != nil {
			m.log.Warn("detach the mount", "dir", m.dir, "error", err)
		}
	}
	grace := time.NewTimer(m.grace)
	defer grace.Stop()
	select {
	case <-m.done:
		return nil
	case <-grace.C:
	case <-ctx.Done():
	}
	m.log.Warn("the mount is still in use, here or in another mount namespace, so its connection is cut", "dir", m.dir)
	if err := abortConnection(m.connection); err != nil {
		return fmt.Errorf("unmount %s: %w", m.dir, err)
	}
	// What is under way now was told to end, and is bounded in any case.
	limit := time.NewTimer(m.raw.options.CallTimeout + m.grace)
	defer limit.Stop()
	select {
	case <-m.done:
		return nil
	case <-limit.C:
		return coda.Errorf("unmount "+m.dir, coda.TimedOut, "requests did not end")
	}
}

// unmount unmounts once.
func (m *MountPoint) unmount(ctx context.Context, flags int) error {
	if !m.helper {
		return unix.Unmount(m.dir, flags|unix.UMOUNT_NOFOLLOW)
	}
	args := []string{"-u", m.dir}
	if flags&unix.MNT_DETACH != 0 {
		args = []string{"-u", "-z", m.dir}
	}
	out, err := exec.CommandContext(ctx, "fusermount3", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("fusermount3: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
