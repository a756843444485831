package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/agent/dump"
	"github.com/codastress/codastress/harness/agent/supervise"
)

const (
	evidenceTime = 5 * time.Second // of one source of one daemon
	logEnd       = 256 << 10       // of a daemon's log that is evidence
	pieceLength  = 256 << 10       // of what is sent in pieces
)

// Evidence implements agentpb.AgentServer. Every source is asked at the same time and with a bound; what cannot be had is a file that says why.
func (s *service) Evidence(_ *agentpb.EvidenceRequest, stream agentpb.Agent_EvidenceServer) error {
	ctx := stream.Context()
	var sending sync.Mutex
	var failed error
	send := func(file string, content []byte) {
		sending.Lock()
		defer sending.Unlock()
		for first := true; failed == nil && (first || len(content) > 0); first = false {
			piece := content[:min(len(content), pieceLength)]
			content = content[len(piece):]
			failed = stream.Send(&agentpb.EvidenceReply{File: file, Piece: piece})
		}
	}
	var all sync.WaitGroup
	ask := func(file string, do func(ctx context.Context) (map[string][]byte, error)) {
		all.Go(func() {
			for name, content := range collect(ctx, file, do) {
				send(name, content)
			}
		})
	}
	ask("agent.stacks", func(context.Context) (map[string][]byte, error) {
		return map[string][]byte{"agent.stacks": dump.Stacks()}, nil
	})
	for i, one := range s.daemons.Status() {
		s.askAbout(one, s.config.Daemons[i], ask)
	}
	all.Wait()
	return failed
}

// askAbout asks everyone who knows something of a daemon.
func (s *service) askAbout(
	now supervise.Status, d supervise.Daemon, ask func(string, func(ctx context.Context) (map[string][]byte, error)),
) {
	one := func(file string, do func(ctx context.Context) ([]byte, error)) {
		ask(file, func(ctx context.Context) (map[string][]byte, error) {
			content, err := do(ctx)
			if content == nil {
				return nil, err
			}
			return map[string][]byte{file: content}, err
		})
	}
	one(d.Name+".status", func(context.Context) ([]byte, error) { return fmt.Appendf(nil, "%+v\n", now), nil })
	one(d.Name+".log", func(context.Context) ([]byte, error) { return endOf(d.LogFile) })
	if now.PID == 0 {
		return
	}
	one(d.Name+".kernel", func(context.Context) ([]byte, error) { return kernelView(now.PID), nil })
	if path := s.config.DebugSockets[d.Name]; path != "" {
		one(d.Name+".stacks", func(ctx context.Context) ([]byte, error) { return dump.Fetch(ctx, path) })
	}
	if s.hooks.Evidence != nil {
		ask(d.Name, func(ctx context.Context) (map[string][]byte, error) {
			said, err := s.hooks.Evidence(ctx, d.Name)
			named := make(map[string][]byte, len(said))
			for name, content := range said {
				named[d.Name+"."+name] = content
			}
			return named, err
		})
	}
}

// collect asks one source. An error is a file beside what was had.
func collect(ctx context.Context, file string, do func(ctx context.Context) (map[string][]byte, error)) map[string][]byte {
	type result struct {
		files map[string][]byte
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, evidenceTime)
	defer cancel()
	asked := make(chan result, 1)
	go func() {
		files, err := do(ctx)
		asked <- result{files, err}
	}()
	var got result
	select {
	case got = <-asked:
	case <-ctx.Done():
		select {
		case got = <-asked: // it honoured the deadline
		case <-time.After(100 * time.Millisecond):
			got.err = ctx.Err()
		}
	}
	files := make(map[string][]byte, len(got.files)+1)
	for name, content := range got.files {
		files[plainName(name)] = content
	}
	if got.err != nil {
		files[plainName(file+".missing")] = []byte(got.err.Error() + "\n")
	}
	return files
}

// plainName makes a name that cannot lead out of the folder of the evidence.
func plainName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == 0 {
			return '_'
		}
		return r
	}, name)
	return strings.TrimLeft(name, ".")
}

// endOf reads the end of a file.
func endOf(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-logEnd), logEnd))
}

// kernelView says where the kernel keeps the threads of a process. It reads nothing of /proc that waits for the process, such as its
// command line.
func kernelView(pid int) []byte {
	var text strings.Builder
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	status, _ := os.ReadFile(filepath.Join(folder, "status"))
	text.Write(status)
	threads, _ := os.ReadDir(filepath.Join(folder, "task"))
	for _, thread := range threads {
		for _, file := range []string{"stat", "wchan", "syscall", "stack"} {
			content, err := os.ReadFile(filepath.Join(folder, "task", thread.Name(), file))
			if err == nil {
				fmt.Fprintf(&text, "\nthread %s %s: %s", thread.Name(), file, strings.TrimSpace(string(content)))
			}
		}
	}
	return []byte(text.String() + "\n")
}
