package venusfs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// With passthrough the kernel writes a container by itself, and goes on doing so for programs that have it open or mapped when venus is killed, and for
// those that have it mapped when they have closed it.

// mapping maps the first bytes of a file for writing, or only for reading.
func mapping(t *testing.T, f *os.File, length, protection int) []byte {
	t.Helper()
	b, err := unix.Mmap(int(f.Fd()), 0, length, protection, unix.MAP_SHARED)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Munmap(b) }) // those that a test has unmapped are not there any more
	return b
}

// acknowledgements are the ways in which a program is told that what it has written is safe, while it keeps the file open.
func acknowledgements(t *testing.T) map[string]func(f *os.File) {
	return map[string]func(f *os.File){
		"fsync": func(f *os.File) { require.NoError(t, f.Sync()) },
		"close of a copy": func(f *os.File) {
			fd, err := unix.Dup(int(f.Fd()))
			require.NoError(t, err)
			require.NoError(t, unix.Close(fd))
		},
	}
}

// What was acknowledged before a crash is not changed after it by a program that still has the file open, however often venus crashes, and
// although the server has not been sent it.
func TestLeftWritersDoNotChangeWhatWasAcknowledged(t *testing.T) {
	for how := range acknowledgements(t) {
		for _, text := range []string{"acknowledged", strings.Repeat("acknowledged", 100_000)} {
			t.Run(fmt.Sprint(how, " of ", len(text)), func(t *testing.T) {
				c := startCluster(t)
				client := c.mount(Options{})
				client.write("file", "old")
				client.ask("disconnect")
				f := client.open("file", unix.O_RDWR)
				_, err := f.WriteAt([]byte(text), 0)
				require.NoError(t, err)
				acknowledgements(t)[how](f)
				mapped := mapping(t, f, 4, unix.PROT_READ|unix.PROT_WRITE)
				config := client.config
				config.Disconnected = true
				for crash := range 3 {
					client.kill()
					require.NoError(t, ClearDead(client.dir))
					client = startClient(t, config)
					_, err = f.WriteAt(fmt.Append(nil, crash, "changed"), 0)
					require.NoError(t, err)
					mapped[0]++
					require.True(t, client.read("file") == text, "after crash %d", crash)
				}
				require.Error(t, f.Close())
				mapped[1]++
				require.True(t, client.read("file") == text)
				client.write("file", "new")
				for i := range 20 {
					client.write(fmt.Sprint("other", i), "other")
				}
				mapped[2]++
				require.Equal(t, "new", client.read("file"))
				for i := range 20 {
					require.Equal(t, "other", client.read(fmt.Sprint("other", i)))
				}
			})
		}
	}
}

// A mapping for reading keeps the contents that it was made of, whatever becomes of the file, as a program that is being executed must.
func TestMappingsKeepTheirContents(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		text := strings.Repeat("x", 8192)
		client.write("file", text)
		f := client.open("file", unix.O_RDONLY)
		mapped := mapping(t, f, len(text), unix.PROT_READ)
		require.NoError(t, f.Close())
		for i := range 40 {
			client.write("file", fmt.Sprint("new", i))
			client.write(fmt.Sprint("other", i), strings.Repeat("o", 8192))
		}
		client.ask("reintegrate")
		for i := range 40 {
			client.write(fmt.Sprint("another", i), strings.Repeat("o", 8192))
		}
		require.True(t, string(mapped) == text)
	})
}
