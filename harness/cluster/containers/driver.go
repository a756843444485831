package containers

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/harness/cluster"
)

// Driver starts nodes as containers. It is a cluster.Driver and a cluster.Sweeper. The engine is found as testcontainers finds it: by DOCKER_HOST, the
// current context of the docker command, or its usual socket; TESTCONTAINERS_HOST_OVERRIDE says where its published ports are.
type Driver struct{}

var (
	_ cluster.Driver  = Driver{}
	_ cluster.Sweeper = Driver{}
)

// New returns the driver.
func New() Driver { return Driver{} }

// Name implements cluster.Driver.
func (Driver) Name() string { return "containers" }

// Available implements cluster.Driver.
func (Driver) Available(ctx context.Context) error {
	e, err := connect(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	return e.check(ctx)
}

// Prepare implements cluster.Driver: it loads the image and makes the networks.
func (Driver) Prepare(ctx context.Context, ground cluster.Ground) (cluster.Site, error) {
	e, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &site{
		engine: e, ground: ground, log: ground.Log, labels: labels(ground.RunID, ground.Lock),
		subnets: make(map[string]subnet), lost: make(chan error, 1),
	}
	s.living, s.stop = context.WithCancel(context.Background())
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() (err error) { s.image, err = e.loadImage(ctx, ground.Binary); return err })
	all.Go(func() (err error) { s.publication, err = e.publication(ctx); return err })
	for _, node := range ground.Nodes {
		all.Go(func() error {
			made, err := e.createNetwork(ctx, s.name(node.Name), node.Role != cluster.RoleProxy, s.labels)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.subnets[node.Name] = made
			return err
		})
	}
	if err := all.Wait(); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		return nil, errors.Join(err, s.Close(closing))
	}
	return s, nil
}

// site is a run's containers and networks. The network named for the proxy is the one that the harness reaches it through.
type site struct {
	engine      *engine
	ground      cluster.Ground
	log         *slog.Logger
	labels      map[string]string
	image       string
	publication publication

	living    context.Context // of what waits for containers
	stop      context.CancelFunc
	following sync.WaitGroup
	lost      chan error

	mu      sync.Mutex
	subnets map[string]subnet // by node
	host    string            // of the proxy's published ports; "" until it runs
	ports   map[int]string    // by port in the proxy
}

// name is that of a container or network.
func (s *site) name(node string) string { return "codastress-" + s.ground.RunID + "-" + node }

// Lost implements cluster.Site.
func (s *site) Lost() <-chan error { return s.lost }

// Place implements cluster.Site.
func (s *site) Place(node string) cluster.Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := cluster.Place{State: stateFolder, Logs: logsFolder, Coda: codaFolder}
	// On its own network the proxy is reached by the harness only.
	control := s.subnets[cluster.ProxyName].address(proxyOffset).String()
	if node == cluster.ProxyName {
		place.Agent = withPort(control, cluster.AgentPort)
		return place
	}
	own := s.subnets[node]
	place.Host, place.Side = own.address(nodeOffset).String(), own.address(proxyOffset).String()
	place.Agent = withPort(place.Host, cluster.AgentPort)
	place.Relay = withPort(control, cluster.RelayPort(s.number(node)))
	return place
}

// number is the place of a node among all.
func (s *site) number(node string) int {
	for number, one := range s.ground.Nodes {
		if one.Name == node {
			return number
		}
	}
	return -1
}

func withPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
