package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// addServer gives the agent of a server node its daemon.
func (n *node) addServer(config *agent.Config) {
	config.DebugSockets[cluster.Codasrv] = n.socket(cluster.Codasrv, "debug")
	args := append(n.keeper(cluster.Codasrv), "--listen", n.Codasrv)
	for _, volume := range n.Volumes {
		args = append(args, "--with-volume", volume)
	}
	daemon := n.daemon(cluster.Codasrv, append(args, n.replicas()...)...)
	daemon.Keeps = n.path(cluster.Codasrv)
	daemon.Contents = filepath.Join(daemon.Keeps, vice.ContainersFolder)
	config.Daemons = append(config.Daemons, daemon)
}

// replicas are the arguments that tell a codasrv who holds the volume with it; none where it is alone.
func (n *node) replicas() []string {
	if len(n.Servers) == 0 {
		return nil
	}
	all := append(slices.Clone(n.Servers), cluster.Peer{Name: n.Name, Address: n.Codasrv})
	names := cluster.ServerNames(len(all))
	slices.SortFunc(all, func(a, b cluster.Peer) int { return slices.Index(names, a.Name) - slices.Index(names, b.Name) })
	args := []string{"--slot", strconv.Itoa(slices.Index(names, n.Name))}
	for _, server := range all {
		args = append(args, "--replica", server.Address, "--replica-name", server.Name)
	}
	return args
}

// serverHooks are what the agent of a server node can do.
func (n *node) serverHooks() (agent.Hooks, error) {
	conn, err := grpc.NewClient("unix:"+n.socket(cluster.Codasrv, "control"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return agent.Hooks{}, fmt.Errorf("codasrv's control socket: %w", err)
	}
	control, quotas := controlpb.NewCodasrvControlClient(conn), &quotasBefore{}
	return agent.Hooks{
		Observe: func(ctx context.Context) (history.Observation, error) {
			return observeServer(ctx, codasrvAt{control}, len(n.Servers) > 0)
		},
		Reach: func(ctx context.Context, peer string) error {
			if peer == n.Name {
				return n.reach(ctx, n.Name, n.Codasrv)
			}
			return n.reachPeer(ctx, peer)
		},
		Ready: func(ctx context.Context, _ string) error { return n.reach(ctx, n.Name, n.Codasrv) },
		Order: func(ctx context.Context, order string) (int, error) {
			return orderServer(ctx, codasrvAt{control}, quotas, order)
		},
		Disk: nodeDisk{n.socket(cluster.Codasrv, "disk")},
		Evidence: func(ctx context.Context, _ string) (map[string][]byte, error) {
			state, err := control.State(ctx, &controlpb.StateRequest{})
			return n.evidence(ctx, cluster.Codasrv, state.GetText(), err)
		},
	}, nil
}

// probe asks codasrv for the shortest answer.
func probe(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := vicepb.NewViceClient(conn).Probe(ctx, &vicepb.ProbeRequest{})
	return err
}

// volumeStore is a codasrv as whoever looks after it sees it.
type volumeStore interface {
	// tree calls each for every object of the volume.
	tree(ctx context.Context, each func(path string, status coda.Status) error) error
	// head gives the first bytes of a file.
	head(ctx context.Context, f coda.Fid) ([]byte, error)
	// fsck checks the store and says what is wrong with it.
	fsck(ctx context.Context) (problems []string, err error)
}

// observeServer is codasrv's own view of its volume, and what its fsck finds; with versions where other servers hold the volume, too.
func observeServer(ctx context.Context, store volumeStore, replicated bool) (history.Observation, error) {
	observation := history.Observation{Source: history.SourceServer}
	var inconsistent []coda.Status
	err := store.tree(ctx, func(path string, status coda.Status) error {
		if path != "" {
			object := objectOf(path, status)
			if status.Inconsistent {
				inconsistent = append(inconsistent, status)
				observation.Conflicts = append(observation.Conflicts, history.Conflict{Path: path, Operation: history.Inconsistent})
			}
			if replicated {
				if status.Kind == coda.Directory { // the last of the same updates differs between replicas that applied them in another order
					status.Version.Store = coda.StoreID{}
				}
				object.Version = status.Version.String()
			}
			observation.Objects = append(observation.Objects, object)
		}
		return nil
	})
	if err != nil {
		return observation, fmt.Errorf("reading the server's tree: %w", err)
	}
	for i, status := range inconsistent {
		if status.Kind != coda.File {
			continue
		}
		head, err := store.head(ctx, status.Fid)
		if err != nil {
			return observation, fmt.Errorf("reading the server's version of %s: %w", observation.Conflicts[i].Path, err)
		}
		header, _ := history.CheckContent(head, observation.Conflicts[i].Path)
		observation.Conflicts[i].Content = header.Nonce
	}
	slices.SortFunc(observation.Objects, func(a, b history.Object) int { return strings.Compare(a.Path, b.Path) })
	if observation.Problems, err = store.fsck(ctx); err != nil {
		return observation, fmt.Errorf("checking the server's store: %w", err)
	}
	return observation, nil
}

// codasrvAt is a codasrv that answers on a socket.
type codasrvAt struct {
	client controlpb.CodasrvControlClient
}

func (c codasrvAt) tree(ctx context.Context, each func(path string, status coda.Status) error) error {
	stream, err := c.client.Tree(ctx, &controlpb.TreeRequest{Volume: volumeName})
	for err == nil {
		var reply *controlpb.TreeReply
		if reply, err = stream.Recv(); err != nil {
			break
		}
		var status coda.Status
		if status, err = wire.StatusFromProto(reply.GetStatus()); err != nil {
			return fmt.Errorf("the status of %s: %w", reply.GetPath(), err)
		}
		path := reply.GetPath()
		if unquoted, err := strconv.Unquote(path); err == nil {
			path = unquoted
		}
		err = each(path, status)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (c codasrvAt) head(ctx context.Context, f coda.Fid) ([]byte, error) {
	reply, err := c.client.Head(ctx, &controlpb.HeadRequest{Fid: wire.FidToProto(f)})
	return reply.GetHead(), err
}

func (c codasrvAt) fsck(ctx context.Context) ([]string, error) {
	found, err := c.client.Fsck(ctx, &controlpb.FsckRequest{})
	return found.GetProblems(), err
}

// objectOf describes an object as agents do on a mount.
func objectOf(path string, status coda.Status) history.Object {
	object := history.Object{Path: path, Mode: status.Mode & 0o777}
	if status.Inconsistent { // each replica has its own
		return history.Object{Path: path, Kind: history.KindConflict}
	}
	switch status.Kind {
	case coda.Directory:
		object.Kind = "directory"
	case coda.Symlink:
		object.Kind, object.Length, object.Links, object.Digest = "symlink", int64(len(status.Target)), status.Links, status.Target
	default:
		object.Kind, object.Length, object.Links = "file", int64(status.Length), status.Links
		object.Digest = hex.EncodeToString(status.Digest[:])
	}
	return object
}
