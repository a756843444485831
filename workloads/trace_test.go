package workloads

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// The example is what a delivery of mail does, as strace recorded it.
func TestTheExampleOfATrace(t *testing.T) {
	all, err := readStrace(strings.NewReader(exampleTrace), "/srv/mail")
	require.NoError(t, err)
	path := filepath.Join("testdata", "trace", "example.txt")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(formatTrace(all)), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), formatTrace(all))
	again, err := parseTrace(formatTrace(all))
	require.NoError(t, err)
	require.Equal(t, all, again)
}

func TestStrace(t *testing.T) {
	tests := map[string]struct {
		lines []string
		want  []traced
	}{
		"what does not say anything": {
			[]string{"", "nonsense", "--- SIGCHLD {si_signo=SIGCHLD} ---", `mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0`, "exit_group(0) = ?"},
			nil,
		},
		"a file that is read": {
			[]string{`open("/a/b", O_RDONLY) = 3`, `read(3, "x, \"y\""..., 10) = 10`, `read(3, "", 10) = 0`, `close(3) = 0`},
			[]traced{{kind: history.Read, path: "a/b", length: 10}},
		},
		"a descriptor that is copied, and one that is used again": {
			[]string{
				`1 open("/new", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3`, `1 dup2(3, 1) = 1`, `1 close(3) = 0`, `1 write(1, "12345", 5) = 5`, `1 fsync(1) = 0`,
				`1 dup2(9, 1) = 1`, `1 open("/log", O_WRONLY|O_APPEND) = 3`, `1 write(3, "123", 3) = 3`, `1 +++ exited with 0 +++`,
			},
			[]traced{{kind: history.Write, path: "new", length: 5, synced: true}, {kind: history.Append, path: "log", length: 3}},
		},
		"two processes, calls that overlap, and times": {
			[]string{
				`[pid 7] 12:00:01.123 openat(AT_FDCWD, "/f", O_RDWR <unfinished ...>`, `[pid 8] 12:00:02 unlink("/g") = 0`,
				`[pid 7] 12:00:03 <... openat resumed>) = 4`, `[pid 7] 12:00:04 pwrite64(4, "ab", 2, 10) = 2`, `[pid 7] 12:00:05 close(4) = 0`,
			},
			[]traced{{kind: history.Remove, path: "g"}, {kind: history.Edit, path: "f", length: 2}},
		},
		"paths that are relative": {
			[]string{
				`1 chdir("/srv") = 0`, `1 clone(child_stack=NULL, flags=SIGCHLD) = 2`, `2 mkdir("d", 0777) = 0`, `2 openat(AT_FDCWD, "d", O_RDONLY|O_DIRECTORY) = 3`,
				`2 renameat2(3, "x", AT_FDCWD, "y", 0) = 0`, `2 unlinkat(3, "z", AT_REMOVEDIR) = 0`, `2 getdents64(3, 0x5, 100) = 40`, `2 close(3) = 0`,
			},
			[]traced{
				{kind: history.MakeDirectory, path: "srv/d"},
				{kind: history.Rename, path: "srv/d/x", target: "srv/y"},
				{kind: history.RemoveDirectory, path: "srv/d/z"},
				{kind: history.List, path: "srv/d"},
			},
		},
		"what is not there, and what is elsewhere": {
			[]string{`stat("/a", 0x1) = -1 ENOENT (No such file or directory)`, `rename("/a", "/b") = -1 ENOENT (No such file)`, `stat("/proc/self", {st_mode=S_IFDIR}) = 0`},
			[]traced{{kind: history.Stat, path: "a", failed: true}, {kind: history.Stat, path: "a", failed: true}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			all, err := readStrace(strings.NewReader(strings.Join(test.lines, "\n")), "")
			require.NoError(t, err)
			require.Equal(t, test.want, all)
		})
	}
}

// What a recording found is made before it, and what it made itself is not.
func TestWhatWasThereBefore(t *testing.T) {
	made := before([]traced{
		{kind: history.Read, path: "a/b/c", length: 9},
		{kind: history.Write, path: "a/new"},
		{kind: history.Read, path: "a/new"},
		{kind: history.Stat, path: "none", failed: true},
		{kind: history.Stat, path: "s"},
		{kind: history.List, path: "s"},
		{kind: history.Rename, path: "old", target: "moved"},
		{kind: history.Read, path: "moved"},
		{kind: history.ReadLink, path: "l"},
		{kind: history.MakeDirectory, path: "m"},
		{kind: history.Rename, path: "m", target: "n"},
		{kind: history.RemoveDirectory, path: "n"},
	})
	require.Equal(t, []traced{
		{kind: history.MakeDirectory, path: "a"},
		{kind: history.Symlink, path: "l", target: "somewhere"},
		{kind: history.Write, path: "old"},
		{kind: history.MakeDirectory, path: "s"},
		{kind: history.MakeDirectory, path: "a/b"},
		{kind: history.Write, path: "a/b/c", length: 9},
	}, made)
}

// A stored run is replayed as the output of strace is.
func TestAStoredRunIsATrace(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, history.WriteMeta(dir, history.Meta{Scenario: "s", Clients: []string{"client1"}}))
	require.NoError(t, history.WritePlan(dir, nil))
	writer, err := history.NewWriter(dir)
	require.NoError(t, err)
	b := newBench(t)
	process := NewFiles(b.Environment).Process()
	require.True(t, process.MakeDirectory(t.Context(), "d").OK())
	require.True(t, process.Write(t.Context(), "d/f", 700, How{}).OK())
	require.False(t, process.Read(t.Context(), "d/g").OK())
	require.True(t, process.Rename(t.Context(), "d/f", "d/h").OK())
	b.Recorder.Close()
	for _, chunk := range *b.chunks {
		require.NoError(t, writer.Append(chunk))
	}
	require.NoError(t, writer.Close())
	all, err := readRecording(dir, "/d")
	require.NoError(t, err)
	require.Equal(t, []traced{
		{kind: history.Write, path: "f", length: 700}, {kind: history.Stat, path: "g", failed: true}, {kind: history.Rename, path: "f", target: "h"},
	}, all)

	_, err = Trace{}.Plan(with("file", filepath.Join(dir, "none")))
	require.ErrorContains(t, err, "workload trace: parameter file: ")
	require.ErrorIs(t, err, os.ErrNotExist)
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	_, err = Trace{}.Plan(with("file", empty))
	require.ErrorContains(t, err, "nothing in it is an operation on a file")
}
