package venusfs

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A relay carries connections to the server of a cluster, and holds everything back while its mutex is locked.
type relay struct {
	sync.RWMutex
	address string
}

func (c *cluster) relay() *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(c.t, err)
	r := &relay{address: listener.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			down, err := listener.Accept()
			if err != nil {
				return
			}
			up, err := c.server.Dial(ctx, "")
			if err != nil {
				_ = down.Close()
				continue
			}
			context.AfterFunc(ctx, func() { _ = down.Close() })
			for _, pair := range [][2]net.Conn{{up, down}, {down, up}} {
				all.Go(func() {
					_, _ = io.Copy(relayed{pair[0], r}, pair[1]) // it ends with the connection
					_ = pair[0].Close()
				})
			}
		}
	})
	c.t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		all.Wait()
	})
	return r
}

type relayed struct {
	io.Writer
	through *relay
}

func (r relayed) Write(p []byte) (int, error) {
	r.through.RLock()
	defer r.through.RUnlock()
	return r.Writer.Write(p)
}

// Who replaces a file by renaming another one leaves no moment without: another client that opens it meanwhile finds the new one where the old one is gone
// already.
func TestAFileThatIsReplacedWhileItIsOpened(t *testing.T) {
	for name, flags := range map[string]int{"to read": unix.O_RDONLY, "to write": unix.O_RDWR} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t)
			r := c.relay()
			a := c.mount(Options{})
			b := startClient(t, childConfig{Dir: t.TempDir(), Cache: t.TempDir(), Server: r.address})
			require.NoError(t, os.WriteFile(a.path("page"), []byte("old"), 0o644))
			eventually(t, func() bool { _, err := os.Stat(b.path("page")); return err == nil }, "the file is not seen")

			r.Lock()
			opened := make(chan error, 1)
			go func() {
				fd, err := unix.Open(b.path("page"), flags|unix.O_CLOEXEC, 0)
				if err == nil {
					err = unix.Close(fd)
				}
				opened <- err
			}()
			require.NoError(t, os.WriteFile(a.path("new"), []byte("replaced"), 0o644))
			require.NoError(t, os.Rename(a.path("new"), a.path("page")))
			eventually(t, func() bool { tree := c.server.Tree(); return tree["page"].Length == 8 && len(tree) == 2 }, "the server has no new file")
			r.Unlock()
			require.NoError(t, <-opened)
			require.NoError(t, os.Remove(a.path("page")))
			eventually(t, func() bool { _, err := os.Stat(b.path("page")); return os.IsNotExist(err) }, "it is not gone")
		})
	}
}
