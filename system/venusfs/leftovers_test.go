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

// roomForMappings gives a directory on a file system that tells who has a file mapped.
func roomForMappings(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var s unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &s))
	if s.Type != unix.OVERLAYFS_SUPER_MAGIC {
		return dir
	}
	dir, err := os.MkdirTemp("/dev/shm", "venus-") //nolint:usetesting // t.TempDir gives one that does not
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
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

// A mapping outlives the descriptor that it was made with. What is written by way of it belongs to the file, when it has been unmapped at the latest.
func TestMappingsOutliveTheirDescriptors(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		a := startClient(t, childConfig{Dir: t.TempDir(), Cache: roomForMappings(t), Server: c.address, Options: options})
		b := c.mount(options)
		text := strings.Repeat("x", 8192)
		a.write("file", text)
		f := a.open("file", unix.O_RDWR)
		mapped := mapping(t, f, len(text), unix.PROT_READ|unix.PROT_WRITE)
		mapped[0] = 'a'
		require.NoError(t, f.Close())
		eventually(t, func() bool { return a.read("file")[:1] == "a" }, "what was written before the close is there")
		mapped[1] = 'b'
		mapped[4097] = 'c'
		require.NoError(t, unix.Munmap(mapped))
		want := "ab" + text[2:4097] + "c" + text[4098:]
		for _, client := range []*client{a, b} {
			eventually(t, func() bool {
				got, err := os.ReadFile(client.path("file"))
				return err == nil && string(got) == want
			}, "what was written after the close is there")
		}
	})
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

// What a close has acknowledged is not changed by a program that opens the file after it and has not closed it when venus is killed. The kernel
// tells of the end of a closed file some time after the close, and of that of a file that was closed by one of two processes much later.
func TestClosedFilesAreNotChangedByOpenOnes(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		config := client.config
		config.Disconnected = true
		client.write("file", "begin")
		client.ask("disconnect")
		for i, flags := range []int{unix.O_WRONLY | unix.O_TRUNC, unix.O_RDWR, unix.O_WRONLY | unix.O_TRUNC, unix.O_RDWR} {
			text := fmt.Sprint(i, " closed")
			first := client.open("file", unix.O_WRONLY|unix.O_TRUNC)
			_, err := first.WriteString(text)
			require.NoError(t, err)
			if i < 2 {
				fd, err := unix.Dup(int(first.Fd()))
				require.NoError(t, err)
				require.NoError(t, unix.Close(fd))
			} else {
				require.NoError(t, first.Close())
			}
			second := client.open("file", flags)
			_, err = second.WriteAt([]byte("open"), 0)
			require.NoError(t, err)
			require.Equal(t, text, client.read("file"))
			client.kill()
			require.NoError(t, ClearDead(client.dir))
			client = startClient(t, config)
			require.Equal(t, text, client.read("file"))
			require.Error(t, second.Close())
			_ = first.Close() // it is closed already, or its venus has gone
			require.Equal(t, text, client.read("file"))
		}
	})
}

// Programs that write a file at once share what they write, although one of them has synced it or closed it by another descriptor.
func TestWritersShareWhatIsFlushed(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		for how := range acknowledgements(t) {
			client.write("file", "....")
			a := client.open("file", unix.O_RDWR)
			_, err := a.WriteAt([]byte("a"), 0)
			require.NoError(t, err)
			acknowledgements(t)[how](a)
			b := client.open("file", unix.O_RDWR)
			_, err = b.WriteAt([]byte("b"), 1)
			require.NoError(t, err)
			_, err = a.WriteAt([]byte("A"), 2)
			require.NoError(t, err)
			require.Equal(t, "a...", client.read("file"))
			requireContents(t, a, "abA.")
			requireContents(t, b, "abA.")
			require.NoError(t, a.Close())
			require.NoError(t, b.Close())
			require.Equal(t, "abA.", client.read("file"))
		}
	})
}
