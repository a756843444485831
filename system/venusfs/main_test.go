package venusfs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"go.uber.org/goleak"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
)

// childVariable carries a childConfig to a copy of the test binary that serves a mount: a process must never touch the mount that it serves itself.
const childVariable = "VENUSFS_TEST_CHILD"

// childConfig says what a child serves. Without a Server it is a bare go-fuse loopback of Cache, to compare with.
type childConfig struct {
	Dir, Cache, Server string
	Options            Options
	Limits             venus.Limits
	Disconnected       bool // from the server, from the start
	Verbose            bool
}

// reintegrateTime bounds how long a client takes to send everything, which can be gigabytes.
const reintegrateTime = 10 * time.Minute

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := serveChild(text); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// serveChild mounts, says so in a line, and unmounts when its standard input ends, as it does when the test dies.
func serveChild(text string) error {
	var c childConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	if c.Server == "" {
		return serveLoopback(c)
	}
	debug.SetGCPercent(50) // as the program does
	log := slog.New(slog.DiscardHandler)
	if c.Verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	v, err := venus.Open(ctx, venus.Config{Dir: c.Cache, Servers: []venus.Server{{Address: c.Server}}, Volume: "home", Log: log, Limits: c.Limits})
	if err != nil {
		return err
	}
	if c.Disconnected {
		v.Disconnect()
	}
	c.Options.Log = log
	m, err := Mount(ctx, stalling{v}, c.Dir, c.Options)
	if err != nil {
		return errors.Join(err, v.Close(ctx))
	}
	fmt.Println("mounted")
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		if command, path, ok := strings.Cut(input.Text(), " "); ok {
			fmt.Println(repairChild(v, command, path))
			continue
		}
		switch input.Text() {
		case "passthrough":
			fmt.Println(m.Passthrough())
		case "disconnect":
			v.Disconnect()
			fmt.Println("disconnected")
		case "reconnect":
			v.Reconnect()
			fmt.Println("reconnected")
		case "reintegrate":
			ctx, cancel := context.WithTimeout(context.Background(), reintegrateTime)
			fmt.Println(v.ForceReintegrate(ctx))
			cancel()
		case "conflicts":
			list, err := v.Conflicts()
			if err != nil {
				return err
			}
			fmt.Println(len(list))
		case "spawn":
			child := exec.Command("sleep", "60")
			if err := child.Start(); err != nil {
				return err
			}
			fmt.Println(child.Process.Pid)
		}
	}
	ctx, cancel = context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := errors.Join(m.Unmount(ctx), v.Close(ctx)); err != nil {
		return err
	}
	return goleak.Find()
}

// repairChild carries out a command of cfs on a path.
func repairChild(v *venus.Venus, command, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	switch command {
	case "expand":
		return v.Expand(ctx, path)
	case "collapse":
		return v.Collapse(ctx, path)
	case "keep-local":
		_, err := v.Repair(ctx, path, venus.KeepLocal)
		return err
	case "mount", "unmount": // the last name is that of the volume, too
		dir, name, err := v.LookupParent(ctx, path)
		switch {
		case err != nil:
			return err
		case command == "mount":
			return v.Mount(ctx, dir, name, name)
		default:
			return v.Unmount(ctx, dir, name)
		}
	default:
		return fmt.Errorf("%q is no command", command)
	}
}

func serveLoopback(c childConfig) error {
	root, err := gofs.NewLoopbackRoot(c.Cache)
	if err != nil {
		return err
	}
	second := time.Second
	options := &gofs.Options{AttrTimeout: &second, EntryTimeout: &second}
	options.DirectMount = true
	server, err := gofs.Mount(c.Dir, root, options)
	if err != nil {
		return err
	}
	fmt.Println("mounted")
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
	}
	return server.Unmount()
}

// stalling is a venus that never finds a certain name.
type stalling struct{ *venus.Venus }

const stalled = "stalled"

// Lookup waits for the end of its context where the name is stalled.
func (s stalling) Lookup(ctx context.Context, dir coda.Fid, name string) (coda.Status, error) {
	if name == stalled {
		<-ctx.Done()
		return coda.Status{}, &coda.Error{Op: "lookup", Kind: coda.TimedOut, Err: ctx.Err()}
	}
	return s.Venus.Lookup(ctx, dir, name)
}
