package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/cluster"
)

// word is what venus says.
const word = "are you there?"

// serve is codasrv: it answers every line with its node's name, and remembers what it is told to.
func serve(ctx context.Context, node cluster.NodeConfig) error {
	security, err := node.System.ServerTLS()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", node.Codasrv)
	if err != nil {
		return err
	}
	return each(ctx, tls.NewListener(listener, security), func(connection net.Conn) {
		lines := bufio.NewScanner(connection)
		for lines.Scan() {
			if err := remember(node, lines.Text()); err != nil {
				return
			}
			if _, err := fmt.Fprintln(connection, node.Name); err != nil {
				return
			}
		}
	})
}

// accept is web.
func accept(ctx context.Context, node cluster.NodeConfig) error {
	listener, err := net.Listen("tcp", node.Web)
	if err != nil {
		return err
	}
	return each(ctx, listener, func(connection net.Conn) { _, _ = io.Copy(io.Discard, connection) })
}

// each serves connections until ctx ends. It ends with the process.
func each(ctx context.Context, listener net.Listener, do func(net.Conn)) error {
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	for {
		connection, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close() //nolint:errcheck // the peer knows
			do(connection)
		}()
	}
}

// readyFile is made when venus has had its first answer.
func readyFile(node cluster.NodeConfig) string { return filepath.Join(node.State, "venus-is-ready") }

// talk is venus: it asks all its servers over and over.
func talk(ctx context.Context, node cluster.NodeConfig, log *slog.Logger) error {
	_ = os.Remove(readyFile(node)) // of an earlier life
	for ctx.Err() == nil {
		for _, peer := range node.Servers {
			if err := converse(ctx, node, peer); err != nil {
				log.Info("talking to a server", "server", peer.Name, "error", err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// converse keeps one connection for some words.
func converse(ctx context.Context, node cluster.NodeConfig, peer cluster.Peer) error {
	connection, err := connect(ctx, node, peer)
	if err != nil {
		return err
	}
	defer connection.Close() //nolint:errcheck // the peer knows
	for range 50 {
		if err := say(connection, peer.Name, time.Minute); err != nil {
			return err
		}
		if err := os.WriteFile(readyFile(node), nil, 0o600); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// ask makes a connection for one word.
func ask(ctx context.Context, node cluster.NodeConfig, peer cluster.Peer) error {
	connection, err := connect(ctx, node, peer)
	if err != nil {
		return err
	}
	defer connection.Close() //nolint:errcheck // the peer knows
	return say(connection, peer.Name, dialTime)
}

func connect(ctx context.Context, node cluster.NodeConfig, peer cluster.Peer) (net.Conn, error) {
	security, err := node.System.ClientTLS(peer.Name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	return (&tls.Dialer{Config: security}).DialContext(ctx, "tcp", peer.Address)
}

// say says the word and waits for the name.
func say(connection net.Conn, name string, bound time.Duration) error {
	if err := connection.SetDeadline(time.Now().Add(bound)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(connection, word); err != nil {
		return err
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.TrimSpace(answer) != name {
		return fmt.Errorf("%q answers in the place of %q", answer, name)
	}
	return nil
}
