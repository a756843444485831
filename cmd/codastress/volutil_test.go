package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestVenusFigures asks a venus that cannot reach its server.
func TestVenusFigures(t *testing.T) {
	codastressed, dir := clean(t), ground(t)
	socket := filepath.Join(t.TempDir(), "metrics")
	begin(t, codastressed, "node", "venus", "--dir", filepath.Join(dir, "cache"), "--server", "127.0.0.1:1", "--metrics", socket)
	require.Eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, time.Minute, 50*time.Millisecond)
	figures, err := scrape(t.Context(), socket)
	require.NoError(t, err)
	for _, want := range []string{
		`codastress_venus_state{state="unreachable"} 1`, "codastress_venus_log_records 0", "codastress_venus_queue_oldest_seconds 0",
		`codastress_venus_server_up{address="127.0.0.1:1",slot="0"} 0`,
	} {
		require.Contains(t, string(figures), want+"\n")
	}
}

// TestVolutil looks after a codasrv that runs.
func TestVolutil(t *testing.T) {
	codastressed, dir := clean(t), ground(t)
	socket := filepath.Join(t.TempDir(), "control")
	begin(t, codastressed, "node", "codasrv", "--dir", filepath.Join(dir, "state"), "--volume", "coda", "--control", socket, "--listen", "127.0.0.1:0",
		"--metrics", socket+".metrics")
	require.Eventually(t, func() bool {
		asked := begin(t, codastressed, "volutil", "fsck", "--socket", socket)
		return asked.wait(t, time.Minute) == exitPass && asked.stdout.String() == "1 objects, 0 problems\n"
	}, time.Minute, 50*time.Millisecond)
	said := codastress(t, exitPass, codastressed, "volutil", "salvage", "--socket", socket)
	require.Equal(t, "0 files in containers, 0 mended, 0 lost\n", said.stdout.String())

	volutil := func(status int, args ...string) *invocation {
		return codastress(t, status, codastressed, append([]string{"volutil", "--socket", socket}, args...)...)
	}
	volutil(exitPass, "create", "users", "--root-acl", "System:AnyUser rl")
	volutil(exitPass, "setquota", "users", "--bytes", "1000")
	volutil(exitPass, "lock", "users")
	require.Regexp(t, `(?s)^Name:     users\nId:       [0-9a-f]+\nReplicas: 1\nBytes:    0 of 1000\nObjects:  0 of any number\nLocked:   true\n$`,
		volutil(exitPass, "info", "users").stdout.String())
	volutil(exitPass, "unlock", "users")
	require.Regexp(t, `^coda   1 +0 bytes  0 objects\nusers  [0-9a-f]+ +0 bytes  0 objects\n$`, volutil(exitPass, "list").stdout.String())
	figures, err := scrape(t.Context(), socket+".metrics")
	require.NoError(t, err)
	require.Contains(t, string(figures), `codastress_codasrv_volume_objects{volume="users"} 0`+"\n")
	require.Contains(t, string(figures), `codastress_codasrv_requests_total{method="/coda.control.v1.CodasrvControl/Fsck"} `)
	require.Contains(t, string(figures), "go_goroutines ")
	dump := filepath.Join(t.TempDir(), "dump")
	volutil(exitPass, "dump", "users", dump)
	require.Contains(t, volutil(exitCluster, "dump", "users", dump).stderr.String(), "file exists")
	require.Equal(t, "0 objects, 0 bytes\n", volutil(exitPass, "restore", "again", dump).stdout.String())
	require.Regexp(t, `Bytes:    0 of 1000\n`, volutil(exitPass, "info", "again").stdout.String())
	require.NoError(t, os.Truncate(dump, 100))
	require.Contains(t, volutil(exitCluster, "restore", "third", dump).stderr.String(), "it is not whole")
	require.Contains(t, volutil(exitCluster, "dump", "third", dump+"3").stderr.String(), "not found")
	require.NoFileExists(t, dump+"3")
	volutil(exitPass, "purge", "again")
	volutil(exitPass, "purge", "users")
	require.Regexp(t, `^coda  1  0 bytes  0 objects\n$`, volutil(exitPass, "getvolumelist").stdout.String())
	require.Contains(t, volutil(exitCluster, "info", "users").stderr.String(), "getvolumelist")
	require.Contains(t, volutil(exitCluster, "purge", "coda").stderr.String(), "the one at the root")
	require.Contains(t, volutil(exitUsage, "create", "a", "--root-acl", "nobody").stderr.String(), "--root-acl")
	require.Contains(t, volutil(exitUsage, "create").stderr.String(), "volutil create --help")
}
