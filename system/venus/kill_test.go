package venus_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// victimEnv names the cache directory of a child process that is going to be killed.
const victimEnv = "VENUS_TEST_VICTIM"

// victim works on a cache without a server and says on standard output what has been acknowledged, until it is killed.
func victim(dir string) error {
	cfg := venus.Config{Dir: dir, Servers: []venus.Server{{Address: "nowhere"}}, Volume: vicetest.Volume, Timing: timing(), Dial: nowhere}
	v, err := venus.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	ctx := context.Background()
	root, err := v.Root(ctx)
	for deadline := time.Now().Add(patience); err != nil && time.Now().Before(deadline); root, err = v.Root(ctx) {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		name := fmt.Sprint("f", i%50)
		fmt.Println("begun", name)
		if i%7 == 6 {
			err := v.Remove(ctx, root.Fid, name)
			if err != nil && coda.KindOf(err) != coda.NotFound {
				return err
			}
			fmt.Println("removed", name)
			continue
		}
		_, h, err := v.Create(ctx, root.Fid, name, 0o644, 0, venus.OpenFlags{Write: true, Truncate: true})
		if err != nil {
			return err
		}
		if _, err := h.WriteAt([]byte(expand(i)), 0); err != nil {
			return err
		}
		if err := h.Flush(ctx); err != nil {
			return err
		}
		fmt.Println("wrote", name, i)
		go h.Close(ctx) // the kernel's release comes some time later, too
		if i%11 == 10 {
			if err := v.Rename(ctx, root.Fid, name, root.Fid, "r"+name, false); err != nil {
				return err
			}
			fmt.Println("renamed", name)
		}
	}
}

// nowhere is a dialer that reaches nothing.
func nowhere(context.Context, string) (net.Conn, error) { return nil, net.ErrClosed }

// expand gives the contents that a victim writes in its i-th step.
func expand(i int) string { return strings.Repeat(fmt.Sprintf("%d ", i), 1+i%3*1000) }

// acknowledged is what a victim has said to be done: the contents by name, nil for a file that must not be there.
type acknowledged map[string]*string

func (a acknowledged) read(words []string) {
	switch words[0] {
	case "wrote":
		i, _ := strconv.Atoi(words[2])
		contents := expand(i)
		a[words[1]] = &contents
	case "removed":
		a[words[1]] = nil
	case "renamed":
		a["r"+words[1]], a[words[1]] = a[words[1]], nil
	}
}

func TestKilled(t *testing.T) {
	s := vicetest.Start(t)
	dir := t.TempDir()
	c := startIn(t, dir, s)
	c.warm()
	c.stop()
	random := rand.New(rand.NewPCG(1, 2))
	state := acknowledged{}
	for range 8 {
		begun := runVictim(t, dir, state, time.Duration(random.IntN(60_000))*time.Microsecond)
		v := startIn(t, dir, s, func(c *venus.Config) { c.Dial = nowhere })
		v.await(false)
		for name, want := range state {
			got, err := v.tryRead(name)
			switch {
			case name == begun || name == "r"+begun: // the kill decided what became of it
			case want == nil:
				require.ErrorIs(t, err, coda.NotFound, name)
			default:
				require.NoError(t, err, name)
				require.True(t, got == *want, "%s has %d bytes that begin with %.10q, not %d that begin with %.10q", name, len(got), got, len(*want), *want)
			}
			state[name] = nil
			if err == nil {
				state[name] = &got
			}
		}
		v.stop()
	}
	c = startIn(t, dir, s)
	c.await(true)
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
	conflicts, err := c.Conflicts()
	require.NoError(t, err)
	require.Empty(t, conflicts)
}

// runVictim lets a victim work for some time and kills it. It gives the name that the victim was busy with.
func runVictim(t *testing.T, dir string, state acknowledged, life time.Duration) (begun string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "ready", lines.Text())
	kill := time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		state.read(words)
		if words[0] == "begun" {
			begun = words[1]
			if _, known := state[begun]; !known {
				state[begun] = nil
			}
			if _, known := state["r"+begun]; !known {
				state["r"+begun] = nil
			}
		}
	}
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, -1, exit.ExitCode(), "it must have been killed")
	return begun
}
