package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// talks are connections to servers that tests hold, by the names that they have given them.
type talks struct {
	node cluster.NodeConfig

	mu   sync.Mutex
	open map[string]*dialogue
}

// dialogue is one connection, on which every word is answered.
type dialogue struct {
	net.Conn

	mu       sync.Mutex
	answered uint64
	more     chan struct{} // closed and replaced by each answer, and by the end
	end      error         // why nothing more is heard; nil while it may be
}

// do carries out a task that a test asks for. What it is to say is in the number of operations that were done.
func (t *talks) do(ctx context.Context, step history.Step) (history.Load, error) {
	number, err := t.task(ctx, step.Task, step.Args)
	return history.Load{Done: number}, err
}

func (t *talks) task(ctx context.Context, task string, args map[string]string) (uint64, error) {
	switch task {
	case "dial":
		return yes(dial(ctx, args["address"]) == nil), nil // that there is no way is an answer
	case "heard":
		return heard(t.node, args["word"])
	case "open":
		return 1, t.begin(ctx, args["talk"], args["peer"])
	}
	t.mu.Lock()
	d := t.open[args["talk"]]
	t.mu.Unlock()
	if d == nil {
		return 0, fmt.Errorf("there is no talk %q", args["talk"])
	}
	switch task {
	case "say":
		return 1, d.say(args["word"])
	case "try":
		return yes(d.say(args["word"]) == nil), nil
	case "ask":
		return d.ask(ctx, args["word"])
	case "answered":
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.answered, nil
	case "ended":
		d.mu.Lock()
		defer d.mu.Unlock()
		return yes(d.end != nil), nil
	case "reset":
		d.mu.Lock()
		defer d.mu.Unlock()
		return yes(errors.Is(d.end, syscall.ECONNRESET)), nil
	}
	return 0, fmt.Errorf("no task %q", task)
}

func yes(it bool) uint64 {
	if it {
		return 1
	}
	return 0
}

// begin connects to a server by the link to it.
func (t *talks) begin(ctx context.Context, name, server string) error {
	for _, peer := range t.node.Servers {
		if peer.Name != server {
			continue
		}
		connection, err := connect(ctx, t.node, peer)
		if err != nil {
			return err
		}
		d := &dialogue{Conn: connection, more: make(chan struct{})}
		go d.listen()
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.open == nil {
			t.open = map[string]*dialogue{}
		}
		t.open[name] = d
		return nil
	}
	return fmt.Errorf("%s has no link to %s", t.node.Name, server)
}

// listen counts answers. It ends with the connection, at the latest with the process.
func (d *dialogue) listen() {
	answers := bufio.NewReader(d)
	for {
		_, err := answers.ReadString('\n')
		d.mu.Lock()
		if err == nil {
			d.answered++
		}
		d.end = err
		close(d.more)
		d.more = make(chan struct{})
		d.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// say says a word that the server remembers.
func (d *dialogue) say(word string) error {
	_, err := fmt.Fprintln(d, remembered+word)
	return err
}

// ask says a word, waits until it is answered, and gives the microseconds that it took.
func (d *dialogue) ask(ctx context.Context, word string) (uint64, error) {
	d.mu.Lock()
	before := d.answered
	d.mu.Unlock()
	begun := time.Now()
	if err := d.say(word); err != nil {
		return 0, err
	}
	for {
		d.mu.Lock()
		answered, more, end := d.answered, d.more, d.end
		d.mu.Unlock()
		switch {
		case answered > before:
			return uint64(time.Since(begun).Microseconds()), nil
		case end != nil:
			return 0, end
		}
		select {
		case <-more:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// remembered is what the words begin with that a server remembers.
const remembered = "remember "

func memory(node cluster.NodeConfig) string { return filepath.Join(node.State, "heard") }

// remember keeps a word, of which it is enough to know the beginning.
func remember(node cluster.NodeConfig, line string) error {
	word, ok := strings.CutPrefix(line, remembered)
	if !ok {
		return nil
	}
	file, err := os.OpenFile(memory(node), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	word, _, _ = strings.Cut(word, " ")
	_, err = fmt.Fprintln(file, word)
	return errors.Join(err, file.Close())
}

// heard counts how often codasrv heard a word.
func heard(node cluster.NodeConfig, word string) (uint64, error) {
	text, err := os.ReadFile(memory(node))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("looking for %s: %w", strconv.Quote(word), err)
	}
	count := uint64(0)
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) == word {
			count++
		}
	}
	return count, nil
}
