package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	mathrand "math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/harness/agent/rot"
	"github.com/codastress/codastress/harness/agent/web"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/simulation"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/venus/direct"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/workloads"
)

// simulated is the runtime that runs the system in the bubble that it is used in.
func simulated(seed uint64) simulation.Runtime {
	return simulation.Runtime{
		Seed: seed,
		Disk: func(*mathrand.Rand) simulation.Disk { return simulatedDisk{simdisk.New()} },
		Install: func(machine simulation.Machine) (simulation.Software, error) {
			common := software{machine: machine, entropy: &stream{random: mathrand.New(mathrand.NewPCG(machine.Random.Uint64(), 0))}}
			if machine.Role == cluster.RoleServer {
				return &simulatedServer{software: common}, nil
			}
			mount := &simulatedMount{crossing: common.entropy.crossings()}
			volumes := cluster.VolumeNames(machine.Name, machine.Spec.Volumes)
			return &simulatedClient{software: common, mount: mount, files: &mountingFiles{Directory: mount, mount: mount.mountVolume, volumes: volumes}}, nil
		},
	}
}

// simulatedDisk is a simulated disk as the simulation knows it.
type simulatedDisk struct{ *simdisk.Disk }

// Crash implements simulation.Disk.
func (d simulatedDisk) Crash() simulation.Disk { return simulatedDisk{d.Disk.Crash()} }

// Watch implements simulation.Disk.
func (d simulatedDisk) Watch(at func(simulation.Moment)) {
	if at == nil {
		d.Disk.Watch(nil)
		return
	}
	d.Disk.Watch(func(op ailing.Operation, _ string) {
		switch op {
		case ailing.Sync, ailing.SyncDirectory, ailing.Rename, ailing.Reuse, ailing.Remove:
			at(simulation.Committing)
		case ailing.Write, ailing.Create, ailing.Truncate:
			at(simulation.Writing)
		}
	})
}

// LosePower implements simulation.Disk.
func (d simulatedDisk) LosePower(random *mathrand.Rand) (simulation.Disk, cluster.DiskLoss) {
	left := d.Disk.LosePower(random)
	return simulatedDisk{left}, cluster.DiskLoss(left.Loss())
}

// Set implements simulation.Disk.
func (d simulatedDisk) Set(state cluster.DiskState) { d.SetHealth(healthOf(state)) }

// Harm implements simulation.Disk.
func (d simulatedDisk) Harm() cluster.DiskHarm { return cluster.DiskHarm(d.Disk.Harm()) }

// Probe implements simulation.Disk.
func (d simulatedDisk) Probe() error { return probeDisk(d, "probe") }

// Contents implements simulation.Disk.
func (d simulatedDisk) Contents() (disk rot.Disk, folder string) {
	return rottingDisk(d), d.PathJoin(simulatedVice, vice.ContainersFolder)
}

// rottingDisk is a simulated disk as something that can rot.
type rottingDisk struct{ *simdisk.Disk }

// Files implements rot.Disk.
func (d rottingDisk) Files(folder string) (paths []string, err error) {
	names, err := d.List(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, name := range names {
		below, err := d.List(d.PathJoin(folder, name))
		if err != nil {
			return nil, err
		}
		for _, file := range below {
			paths = append(paths, d.PathJoin(folder, name, file))
		}
	}
	return paths, err
}

// Open implements rot.Disk.
func (d rottingDisk) Open(path string) (rot.File, error) { return d.OpenFile(path, os.O_RDWR) }

// diskOf is the disk of a life as the system knows it.
func diskOf(life simulation.Life) *simdisk.Disk { return life.Disk.(simulatedDisk).Disk }

// software is what the nodes of both roles have.
type software struct {
	machine simulation.Machine
	entropy *stream
}

// stream is a source of random bytes, the same for the same seed.
type stream struct {
	mu     sync.Mutex
	random *mathrand.Rand
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range p {
		p[i] = byte(s.random.Uint32())
	}
	return len(p), nil
}

// crossings draws how fast a machine is, and gives what draws how long the way between an application and venus takes on it. On a fast machine that is
// tens of microseconds, on a slow or busy one some milliseconds: what overlaps with what differs from seed to seed.
func (s *stream) crossings() func() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	mean := math.Exp(math.Log(10) + s.random.Float64()*math.Log(200)) // microseconds
	return func() time.Duration {
		s.mu.Lock()
		defer s.mu.Unlock()
		return time.Duration(min(mean/2+mean/2*s.random.ExpFloat64(), 10*mean) * float64(time.Microsecond))
	}
}

// source makes another source of random numbers.
func (s *stream) source() mathrand.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return mathrand.NewPCG(s.random.Uint64(), s.random.Uint64())
}

// codasrvAddress is where the codasrv of a node answers.
func codasrvAddress(node string) string {
	return simulation.Address(node, strconv.Itoa(cluster.CodasrvPort))
}

// Reach implements simulation.Software.
func (s *software) Reach(ctx context.Context, peer string) error {
	config := wire.DefaultClientConfig()
	config.Dialer = s.machine.Stack.Dial
	conn, err := wire.Dial(codasrvAddress(peer), config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	return errors.Join(probe(ctx, conn), conn.Close())
}

// running is a daemon that runs: what ends it, and its parts that then end.
type running struct {
	end   func(ctx context.Context) error
	parts *errgroup.Group
}

// Close implements simulation.Process.
func (r *running) Close(ctx context.Context) error { return errors.Join(r.end(ctx), r.parts.Wait()) }

// What the daemons of a simulation take of the memory that all share: less than those that have a machine to themselves. Of the pages of a site, a
// quarter is kept in the server's store and the others are in containers, so that each run has both.
const (
	simulatedVice   = "vice"  // where a server keeps everything
	simulatedInline = 6 << 10 // bytes of a file that the server keeps in its store
	simulatedBuffer = 2 << 20 // bytes of a write buffer
	simulatedCache  = 4 << 20 // bytes of what the server's store read from its disk
)

// simulatedServer is a server node.
type simulatedServer struct {
	software

	quotas quotasBefore

	mu   sync.Mutex
	vice *vice.Server // of the last life
	life simulation.Life
}

var _ simulation.Software = (*simulatedServer)(nil)

// Start implements simulation.Software.
func (s *simulatedServer) Start(ctx context.Context, _ string, life simulation.Life) (simulation.Process, error) {
	profile, err := coda.ParseProfile(s.machine.Spec.Profile)
	if err != nil {
		return nil, err
	}
	config := vice.Config{
		Replication: s.replication(life), Disk: diskOf(life), Dir: simulatedVice, Volume: volumeName, Volumes: s.machine.Spec.AllVolumes(), Log: life.Log, Entropy: s.entropy, Fatal: life.Die,
		Profile: profile, Timing: vice.TimingOf(profile).Scaled(s.machine.Spec.TimeScale),
		Clock: life.Clock, Limits: vice.Limits{Inline: simulatedInline, WriteBuffer: simulatedBuffer, Cache: simulatedCache, Password: simulatedPassword()},
	}
	if err := config.SetConstants(s.machine.Spec.Constants[cluster.Codasrv]); err != nil {
		return nil, err
	}
	server, err := vice.Open(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening the server: %w", err)
	}
	listener, err := life.Stack.Listen(strconv.Itoa(cluster.CodasrvPort))
	if err != nil {
		return nil, errors.Join(err, server.Close(ctx))
	}
	s.mu.Lock()
	s.vice, s.life = server, life
	s.mu.Unlock()
	parts := &errgroup.Group{}
	parts.Go(func() error { return server.Serve(context.Background(), listener, nil) })
	return &running{server.Close, parts}, nil
}

// replication says which servers hold the volume.
func (s *simulatedServer) replication(life simulation.Life) vice.Replication {
	r := vice.Replication{Slot: slices.Index(s.machine.Servers, s.machine.Name)}
	for _, server := range s.machine.Servers {
		connection := wire.DefaultClientConfig()
		connection.Dialer = life.Stack.Dial
		r.Peers = append(r.Peers, vice.Peer{Address: codasrvAddress(server), Connection: connection})
	}
	return r
}

// alive gives the server that runs.
func (s *simulatedServer) alive() (*vice.Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vice == nil {
		return nil, errNotRunning
	}
	select {
	case <-s.life.Dead:
		return nil, errNotRunning
	default:
		return s.vice, nil
	}
}

var errNotRunning = errors.New("it is not running")

// Observe implements simulation.Software.
func (s *simulatedServer) Observe(ctx context.Context) (history.Observation, error) {
	server, err := s.alive()
	if err != nil {
		return history.Observation{Source: history.SourceServer}, err
	}
	if err := s.life.Running(ctx); err != nil {
		return history.Observation{Source: history.SourceServer}, err
	}
	return observeServer(ctx, codasrvHere{server, s.entropy}, len(s.machine.Servers) > 1)
}

// Status implements simulation.Software.
func (s *simulatedServer) Status(context.Context) (history.Status, error) {
	return history.Status{}, errors.New("a server is not asked for it")
}

// Clock implements simulation.Software.
func (s *simulatedServer) Clock(context.Context, string) (time.Time, error) {
	server, err := s.alive()
	if err != nil {
		return time.Time{}, err
	}
	return server.Clock(), nil
}

// Cached implements simulation.Software.
func (s *simulatedServer) Cached(context.Context, string) ([]rot.Content, error) {
	return nil, errors.New("a server has no cache")
}

// Evidence implements simulation.Software.
func (s *simulatedServer) Evidence(context.Context, string) (map[string][]byte, error) {
	server, err := s.alive()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"state.txt": []byte(server.State())}, nil
}

// RunTask implements simulation.Software.
func (s *simulatedServer) RunTask(context.Context, history.Step, *history.Recorder) (history.Load, error) {
	return history.Load{}, errors.New("a server carries out no tasks")
}

// codasrvHere is a codasrv in this process.
type codasrvHere struct {
	server  *vice.Server
	entropy io.Reader
}

func (c codasrvHere) tree(ctx context.Context, each func(path string, status coda.Status) error) error {
	return c.server.Tree(ctx, volumeName, each)
}

func (c codasrvHere) head(_ context.Context, f coda.Fid) ([]byte, error) { return c.server.Head(f) }

func (c codasrvHere) fsck(ctx context.Context) ([]string, error) {
	found, err := c.server.Fsck(ctx)
	return found.Problems, err
}

// simulatedClient is a client node.
type simulatedClient struct {
	software
	mount *simulatedMount
	files *mountingFiles // those of the mount

	mu    sync.Mutex
	venus *venus.Venus // of the last life
}

var _ simulation.Software = (*simulatedClient)(nil)

// replicas are the servers that hold the volume.
func (c *simulatedClient) replicas() (servers []venus.Server) {
	for _, name := range c.machine.Servers {
		servers = append(servers, venus.Server{Address: codasrvAddress(name)})
	}
	return servers
}

// Start implements simulation.Software.
func (c *simulatedClient) Start(ctx context.Context, daemon string, life simulation.Life) (simulation.Process, error) {
	if daemon == cluster.Web {
		return c.startWeb(life)
	}
	profile, err := coda.ParseProfile(c.machine.Spec.Profile)
	if err != nil {
		return nil, err
	}
	config := venus.Config{
		Disk: diskOf(life), Dir: "venus", Servers: c.replicas(), Dial: life.Stack.Dial, Volume: volumeName,
		Name: c.machine.Name, Log: life.Log, Entropy: c.entropy, Profile: profile,
		Timing: venus.TimingOf(profile).Scaled(c.machine.Spec.TimeScale), Boot: strconv.Itoa(life.Boot), Fatal: life.Die,
		Limits: venus.Limits{WriteBuffer: simulatedBuffer}, Clock: life.Clock,
	}
	if err := config.SetConstants(c.machine.Spec.Constants[cluster.Venus]); err != nil {
		return nil, err
	}
	client, err := venus.Open(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening the cache: %w", err)
	}
	c.mu.Lock()
	c.venus = client
	c.mu.Unlock()
	c.mount.set(&serving{life: life, files: newDirectFiles(direct.Local{Venus: client})})
	return &running{client.Close, &errgroup.Group{}}, nil
}

func (c *simulatedClient) startWeb(life simulation.Life) (simulation.Process, error) {
	listener, err := life.Stack.Listen(strconv.Itoa(cluster.WebPort))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	parts := &errgroup.Group{}
	parts.Go(func() error { return web.Serve(ctx, listener, c.mount, web.Limits{Log: life.Log}) })
	return &running{func(context.Context) error { stop(); return nil }, parts}, nil
}

// RunTask implements simulation.Software.
func (c *simulatedClient) RunTask(ctx context.Context, step history.Step, recorder *history.Recorder) (history.Load, error) {
	c.mu.Lock()
	client := c.venus
	c.mu.Unlock()
	return carryOutStep(ctx, step, workloads.Environment{
		Node: c.machine.Name, Files: c.files, Recorder: recorder, Log: c.machine.Log, Patience: c.machine.Spec.CallTime,
		WebURL: "http://" + simulation.Address(c.machine.Name, strconv.Itoa(cluster.WebPort)),
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			return c.machine.Stack.Dial(ctx, address)
		},
		Nonces: c.entropy.source, Conflicts: nodeConflicts{venusHere{client}, simulatedTree{c.mount}},
		Hoard: nodeHoard{venusHere{client}},
	})
}

// Observe implements simulation.Software.
func (c *simulatedClient) Observe(ctx context.Context) (history.Observation, error) {
	if s := c.mount.now(); s == nil {
		return history.Observation{Source: history.SourceMount}, errNotRunning
	} else if err := s.life.Running(ctx); err != nil {
		return history.Observation{Source: history.SourceMount}, err
	}
	c.mu.Lock()
	client := c.venus
	c.mu.Unlock()
	return observeClient(ctx, venusHere{client}, simulatedTree{c.mount}, c.machine.Spec.CallTime)
}

// Status implements simulation.Software.
func (c *simulatedClient) Status(ctx context.Context) (history.Status, error) {
	s := c.mount.now()
	if s == nil {
		return history.Status{}, errNotRunning
	} else if err := s.life.Running(ctx); err != nil {
		return history.Status{}, err
	}
	c.mu.Lock()
	client := c.venus
	c.mu.Unlock()
	volume, q, n := client.Volume(), client.Queue(), client.Counters()
	reached := 0
	for _, server := range volume.Replicas {
		if server.Up {
			reached++
		}
	}
	return history.Status{
		Reached: reached,
		State:   volume.State, Pending: volume.LogRecords, Bytes: volume.LogBytes,
		Busy: uint64(q.Busy), Queued: uint64(q.Length), Oldest: q.Oldest, RPCs: n.Requests, Fetched: n.Fetched, Resolve: n.Resolutions,
	}, nil
}

// Clock implements simulation.Software.
func (c *simulatedClient) Clock(context.Context, string) (time.Time, error) {
	if c.mount.now() == nil {
		return time.Time{}, errNotRunning
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.venus.Clock(), nil
}

// Cached implements simulation.Software.
func (c *simulatedClient) Cached(context.Context, string) (contents []rot.Content, err error) {
	if c.mount.now() == nil {
		return nil, errNotRunning
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cached := range c.venus.CachedContents() {
		contents = append(contents, rot.Content{Path: cached.File, Digest: cached.Digest[:]})
	}
	return contents, nil
}

// Evidence implements simulation.Software.
func (c *simulatedClient) Evidence(_ context.Context, daemon string) (map[string][]byte, error) {
	c.mu.Lock()
	client := c.venus
	c.mu.Unlock()
	if daemon != cluster.Venus || client == nil {
		return nil, nil
	}
	return map[string][]byte{"state.txt": []byte(client.State())}, nil
}

// venusHere is a venus in this process.
type venusHere struct{ client *venus.Venus }

func (v venusHere) volume(context.Context) (pending uint64, state string, err error) {
	volume := v.client.Volume()
	return volume.LogRecords, volume.State, nil
}

func (v venusHere) conflicts(context.Context) ([]venus.Conflict, error) { return v.client.Conflicts() }

func (v venusHere) expand(ctx context.Context, path string) error { return v.client.Expand(ctx, path) }

func (v venusHere) collapse(ctx context.Context, path string) error {
	return v.client.Collapse(ctx, path)
}

func (v venusHere) repair(ctx context.Context, path string, contents []byte) error {
	return v.client.RepairWith(ctx, path, bytes.NewReader(contents))
}

func (v venusHere) settle(ctx context.Context) error {
	_, err := v.client.ForceReintegrate(ctx)
	return err
}

func (v venusHere) hoard(ctx context.Context, path string) (missing int, err error) {
	if _, err = v.client.HoardAdd(ctx, path, venus.HoardPriority, venus.DescendantsEver); err == nil {
		_, err = v.client.HoardWalk(ctx)
	}
	if err != nil {
		return 0, err
	}
	for _, state := range v.client.HoardVerify(path) {
		if !state.Cached {
			missing++
		}
	}
	return missing, nil
}
