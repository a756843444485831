package observe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/agent/fusemount/fusetest"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The SHA-256 of "abc" (FIPS 180-2, appendix B.1).
const digestOfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestObjectsOfAFolder(t *testing.T) {
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	written, err := history.MakeContent(history.Header{Nonce: history.Nonce{1}, Node: "client1", Path: "a", Length: 1000})
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(at("b/c"), 0o750))
	require.NoError(t, os.WriteFile(at("b/c/foreign"), []byte("abc"), 0o640))
	require.NoError(t, os.WriteFile(at("a"), written, 0o600))
	require.NoError(t, os.Link(at("a"), at("b/a2")))
	require.NoError(t, os.Symlink("nowhere", at("b/dangling")))
	require.NoError(t, os.Symlink("@00000001.00000006.00000003@localhost.", at("b/conflict")))
	require.NoError(t, os.Symlink("@00000001.00000006.00000003@localhost", at("b/no-conflict")))
	_, misplaced := history.CheckContent(written, "b/a2")
	_, foreign := history.CheckContent([]byte("abc"), "b/c/foreign")
	objects, err := Objects(t.Context(), Folder{Root: root}, Options{})
	require.NoError(t, err)
	sum := sha256.Sum256(written)
	digest := hex.EncodeToString(sum[:])
	require.Equal(t, []history.Object{
		{Path: "a", Kind: file, Mode: 0o600, Length: 1000, Links: 2, Digest: digest, Content: history.Nonce{1}},
		{Path: "b", Kind: directory, Mode: 0o750},
		{
			Path: "b/a2", Kind: file, Mode: 0o600, Length: 1000, Links: 2, Digest: digest, Content: history.Nonce{1},
			Problem: misplaced,
		},
		{Path: "b/c", Kind: directory, Mode: 0o750},
		{
			Path: "b/c/foreign", Kind: file, Mode: 0o640, Length: 3, Links: 1, Digest: digestOfABC,
			Problem: foreign,
		},
		{Path: "b/conflict", Kind: history.KindConflict, Digest: "@00000001.00000006.00000003@localhost."},
		{Path: "b/dangling", Kind: symlink, Mode: 0o777, Length: 7, Links: 1, Digest: "nowhere"},
		{Path: "b/no-conflict", Kind: symlink, Mode: 0o777, Length: 37, Links: 1, Digest: "@00000001.00000006.00000003@localhost"},
	}, objects)
}

func TestAnEmptyTree(t *testing.T) {
	objects, err := Objects(t.Context(), Folder{Root: t.TempDir()}, Options{})
	require.NoError(t, err)
	require.Empty(t, objects)
	require.NotNil(t, objects, "seen, and seen to be empty")
}

func TestWhatCannotBeObserved(t *testing.T) {
	_, err := Objects(t.Context(), Folder{Root: filepath.Join(t.TempDir(), "none")}, Options{})
	require.ErrorIs(t, err, syscall.ENOTCONN, "what should be below it is not known to be gone")
	_, err = Objects(t.Context(), Folder{Root: t.TempDir(), Mounted: true}, Options{})
	require.ErrorIs(t, err, syscall.ENOTCONN)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Objects(ended, Folder{Root: t.TempDir()}, Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestAHungMountEndsTheObservation(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	_, err := Objects(t.Context(), Folder{Root: mount.Path, Mounted: true}, Options{CallTime: 20 * time.Millisecond})
	var hung *HungError
	require.ErrorAs(t, err, &hung)
	require.Equal(t, history.HungCall{Call: "readdir .", After: 20 * time.Millisecond}, hung.HungCall)
	mount.Die()
}

// odd is a tree with errors in it.
type odd struct{ Tree }

func (odd) List(_ context.Context, path string) ([]string, error) {
	switch path {
	case ".":
		return []string{"closed", "cut", "gone", "pipe", "short", "torn"}, nil
	default:
		return nil, fmt.Errorf("%s: %w", path, syscall.EACCES)
	}
}

func (odd) Stat(_ context.Context, path string) (Info, error) {
	switch path {
	case "closed":
		return Info{Mode: os.ModeDir | 0o700}, nil
	case "gone":
		return Info{}, syscall.ENOENT
	case "pipe":
		return Info{Mode: os.ModeNamedPipe}, nil
	default:
		return Info{Mode: 0o644, Length: 1000, Links: 1}, nil
	}
}

func (odd) ReadFile(_ context.Context, path string, to io.Writer) error {
	if path == "torn" {
		return syscall.EIO
	}
	length := int64(1000)
	if path == "short" {
		length = 900
	}
	content, err := history.MakeContent(history.Header{Path: path, Length: length})
	if err != nil {
		return err
	}
	_, err = to.Write(content[:900])
	return err
}

func TestProblemsOfSingleObjects(t *testing.T) {
	objects, err := Objects(t.Context(), odd{}, Options{})
	require.NoError(t, err)
	cut, err := history.MakeContent(history.Header{Path: "cut", Length: 1000})
	require.NoError(t, err)
	_, truncated := history.CheckContent(cut[:900], "cut")
	problems := map[string]string{}
	for _, object := range objects {
		problems[object.Path] = object.Problem
	}
	require.Equal(t, map[string]string{
		"closed": "list: closed: permission denied",
		"gone":   "stat: no such file or directory",
		"pipe":   "neither a file nor a directory nor a symlink, but p---------",
		"short":  "stat says that it has 1000 bytes, and it has 900",
		"cut":    truncated,
		"torn":   "read: input/output error",
	}, problems)
}
