package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	testcontainers "github.com/testcontainers/testcontainers-go"

	"github.com/codastress/codastress/harness/cluster"
)

// undoTime bounds the removal of what a failed start has made.
const undoTime = 5 * time.Second

// errNoPort says that the engine does not tell where it published a port.
var errNoPort = errors.New("the engine published no port")

// StartNode implements cluster.Site.
func (s *site) StartNode(ctx context.Context, node cluster.NodeSpec) (cluster.Instance, error) {
	request := s.request(node)
	created, err := s.engine.provider.CreateContainer(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("creating the container: %w", err)
	}
	id := created.GetContainerID()
	if node.Role == cluster.RoleProxy {
		if err := s.joinAll(ctx, id); err != nil {
			return nil, err
		}
	}
	started := &instance{site: s, id: id, node: node.NodeName, done: make(chan struct{})}
	if err := s.followOutput(ctx, started); err != nil {
		return nil, err
	}
	s.await(started)
	if err := created.Start(ctx); err != nil {
		return nil, fmt.Errorf("starting the container: %w", err)
	}
	if node.Role == cluster.RoleProxy {
		return started, s.learnPorts(ctx, id)
	}
	return started, nil
}

// request describes a node's container.
func (s *site) request(node cluster.NodeSpec) testcontainers.ContainerRequest {
	isProxy := node.Role == cluster.RoleProxy
	fuse := node.Role == cluster.RoleClient && s.ground.Mount == cluster.MountFUSE
	offset := nodeOffset
	if isProxy {
		offset = proxyOffset
	}
	own := s.subnets[node.Name]
	request := testcontainers.ContainerRequest{
		Image: s.image, Name: s.name(node.Name), Cmd: []string{"node", string(node.Role)},
		Env: environment(node.Environment), Labels: copied(s.labels), Networks: []string{own.name},
		Tmpfs: map[string]string{"/tmp": "rw", "/run": "rw"},
		ConfigModifier: func(config *container.Config) {
			config.Hostname = node.Name
		},
		EndpointSettingsModifier: func(settings map[string]*network.EndpointSettings) {
			settings[own.name] = endpoint(own.address(offset))
		},
		HostConfigModifier: func(host *container.HostConfig) { s.confine(host, isProxy, fuse) },
	}
	if isProxy {
		for _, port := range s.publishedPorts() {
			request.ExposedPorts = append(request.ExposedPorts, fmt.Sprintf("%d/tcp", port))
		}
	}
	return request
}

// confine gives a container the rights that its node needs. Nobody may make packets of his own, and nobody forwards those of others.
func (s *site) confine(host *container.HostConfig, isProxy, fuse bool) {
	host.AutoRemove = true
	host.CapDrop = []string{"NET_RAW"}
	host.Sysctls = map[string]string{"net.ipv4.ip_forward": "0"}
	host.Mounts = append(host.Mounts, mount.Mount{
		Type: mount.TypeVolume, Target: volume, VolumeOptions: &mount.VolumeOptions{Labels: copied(s.labels)},
	})
	if isProxy {
		host.PortBindings = network.PortMap{}
		for _, port := range s.publishedPorts() {
			inside, _ := network.PortFrom(uint16(port), network.TCP)
			host.PortBindings[inside] = []network.PortBinding{{HostIP: s.publication.on, HostPort: "0"}}
		}
	}
	if fuse {
		// The engine's profile for AppArmor forbids every mount.
		host.CapAdd = []string{"SYS_ADMIN"}
		host.SecurityOpt = []string{"apparmor=unconfined"}
		host.Devices = []container.DeviceMapping{{PathOnHost: "/dev/fuse", PathInContainer: "/dev/fuse", CgroupPermissions: "rwm"}}
	}
}

// publishedPorts are the proxy's: of its own agent, and of the relays to the others.
func (s *site) publishedPorts() []int {
	ports := []int{cluster.AgentPort}
	for number, node := range s.ground.Nodes {
		if node.Role != cluster.RoleProxy {
			ports = append(ports, cluster.RelayPort(number))
		}
	}
	return ports
}

func environment(variables []string) map[string]string {
	all := make(map[string]string, len(variables))
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		all[name] = value
	}
	return all
}

// copied is for the library, which adds labels of its own to the map that it gets.
func copied(labels map[string]string) map[string]string {
	all := make(map[string]string, len(labels))
	for name, value := range labels {
		all[name] = value
	}
	return all
}

// joinAll connects the proxy to the networks of all other nodes.
func (s *site) joinAll(ctx context.Context, id string) error {
	for _, node := range s.ground.Nodes {
		if node.Role == cluster.RoleProxy {
			continue
		}
		side := s.subnets[node.Name]
		_, err := s.engine.api.NetworkConnect(ctx, side.name, client.NetworkConnectOptions{
			Container: id, EndpointConfig: endpoint(side.address(proxyOffset)),
		})
		if err != nil {
			return fmt.Errorf("connecting the proxy to the network %s: %w", side.name, err)
		}
	}
	return nil
}

// followOutput writes what the node's first process says to the run directory until its end. It is attached before the start: what is asked
// for later is gone with a container that did not live long.
func (s *site) followOutput(ctx context.Context, of *instance) error {
	file, err := os.Create(filepath.Join(s.folder(of.node.Name), cluster.OutputFile))
	if err != nil {
		return fmt.Errorf("making the log: %w", err)
	}
	attached, err := s.engine.api.ContainerAttach(ctx, of.id, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return errors.Join(fmt.Errorf("attaching to the container: %w", err), file.Close())
	}
	stop := context.AfterFunc(s.living, attached.Close)
	s.following.Go(func() {
		defer file.Close() //nolint:errcheck // a log that is not whole is better than none
		defer stop()
		defer attached.Close()
		_, _ = stdcopy.StdCopy(file, file, attached.Reader) // it ends with the container, or with the connection
	})
	return nil
}

// folder is where a node's logs go.
func (s *site) folder(node string) string { return filepath.Join(s.ground.Dir, "nodes", node) }

// learnPorts asks where the proxy's ports were published.
func (s *site) learnPorts(ctx context.Context, id string) error {
	result, err := s.engine.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("asking for the published ports: %w", err)
	}
	ports := map[int]string{}
	if result.Container.NetworkSettings != nil {
		for port, bindings := range result.Container.NetworkSettings.Ports {
			for _, binding := range bindings {
				ports[int(port.Num())] = binding.HostPort
			}
		}
	}
	for _, port := range s.publishedPorts() {
		if ports[port] == "" {
			return fmt.Errorf("%w: %d", errNoPort, port)
		}
	}
	host, err := s.publication.findHost(ctx, ports[cluster.AgentPort])
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host, s.ports = host, ports
	return nil
}

// address is where the harness reaches a node's agent; "" until the proxy runs.
func (s *site) address(node cluster.NodeName) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	port := cluster.AgentPort
	if node.Role != cluster.RoleProxy {
		port = cluster.RelayPort(s.number(node.Name))
	}
	number, err := strconv.Atoi(s.ports[port])
	if err != nil {
		return ""
	}
	return withPort(s.host, number)
}
