package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/agent/fusemount"
	"github.com/codastress/codastress/harness/agent/observe"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/system/venus/direct"
	"github.com/codastress/codastress/system/wire/controlpb"
	"github.com/codastress/codastress/workloads"
)

// addClient gives the agent of a client node its daemons.
func (n *node) addClient(config *agent.Config) {
	server := n.Servers[0]
	args := append(n.keeper(cluster.Venus), "--name", n.Name, "--server", server.Address, "--server-name", server.Name)
	if n.Mount == cluster.MountFUSE {
		args = append(args, "--mount", n.Coda)
		config.Mountpoint = n.Coda
	}
	venus := n.daemon(cluster.Venus, args...)
	venus.Mounts = n.Mount == cluster.MountFUSE

	pages := []string{"--root", n.Coda}
	if n.Mount == cluster.MountDirect {
		pages = []string{"--venus", n.socket(cluster.Venus, "control")}
	}
	web := n.daemon(cluster.Web, append(pages, "--listen", n.Web, "--debug", n.socket(cluster.Web, "debug"))...)
	config.Daemons = append(config.Daemons, venus, web)
	for _, daemon := range config.Daemons {
		config.DebugSockets[daemon.Name] = n.socket(daemon.Name, "debug")
	}
}

// clientHooks are what the agent of a client node can do.
func (n *node) clientHooks() (agent.Hooks, error) {
	venus, err := direct.Dial(n.socket(cluster.Venus, "control"))
	if err != nil {
		return agent.Hooks{}, fmt.Errorf("venus's control socket: %w", err)
	}
	var files workloads.Directory = directFiles{venus}
	var tree observe.Tree = directTree{directFiles{venus}}
	if n.Mount == cluster.MountFUSE {
		files = workloads.LocalDirectory{Root: n.Coda, Mounted: true}
		tree = observe.Folder{Root: n.Coda, Mounted: true}
	}
	return agent.Hooks{
		RunTask: func(ctx context.Context, step history.Step, recorder *history.Recorder) (history.Load, error) {
			return n.runTask(ctx, step, recorder, files)
		},
		Observe: func(ctx context.Context) (history.Observation, error) {
			return observeClient(ctx, venus.Control(), tree)
		},
		Reach: n.reachPeer,
		Ready: func(ctx context.Context, daemon string) error { return n.clientReady(ctx, daemon, venus) },
		Evidence: func(ctx context.Context, daemon string) (map[string][]byte, error) {
			if daemon != cluster.Venus {
				return nil, nil
			}
			state, err := venus.Control().State(ctx, &controlpb.StateRequest{})
			return map[string][]byte{"state.txt": []byte(state.GetText())}, err
		},
	}, nil
}

// runTask carries out a step of the workload that it names.
func (n *node) runTask(ctx context.Context, step history.Step, recorder *history.Recorder, files workloads.Directory) (history.Load, error) {
	for _, workload := range workloads.All() {
		if workload.Name() == step.Name {
			return workload.Do(ctx, step, workloads.Environment{
				Node: n.Name, Files: files, Recorder: recorder, WebURL: "http://" + n.Web, Log: n.log, Patience: n.CallTime,
			})
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
func (n *node) clientReady(ctx context.Context, daemon string, venus *direct.Client) error {
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
	_, err := venus.Control().ListVolumes(ctx, &controlpb.ListVolumesRequest{})
	return err
}

// observeClient is the tree as applications on the client see it, and what venus says of its volume.
func observeClient(ctx context.Context, venus controlpb.VenusControlClient, tree observe.Tree) (history.Observation, error) {
	observation := history.Observation{Source: "mount"}
	volumes, err := venus.ListVolumes(ctx, &controlpb.ListVolumesRequest{})
	if err != nil {
		return observation, fmt.Errorf("asking venus for its volume: %w", err)
	}
	for _, volume := range volumes.GetVolumes() {
		observation.Pending += volume.GetLogRecords()
		observation.State = volume.GetState()
	}
	kept, err := venus.ListConflicts(ctx, &controlpb.ListConflictsRequest{})
	if err != nil {
		return observation, fmt.Errorf("asking venus for conflicts: %w", err)
	}
	for _, conflict := range kept.GetConflicts() {
		header, _ := history.CheckContent(conflict.GetHead(), conflict.GetPath())
		observation.Conflicts = append(observation.Conflicts, history.Conflict{
			Path: conflict.GetPath(), Operation: conflict.GetOperation(), Why: conflict.GetWhy(), Content: header.Nonce,
		})
	}
	observation.Objects, err = observe.Objects(ctx, tree, observe.Options{})
	return observation, err
}
