package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/history"
)

// startTime bounds the start of a cluster. One that starts at all does so in a fraction of it (DESIGN.md section 10).
const startTime = 90 * time.Second

// patience is how long a node lives without a heartbeat. It must be longer than a busy machine can keep the harness from its work, and short
// enough for a node to be gone 10 s after the harness.
const patience = 8 * time.Second

// The rhythm of waiting for an agent to listen.
const (
	knockTime  = 2 * time.Second
	knockPause = 10 * time.Millisecond
)

// ErrStart says that a cluster could not be started.
var ErrStart = errors.New("the cluster did not start")

// placed is a cluster whose nodes run where a driver says, each with an agent as its first process.
type placed struct {
	*Cluster
	hold    *hold
	janitor *janitor
	site    Site
	harness Identity // towards the agents
	control *authority
	system  *authority

	living    context.Context // of what follows the nodes; ends in close
	stop      context.CancelFunc
	following sync.WaitGroup
	telling   sync.WaitGroup // of those who add events
	closing   atomic.Bool
	blind     chan struct{} // closed when it cannot be known any more how the nodes are doing
	unseen    error         // why; written before blind is closed
}

// newPlaced is a cluster none of whose nodes is started.
func newPlaced(spec Spec) (*placed, error) {
	c, err := newCluster(spec)
	if err != nil {
		return nil, err
	}
	if spec.Binary == "" {
		return nil, fmt.Errorf("%w: no executable for the nodes", ErrSpec)
	}
	p := &placed{Cluster: c, blind: make(chan struct{})}
	p.living, p.stop = context.WithCancel(context.Background())
	if len(c.links) > 0 {
		p.relay = c.newNode(RoleProxy, ProxyName)
		c.connect(proxyNetwork{p.relay})
	}
	c.end = p.close
	return p, nil
}

// Start starts a cluster and returns when every daemon is ready. If it fails, or ctx ends before, nothing is left of the cluster but its logs.
// The error is ErrSpec, or ErrStart with what went wrong on which node.
func Start(ctx context.Context, spec Spec, driver Driver) (*Cluster, error) {
	c, err := newPlaced(spec)
	if err != nil {
		return nil, err
	}
	starting, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := c.start(starting, driver); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrStart, err), c.Close(context.WithoutCancel(ctx)))
	}
	return c.Cluster, nil
}

func (c *placed) start(ctx context.Context, driver Driver) error {
	began := time.Now()
	if err := c.prepare(ctx, driver); err != nil {
		return err
	}
	c.log.Debug("prepared", "took", time.Since(began))
	if err := c.startNodes(ctx); err != nil {
		return err
	}
	c.log.Debug("the nodes run", "took", time.Since(began))
	if err := c.startAllDaemons(ctx); err != nil {
		return err
	}
	c.log.Info("the cluster runs", "driver", driver.Name(), "took", time.Since(began))
	return nil
}

// prepare makes everything that the nodes share.
func (c *placed) prepare(ctx context.Context, driver Driver) (err error) {
	if c.control, err = newAuthority("codastress control"); err != nil {
		return err
	}
	if c.system, err = newAuthority("codastress system"); err != nil {
		return err
	}
	if c.harness, err = c.control.issue("harness"); err != nil {
		return err
	}
	var names []NodeName
	if c.relay != nil {
		names = append(names, c.relay.id)
	}
	for _, node := range c.SystemNodes() {
		names = append(names, node.id)
	}
	for _, node := range c.Nodes() {
		if err := os.MkdirAll(node.folder, 0o755); err != nil {
			return fmt.Errorf("making the folder of %s: %w", node.Name(), err)
		}
	}
	if c.hold, err = takeHold(c.spec.RunID); err != nil {
		return err
	}
	if c.janitor, err = hireJanitor(c.spec, sweeperOf(driver)); err != nil {
		return err
	}
	c.site, err = driver.Prepare(ctx, Ground{
		RunID: c.spec.RunID, Dir: c.spec.Dir, Folder: c.hold.folder, Lock: c.hold.lockFile(), Binary: c.spec.Binary,
		Mount: c.spec.Mount, Nodes: names, Extra: c.spec.Extra, Log: c.log,
	})
	if err != nil {
		return fmt.Errorf("preparing the %s: %w", driver.Name(), err)
	}
	c.watchSite()
	return nil
}

// startNodes starts all nodes at the same time and connects to their agents; the others' are reached through the proxy's, where there is one and the
// site says so.
func (c *placed) startNodes(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	var proxy error // why the proxy reaches nobody; written before ready is closed
	ready := make(chan struct{})
	all.Go(func() error {
		defer close(ready)
		if c.relay == nil {
			return nil
		}
		if proxy = c.startNode(ctx, c.relay, nil); proxy == nil {
			proxy = c.addLinks(ctx)
		}
		return proxy
	})
	reachable := func() error {
		<-ready
		return proxy
	}
	for _, node := range c.SystemNodes() {
		all.Go(func() error { return c.startNode(ctx, node, reachable) })
	}
	return all.Wait()
}

// startNode starts a node, waits until it is reachable, where that needs the proxy, and connects to its agent and follows it. Where the proxy has failed
// that is the error: one that only tells who waited for it would hide the cause.
func (c *placed) startNode(ctx context.Context, node *Node, reachable func() error) error {
	config, err := c.nodeConfig(node)
	if err != nil {
		return err
	}
	text, err := config.marshal()
	if err != nil {
		return err
	}
	environment := []string{
		NodeVariable + "=" + text, RunVariable + "=" + c.spec.RunID, LockVariable + "=" + c.hold.lockFile(),
	}
	spec := NodeSpec{NodeName: node.id, Environment: append(environment, config.Extra...)}
	if node.instance, err = c.site.StartNode(ctx, spec); err != nil {
		return fmt.Errorf("starting %s: %w", node.Name(), err)
	}
	c.watch(node)
	if reachable != nil {
		if err := reachable(); err != nil {
			return err
		}
	}
	if err := c.meet(ctx, node); err != nil {
		return err
	}
	c.follow(node)
	return nil
}

// meet waits until the node's agent answers, and connects to it. That its process ended is noticed.
func (c *placed) meet(ctx context.Context, node *Node) error {
	security, err := c.harness.ClientTLS(node.Name())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-node.instance.Done():
			cancel(fmt.Errorf("it ended while it was starting: %w%s", node.instance.Err(), node.lastWords()))
		case <-ctx.Done():
		}
	}()
	err = knock(ctx, node.instance.Address(), security)
	cancel(nil)
	<-watched
	if err != nil {
		return fmt.Errorf("waiting for the agent of %s: %w", node.Name(), err)
	}
	if node.remote, err = agent.Dial(node.instance.Address(), security); err != nil {
		return fmt.Errorf("connecting to the agent of %s: %w", node.Name(), err)
	}
	node.agent = remoteAgent{node.remote}
	return nil
}

// knock waits until someone with the right certificate answers at an address. What relays connections accepts them before that.
func knock(ctx context.Context, address string, security *tls.Config) error {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: knockTime}, Config: security}
	for {
		trying, cancel := context.WithTimeout(ctx, knockTime)
		connection, err := dialer.DialContext(trying, "tcp", address)
		cancel()
		if err == nil {
			return connection.Close()
		}
		select {
		case <-time.After(knockPause):
		case <-ctx.Done():
			return fmt.Errorf("%w; the last attempt at %s: %w", context.Cause(ctx), address, err)
		}
	}
}

// addLinks makes the proxy listen for every link, and for the harness where it cannot reach the agents itself.
func (c *placed) addLinks(ctx context.Context) error {
	add := func(name, listen, upstream string) error {
		if _, err := c.relay.remote.AddLink(ctx, name, listen, upstream); err != nil {
			return fmt.Errorf("making the link %s from %s to %s: %w", name, listen, upstream, err)
		}
		return nil
	}
	for _, link := range c.links {
		to := c.site.Place(link.to)
		if err := add(link.name(), c.linkAddress(link), withPort(to.Host, CodasrvPort)); err != nil {
			return err
		}
	}
	for _, node := range c.SystemNodes() {
		place := c.site.Place(node.Name())
		if place.Relay == "" {
			continue
		}
		if err := add(LinkName("harness", node.Name()), place.Relay, place.Agent); err != nil {
			return err
		}
	}
	return nil
}

// linkAddress is where the proxy listens for a link: on its address that only the node reaches where the link begins.
func (c *placed) linkAddress(link *Link) string {
	for number, server := range c.Servers() {
		if server.Name() == link.to {
			return withPort(c.site.Place(link.from).Side, LinkPort(number))
		}
	}
	return ""
}

// RelayPort is where the proxy takes connections from the harness to the agent of the node with this number among all nodes.
func RelayPort(number int) int { return relayPort + number }

// LinkPort is where the proxy takes connections, on the side of every node, that go to the server with this number.
func LinkPort(number int) int { return linkPort + number }

func withPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// nodeConfig is what the first process of a node is told.
func (c *placed) nodeConfig(node *Node) (NodeConfig, error) {
	place := c.site.Place(node.Name())
	config := NodeConfig{
		RunID: c.spec.RunID, Name: node.Name(), Role: node.Role(), Listen: place.Agent, Patience: patience,
		State: place.State, Logs: place.Logs, Profile: c.spec.Profile, TimeScale: c.spec.TimeScale, Constants: c.spec.Constants,
	}
	for name, value := range c.spec.Extra {
		config.Extra = append(config.Extra, name+"="+value)
	}
	var err error
	if config.Control, err = c.control.issue(node.Name()); err != nil || node.Role() == RoleProxy {
		return config, err
	}
	if config.System, err = c.system.issue(node.Name()); err != nil {
		return config, err
	}
	switch node.Role() {
	case RoleServer:
		config.Codasrv = withPort(place.Host, CodasrvPort)
		config.Volumes = c.spec.AllVolumes()
	case RoleClient, RoleMount:
		config.Web, config.Mount, config.Coda = withPort(place.Host, WebPort), c.spec.Mount, place.Coda
		config.CallTime = cmp.Or(c.spec.CallTime, time.Minute)
		config.Volumes = VolumeNames(node.Name(), c.spec.Volumes)
	}
	for _, link := range c.links {
		if link.from == node.Name() {
			config.Servers = append(config.Servers, Peer{Name: link.to, Address: c.linkAddress(link)})
		}
	}
	return config, nil
}

// startAllDaemons starts the servers, then the clients.
func (c *Cluster) startAllDaemons(ctx context.Context) error {
	if err := startDaemons(ctx, c.Servers()); err != nil {
		return err
	}
	return startDaemons(ctx, c.Clients())
}

// startDaemons starts the daemons of some nodes, those of one node one after the other.
func startDaemons(ctx context.Context, nodes []*Node) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, node := range nodes {
		all.Go(func() error {
			for _, daemon := range node.Role().Daemons() {
				if err := node.StartDaemon(ctx, daemon); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

// agentName is the first process of a node in events.
func (n *Node) agentName() string {
	if n.Role() == RoleProxy {
		return "proxy"
	}
	return "agent"
}

func (c *placed) agentEvent(node *Node, what, detail string) {
	c.event(history.Event{
		Node: node.Name(), Daemon: node.agentName(), What: what, Time: history.Now(),
		Expected: what == "started" || c.closing.Load(), Detail: detail,
	})
}
