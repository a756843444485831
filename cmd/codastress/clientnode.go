package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/agent/fusemount"
	"github.com/codastress/codastress/harness/agent/observe"
	"github.com/codastress/codastress/harness/agent/rot"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/venus/direct"
	"github.com/codastress/codastress/system/wire/controlpb"
	"github.com/codastress/codastress/workloads"
)

// addClient gives the agent of a client node its daemons.
func (n *node) addClient(config *agent.Config) {
	args := append(n.keeper(cluster.Venus), "--name", n.Name)
	for _, server := range n.Servers {
		args = append(args, "--server", server.Address, "--server-name", server.Name)
	}
	if n.Mount == cluster.MountFUSE {
		args = append(args, "--mount", n.Coda)
		config.Mountpoint = n.Coda
	}
	daemon := n.daemon(cluster.Venus, args...)
	daemon.Keeps = n.path(cluster.Venus)
	daemon.Mounts = n.Mount == cluster.MountFUSE

	pages := []string{"--root", n.Coda}
	if n.Mount == cluster.MountDirect {
		pages = []string{"--venus", n.socket(cluster.Venus, "control")}
	}
	web := n.daemon(cluster.Web, append(pages, "--listen", n.Web, "--debug", n.socket(cluster.Web, "debug"))...)
	config.Daemons = append(config.Daemons, daemon, web)
	for _, daemon := range config.Daemons {
		config.DebugSockets[daemon.Name] = n.socket(daemon.Name, "debug")
	}
}

// clientHooks are what the agent of a client node can do.
func (n *node) clientHooks() (agent.Hooks, error) {
	client, err := direct.Dial(n.socket(cluster.Venus, "control"))
	if err != nil {
		return agent.Hooks{}, fmt.Errorf("venus's control socket: %w", err)
	}
	control := newDirectFiles(client)
	var files workloads.Directory = control
	var tree observe.Tree = directTree{control}
	if n.Mount == cluster.MountFUSE {
		files = workloads.LocalDirectory{Root: n.Coda, Mounted: true}
		tree = observe.Folder{Root: n.Coda, Mounted: true}
	}
	files = &mountingFiles{Directory: files, mount: control.mountVolume, volumes: n.Volumes}
	return agent.Hooks{
		RunTask: func(ctx context.Context, step history.Step, recorder *history.Recorder) (history.Load, error) {
			return n.runTask(ctx, step, recorder, files, tree, venusAt{client.Control()})
		},
		Observe: func(ctx context.Context) (history.Observation, error) {
			return observeClient(ctx, venusAt{client.Control()}, tree, n.CallTime)
		},
		Status: func(ctx context.Context) (history.Status, error) { return statusOf(ctx, client.Control()) },
		Order: func(ctx context.Context, order string) (int, error) {
			return venusAt{client.Control()}.order(ctx, n.workingUID(), order)
		},
		Cached: func(ctx context.Context, _ string) ([]rot.Content, error) {
			reply, err := client.Control().ListCached(ctx, &controlpb.ListCachedRequest{})
			var contents []rot.Content
			for _, c := range reply.GetContents() {
				contents = append(contents, rot.Content{Path: c.GetFile(), Digest: c.GetDigest()})
			}
			return contents, err
		},
		Disk:  nodeDisk{n.socket(cluster.Venus, "disk")},
		Reach: n.reachPeer,
		Ready: func(ctx context.Context, daemon string) error { return n.clientReady(ctx, daemon, client) },
		Evidence: func(ctx context.Context, daemon string) (map[string][]byte, error) {
			if daemon != cluster.Venus {
				return nil, nil
			}
			state, err := client.Control().State(ctx, &controlpb.StateRequest{})
			return n.evidence(ctx, cluster.Venus, state.GetText(), err)
		},
	}, nil
}

// statusOf asks a venus how it is doing.
func statusOf(ctx context.Context, venus controlpb.VenusControlClient) (history.Status, error) {
	reply, err := venus.ListVolumes(ctx, &controlpb.ListVolumesRequest{})
	if err != nil {
		return history.Status{}, err
	}
	q, n := reply.GetQueue(), reply.GetCounters()
	status := history.Status{
		Busy: uint64(q.GetBusy()), Queued: q.GetLength(), Oldest: time.Duration(q.GetOldest()),
		RPCs: n.GetRequests(), Fetched: n.GetFetched(), Resolve: n.GetResolutions(),
	}
	for _, volume := range reply.GetVolumes() {
		status.State, status.Pending, status.Bytes = volume.GetState(), volume.GetLogRecords(), volume.GetLogBytes()
		for _, server := range volume.GetReplicas() {
			if server.GetUp() {
				status.Reached++
			}
		}
	}
	return status, nil
}

// runTask carries out a step on the node.
func (n *node) runTask(
	ctx context.Context, step history.Step, recorder *history.Recorder, files workloads.Directory, tree observe.Tree, view volumeView,
) (history.Load, error) {
	return carryOutStep(ctx, step, workloads.Environment{
		Node: n.Name, Files: files, Recorder: recorder, WebURL: "http://" + n.Web, Log: n.log, Patience: n.CallTime,
		Conflicts: nodeConflicts{view, tree}, Hoard: nodeHoard{view},
	})
}

// carryOutStep carries out a step of the workload that it names.
func carryOutStep(ctx context.Context, step history.Step, env workloads.Environment) (history.Load, error) {
	for _, workload := range workloads.All() {
		if workload.Name() == step.Name {
			return workload.Do(ctx, step, env)
		}
	}
	return history.Load{}, fmt.Errorf("there is no workload %q", step.Name)
}

func (n *node) reachPeer(ctx context.Context, peer string) error {
	for _, server := range n.Servers {
		if server.Name == peer {
			return n.reach(ctx, server.Name, server.Address)
		}
	}
	return fmt.Errorf("%s has no link to %s", n.Name, peer)
}

// clientReady says whether a daemon of a client does its work: venus answers and its mount is there, the web server accepts.
func (n *node) clientReady(ctx context.Context, daemon string, client *direct.Client) error {
	if daemon == cluster.Web {
		return answers(ctx, "tcp", n.Web)
	}
	if n.Mount == cluster.MountFUSE {
		mounted, err := fusemount.Mounted(n.Coda)
		if err != nil {
			return err
		}
		if !mounted {
			return fmt.Errorf("nothing is mounted on %s", filepath.Base(n.Coda))
		}
	}
	_, err := client.Control().ListVolumes(ctx, &controlpb.ListVolumesRequest{})
	return err
}

// volumeView is what a venus says of its volume.
type volumeView interface {
	// volume gives the length of the modify log and the state of the volume.
	volume(ctx context.Context) (pending uint64, state string, err error)
	conflicts(ctx context.Context) ([]venus.Conflict, error)
	// expand has what is in conflict show both versions; collapse ends that.
	expand(ctx context.Context, path string) error
	collapse(ctx context.Context, path string) error
	// repair puts contents in the place of both versions of what is in conflict.
	repair(ctx context.Context, path string, contents []byte) error
	// settle waits until the servers have everything.
	settle(ctx context.Context) error
	// hoard hoards a directory with all that is below it, and fetches it. It gives the number of objects that are not cached then.
	hoard(ctx context.Context, path string) (missing int, err error)
}

// observeClient is the tree as applications on the client see it, and what venus says of its volume. A call that takes longer than callTime ends the
// observation, which says so.
func observeClient(ctx context.Context, view volumeView, tree observe.Tree, callTime time.Duration) (history.Observation, error) {
	observation := history.Observation{Source: history.SourceMount}
	kept, err := observeVenus(ctx, view, callTime, &observation)
	if err == nil {
		observation.Objects, err = observe.Objects(ctx, tree, observe.Options{CallTime: callTime})
	}
	if hung, ok := errors.AsType[*observe.HungError](err); ok {
		observation.Error, observation.Hung = err.Error(), &hung.HungCall
		return observation, nil
	}
	if err != nil {
		return observation, err
	}
	addVersions(ctx, view, tree, kept, &observation)
	return observation, nil
}

// addVersions adds both versions of what is in conflict, and says where they cannot be read.
func addVersions(ctx context.Context, view volumeView, tree observe.Tree, kept []venus.Conflict, observation *history.Observation) {
	var versions []history.Object
	for i := range observation.Objects {
		object := &observation.Objects[i]
		if object.Kind != history.KindConflict {
			continue
		}
		found, err := readVersions(ctx, view, tree, object.Path, owesContents(kept, object.Path))
		if err != nil {
			object.Problem = err.Error()
		}
		versions = append(versions, found...)
	}
	observation.Objects = append(observation.Objects, versions...)
	slices.SortFunc(observation.Objects, func(a, b history.Object) int { return strings.Compare(a.Path, b.Path) })
}

// observeVenus is what venus says of its volume, and gives the conflicts that it keeps.
func observeVenus(ctx context.Context, view volumeView, callTime time.Duration, observation *history.Observation) (kept []venus.Conflict, err error) {
	calling, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	call := "listvol"
	if observation.Pending, observation.State, err = view.volume(calling); err == nil {
		call = "listlocal"
		kept, err = view.conflicts(calling)
		observation.Conflicts = keptConflicts(kept)
	}
	if err != nil && calling.Err() != nil && ctx.Err() == nil {
		return nil, &observe.HungError{HungCall: history.HungCall{Call: "cfs " + call, After: callTime}}
	}
	if err != nil {
		return nil, fmt.Errorf("asking venus, as cfs %s does: %w", call, err)
	}
	return kept, nil
}

// venusAt is a venus that answers on a socket.
type venusAt struct{ client controlpb.VenusControlClient }

func (v venusAt) volume(ctx context.Context) (pending uint64, state string, err error) {
	reply, err := v.client.ListVolumes(ctx, &controlpb.ListVolumesRequest{})
	for _, volume := range reply.GetVolumes() {
		pending += volume.GetLogRecords()
		state = volume.GetState()
	}
	return pending, state, err
}

func (v venusAt) expand(ctx context.Context, path string) error {
	_, err := v.client.Expand(ctx, &controlpb.PathRequest{Path: path})
	return err
}

func (v venusAt) collapse(ctx context.Context, path string) error {
	_, err := v.client.Collapse(ctx, &controlpb.PathRequest{Path: path})
	return err
}

func (v venusAt) repair(ctx context.Context, path string, contents []byte) error {
	_, err := v.client.Repair(ctx, &controlpb.RepairRequest{Path: path, Keep: controlpb.Keep_KEEP_CONTENTS, Contents: contents})
	return err
}

func (v venusAt) settle(ctx context.Context) error {
	_, err := v.client.ForceReintegrate(ctx, &controlpb.ForceReintegrateRequest{})
	return err
}

func (v venusAt) hoard(ctx context.Context, path string) (missing int, err error) {
	_, err = v.client.HoardAdd(ctx, &controlpb.HoardAddRequest{
		Entry: &controlpb.Hoarded{Path: path, Priority: venus.HoardPriority, Extent: venus.DescendantsEver.String()},
	})
	if err == nil {
		_, err = v.client.HoardWalk(ctx, &controlpb.HoardWalkRequest{})
	}
	if err != nil {
		return 0, err
	}
	reply, err := v.client.HoardVerify(ctx, &controlpb.PathRequest{Path: path})
	for _, state := range reply.GetStates() {
		if !state.GetCached() {
			missing++
		}
	}
	return missing, err
}

// nodeHoard is the hoard of a client node, as its workloads work on it.
type nodeHoard struct{ view volumeView }

var _ workloads.Hoard = nodeHoard{}

// Add implements workloads.Hoard.
func (n nodeHoard) Add(ctx context.Context, path string) (missing int, err error) {
	return n.view.hoard(ctx, path)
}

func (v venusAt) conflicts(ctx context.Context) ([]venus.Conflict, error) {
	reply, err := v.client.ListConflicts(ctx, &controlpb.ListConflictsRequest{})
	var kept []venus.Conflict
	for _, c := range reply.GetConflicts() {
		kept = append(kept, venus.Conflict{
			Record: c.GetRecord(), Operation: c.GetOperation(), Path: c.GetPath(), Why: c.GetWhy(), Kept: c.GetKept(), Head: c.GetHead(),
			DependsOn: c.GetDependsOn(), OverQuota: c.GetOverQuota(),
		})
	}
	return kept, err
}
