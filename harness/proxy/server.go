package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Server is the proxy node's Toxiproxy with its links. Its methods may be called from several goroutines.
type Server struct {
	api *toxiproxy.ApiServer
	log *slog.Logger

	mu     sync.Mutex
	links  map[string]*link
	closed bool
}

// NewServer makes a Toxiproxy without links.
func NewServer(log *slog.Logger) *Server {
	registerGate()
	logger := zerolog.New(logWriter{log}).Level(zerolog.WarnLevel)
	return &Server{
		api:   toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), logger),
		log:   log,
		links: make(map[string]*link),
	}
}

// AddLink makes a link that passes everything. A listen port of 0 chooses one; the description returned has it.
// The error is ErrLinkExists, ErrClosed, or why the address cannot be listened on.
func (s *Server) AddLink(_ context.Context, name, listen, upstream string) (Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Link{}, ErrClosed
	}
	if s.links[name] != nil {
		return Link{}, fmt.Errorf("%s: %w", name, ErrLinkExists)
	}
	added, err := newLink(s.api, name, listen, upstream, s.log)
	if err != nil {
		return Link{}, err
	}
	if err := s.api.Collection.Add(added.proxy, false); err != nil {
		return Link{}, errors.Join(fmt.Errorf("adding the link %s: %w", name, err), added.close(context.Background()))
	}
	s.links[name] = added
	return added.describe(), nil
}

// SetLink cuts or heals a link. When it returns, every connection obeys: a direction that does not pass lets no byte through any more.
// Connections that are made from now on are subject to it too.
func (s *Server) SetLink(ctx context.Context, name string, state State) (Link, error) {
	for _, flow := range []Flow{state.Up, state.Down} {
		if flow > Drop {
			return Link{}, fmt.Errorf("setting the link %s: %w, not %v", name, ErrFlow, flow)
		}
	}
	found, err := s.link(name)
	if err != nil {
		return Link{}, err
	}
	if err := found.set(ctx, state); err != nil {
		return Link{}, err
	}
	return found.describe(), nil
}

// ResetLink ends every connection of a link with RST on both sides and returns how many there were.
func (s *Server) ResetLink(_ context.Context, name string) (int, error) {
	found, err := s.link(name)
	if err != nil {
		return 0, err
	}
	return found.reset(), nil
}

// Links describes all links, sorted by name.
func (s *Server) Links(context.Context) ([]Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	described := make([]Link, 0, len(s.links))
	for _, one := range s.links {
		described = append(described, one.describe())
	}
	slices.SortFunc(described, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
	return described, nil
}

// Close ends every link with its connections and waits for their goroutines, until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for name, one := range s.links {
		errs = append(errs, one.close(ctx))
		delete(s.links, name)
	}
	return errors.Join(errs...)
}

func (s *Server) link(name string) (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	found := s.links[name]
	if found == nil {
		return nil, fmt.Errorf("%s: %w", name, ErrNoLink)
	}
	return found, nil
}

// logWriter takes Toxiproxy's log lines.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(line []byte) (int, error) {
	w.log.Debug("toxiproxy", "line", strings.TrimSpace(string(line)))
	return len(line), nil
}
