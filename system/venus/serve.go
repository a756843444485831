package venus

import (
	"bytes"
	"context"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// ServeControl answers cfs, the harness and direct mounts on a socket until the context ends. It closes the listener.
func (v *Venus) ServeControl(ctx context.Context, l net.Listener) error {
	server := grpc.NewServer(wire.ServerOptions(nil, wire.DefaultLiveness())...)
	controlpb.RegisterVenusControlServer(server, &controlService{v: v})
	controlpb.RegisterVenusFilesServer(server, &fileService{v: v})
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		server.Stop()
	})
	err := server.Serve(l)
	if stop() {
		return err
	}
	<-stopped
	return nil
}

// controlService answers VenusControl.
type controlService struct {
	controlpb.UnimplementedVenusControlServer
	v *Venus
}

// CheckServers says which servers are there.
func (s *controlService) CheckServers(context.Context, *controlpb.CheckServersRequest) (*controlpb.CheckServersReply, error) {
	return &controlpb.CheckServersReply{Servers: servers(s.v.Servers())}, nil
}

func servers(list []ServerState) []*controlpb.Server {
	var p []*controlpb.Server
	for _, s := range list {
		p = append(p, &controlpb.Server{Address: s.Address, Up: s.Up, State: s.State, LastError: printable(s.LastError)})
	}
	return p
}

// ListVolumes describes the volume.
func (s *controlService) ListVolumes(context.Context, *controlpb.ListVolumesRequest) (*controlpb.ListVolumesReply, error) {
	v := s.v.Volume()
	q, n := s.v.Queue(), s.v.Counters()
	counters := &controlpb.Counters{Requests: n.Requests, Resolutions: n.Resolutions, Fetched: n.Fetched, OverQuota: n.OverQuota}
	return &controlpb.ListVolumesReply{Profile: string(s.v.cfg.Profile), Counters: counters, Bounded: uint32(s.v.Bounded()), Queue: &controlpb.Queue{
		Workers: uint32(q.Workers), Made: uint32(q.Made), Busy: uint32(q.Busy), Length: uint64(q.Length), Oldest: int64(q.Oldest),
	}, Volumes: []*controlpb.Volume{{
		Name: v.Name, Volume: v.ID, State: v.State, LogRecords: v.LogRecords, LogBytes: v.LogBytes,
		CachedObjects: v.CachedObjects, CachedBytes: v.CachedBytes, Conflicts: v.Conflicts, Replicas: servers(v.Replicas), Waits: v.Waits,
	}}, Mounted: s.mounted()}, nil
}

func (s *controlService) mounted() (list []*controlpb.MountedVolume) {
	for _, m := range s.v.MountedVolumes() {
		list = append(list, &controlpb.MountedVolume{Name: m.Name, Volume: m.ID, Path: m.Path, LogRecords: uint64(m.LogRecords)})
	}
	return list
}

// Mount mounts a volume.
func (s *controlService) Mount(ctx context.Context, r *controlpb.MountRequest) (*controlpb.EmptyReply, error) {
	ctx = WithUID(ctx, r.Uid)
	dir, name, err := s.v.LookupParent(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	return &controlpb.EmptyReply{}, s.v.Mount(ctx, dir, name, r.Volume)
}

// Unmount removes a mount link.
func (s *controlService) Unmount(ctx context.Context, r *controlpb.PathRequest) (*controlpb.EmptyReply, error) {
	ctx = WithUID(ctx, r.Uid)
	dir, name, err := s.v.LookupParent(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	return &controlpb.EmptyReply{}, s.v.Unmount(ctx, dir, name)
}

// ForceReintegrate waits until the log is empty.
func (s *controlService) ForceReintegrate(ctx context.Context, _ *controlpb.ForceReintegrateRequest) (*controlpb.ForceReintegrateReply, error) {
	remaining, err := s.v.ForceReintegrate(ctx)
	if err != nil {
		return nil, err
	}
	return &controlpb.ForceReintegrateReply{Remaining: remaining}, nil
}

// Disconnect makes the server unreachable.
func (s *controlService) Disconnect(context.Context, *controlpb.DisconnectRequest) (*controlpb.DisconnectReply, error) {
	s.v.Disconnect()
	return &controlpb.DisconnectReply{}, nil
}

// Reconnect makes the server reachable again.
func (s *controlService) Reconnect(context.Context, *controlpb.ReconnectRequest) (*controlpb.ReconnectReply, error) {
	s.v.Reconnect()
	return &controlpb.ReconnectReply{}, nil
}

// FlushCache forgets what is clean and not in use.
func (s *controlService) FlushCache(context.Context, *controlpb.FlushCacheRequest) (*controlpb.FlushCacheReply, error) {
	objects, bytes, err := s.v.FlushCache()
	return &controlpb.FlushCacheReply{Objects: objects, Bytes: bytes}, err
}

// ListConflicts names the local versions that are kept.
func (s *controlService) ListConflicts(context.Context, *controlpb.ListConflictsRequest) (*controlpb.ListConflictsReply, error) {
	list, err := s.v.Conflicts()
	if err != nil {
		return nil, err
	}
	reply := &controlpb.ListConflictsReply{}
	for _, c := range list {
		reply.Conflicts = append(reply.Conflicts, &controlpb.Conflict{
			Record: c.Record, Operation: c.Operation, Path: printable(c.Path), Why: printable(c.Why), Kept: printable(c.Kept), Head: c.Head,
			DependsOn: c.DependsOn, OverQuota: c.OverQuota,
		})
	}
	return reply, nil
}

func localRecords(list []LocalRecord) []*controlpb.LocalRecord {
	var p []*controlpb.LocalRecord
	for _, r := range list {
		p = append(p, &controlpb.LocalRecord{
			Record: r.Record, Operation: r.Operation, Path: printable(r.Path), Time: int64(r.Time), Refused: r.Refused, Why: printable(r.Why),
			DependsOn: r.DependsOn,
		})
	}
	return p
}

// ListLocal lists the modify log.
func (s *controlService) ListLocal(_ context.Context, r *controlpb.ListLocalRequest) (*controlpb.ListLocalReply, error) {
	return &controlpb.ListLocalReply{Records: localRecords(s.v.ListLocal(r.Path))}, nil
}

// ListCached lists the contents that the cache has beside the servers.
func (s *controlService) ListCached(context.Context, *controlpb.ListCachedRequest) (*controlpb.ListCachedReply, error) {
	reply := &controlpb.ListCachedReply{}
	for _, c := range s.v.CachedContents() {
		reply.Contents = append(reply.Contents, &controlpb.Cached{File: c.File, Digest: c.Digest[:]})
	}
	return reply, nil
}

// CheckLocal asks the server which records it would refuse.
func (s *controlService) CheckLocal(ctx context.Context, r *controlpb.CheckLocalRequest) (*controlpb.CheckLocalReply, error) {
	checked, refused, err := s.v.CheckLocal(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	return &controlpb.CheckLocalReply{Checked: uint64(checked), Refused: localRecords(refused)}, nil
}

// Expand has a conflict show both versions.
func (s *controlService) Expand(ctx context.Context, r *controlpb.PathRequest) (*controlpb.EmptyReply, error) {
	return &controlpb.EmptyReply{}, s.v.Expand(ctx, r.Path)
}

// Collapse ends an Expand.
func (s *controlService) Collapse(ctx context.Context, r *controlpb.PathRequest) (*controlpb.EmptyReply, error) {
	return &controlpb.EmptyReply{}, s.v.Collapse(ctx, r.Path)
}

// Repair ends a conflict.
func (s *controlService) Repair(ctx context.Context, r *controlpb.RepairRequest) (*controlpb.RepairReply, error) {
	if r.Keep == controlpb.Keep_KEEP_CONTENTS {
		return &controlpb.RepairReply{Local: r.Path}, s.v.RepairWith(ctx, r.Path, bytes.NewReader(r.Contents))
	}
	local, err := s.v.Repair(ctx, r.Path, Keep(r.Keep))
	if err != nil {
		return nil, err
	}
	return &controlpb.RepairReply{Local: printable(local)}, nil
}

// State describes what venus is doing.
func (s *controlService) State(context.Context, *controlpb.StateRequest) (*controlpb.StateReply, error) {
	reply := &controlpb.StateReply{Text: printable(s.v.State())}
	for _, c := range s.v.Calls() {
		reply.Calls = append(reply.Calls, &controlpb.Call{
			Operation: c.Operation, Object: printable(c.Object), Age: int64(c.Age / time.Nanosecond), WaitsFor: c.WaitsFor,
		})
	}
	return reply, nil
}

// HoardAdd hoards something.
func (s *controlService) HoardAdd(ctx context.Context, r *controlpb.HoardAddRequest) (*controlpb.HoardAddReply, error) {
	extent, err := ParseExtent(r.Entry.GetExtent())
	if err != nil {
		return nil, err
	}
	priority := int(r.Entry.GetPriority())
	if priority == 0 {
		priority = HoardPriority
	}
	add := s.v.HoardAdd
	if r.Modify {
		add = s.v.HoardModify
	}
	entries, err := add(ctx, r.Entry.GetPath(), priority, extent)
	return &controlpb.HoardAddReply{Entries: uint64(entries)}, err
}

// HoardDelete ends the hoarding of something.
func (s *controlService) HoardDelete(_ context.Context, r *controlpb.PathRequest) (*controlpb.EmptyReply, error) {
	return &controlpb.EmptyReply{}, s.v.HoardDelete(r.Path)
}

// HoardClear ends the hoarding of everything.
func (s *controlService) HoardClear(context.Context, *controlpb.HoardClearRequest) (*controlpb.HoardClearReply, error) {
	entries, err := s.v.HoardClear()
	return &controlpb.HoardClearReply{Entries: uint64(entries)}, err
}

// HoardList lists what is hoarded.
func (s *controlService) HoardList(context.Context, *controlpb.HoardListRequest) (*controlpb.HoardListReply, error) {
	reply := &controlpb.HoardListReply{}
	for _, e := range s.v.HoardList() {
		reply.Entries = append(reply.Entries, &controlpb.Hoarded{Path: printable(e.Path), Priority: uint32(e.Priority), Extent: e.Extent.String()})
	}
	return reply, nil
}

// HoardWalk fetches what is missing.
func (s *controlService) HoardWalk(ctx context.Context, _ *controlpb.HoardWalkRequest) (*controlpb.HoardWalkReply, error) {
	r, err := s.v.HoardWalk(ctx)
	if err != nil {
		return nil, err
	}
	return &controlpb.HoardWalkReply{
		Entries: r.Entries, Unbound: r.Unbound, Objects: r.Objects, Fetched: r.Fetched, Bytes: r.Bytes, Refused: r.Refused, Failed: r.Failed,
		Took: int64(r.Took),
	}, nil
}

// HoardVerify says what of what is hoarded is cached.
func (s *controlService) HoardVerify(_ context.Context, r *controlpb.PathRequest) (*controlpb.HoardVerifyReply, error) {
	reply := &controlpb.HoardVerifyReply{}
	for _, e := range s.v.HoardVerify(r.Path) {
		kind := ""
		if e.Kind != 0 {
			kind = e.Kind.String()
		}
		reply.States = append(reply.States, &controlpb.HoardState{
			Path: printable(e.Path), Priority: uint32(e.Priority), Kind: kind, Cached: e.Cached, Valid: e.Valid,
		})
	}
	return reply, nil
}

// LogIn gets a token for a local user.
func (s *controlService) LogIn(ctx context.Context, r *controlpb.LogInRequest) (*controlpb.Token, error) {
	if err := s.v.LogIn(ctx, r.Uid, r.User, r.Password); err != nil {
		return nil, err
	}
	for _, t := range s.v.Tokens() {
		if t.UID == r.Uid {
			return tokenToProto(t), nil
		}
	}
	return nil, coda.Errorf("log in", coda.NoToken, "the token has been dropped already")
}

func tokenToProto(t TokenState) *controlpb.Token {
	return &controlpb.Token{Uid: t.UID, User: t.User, Number: int32(t.Number), Expires: int64(t.Expires), Valid: t.Valid, Waiting: t.Waiting}
}

// LogOut drops the token of a local user.
func (s *controlService) LogOut(_ context.Context, r *controlpb.LogOutRequest) (*controlpb.EmptyReply, error) {
	return &controlpb.EmptyReply{}, s.v.LogOut(r.Uid)
}

// ListTokens lists the tokens.
func (s *controlService) ListTokens(context.Context, *controlpb.ListTokensRequest) (*controlpb.ListTokensReply, error) {
	reply := &controlpb.ListTokensReply{}
	for _, t := range s.v.Tokens() {
		reply.Tokens = append(reply.Tokens, tokenToProto(t))
	}
	return reply, nil
}

// ListACL says who may do what in a directory.
func (s *controlService) ListACL(ctx context.Context, r *controlpb.ACLRequest) (*controlpb.ACLReply, error) {
	ctx = WithUID(ctx, r.Uid)
	at, err := s.v.LookupPath(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	return s.aclReply(ctx, at.Fid)
}

func (s *controlService) aclReply(ctx context.Context, f coda.Fid) (*controlpb.ACLReply, error) {
	a, err := s.v.ACL(ctx, f)
	if err != nil {
		return nil, err
	}
	reply := &controlpb.ACLReply{Unset: a == ""}
	for _, e := range s.v.NamedACL(ctx, a) {
		reply.Entries = append(reply.Entries, &controlpb.ACLEntry{Name: e.Name, Grants: e.Grants.String(), Denies: e.Denies.String()})
	}
	return reply, nil
}

// SetACL changes who may do what in a directory.
func (s *controlService) SetACL(ctx context.Context, r *controlpb.SetACLRequest) (*controlpb.ACLReply, error) {
	ctx = WithUID(ctx, r.Uid)
	at, err := s.v.LookupPath(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range r.Entries {
		names = append(names, e.GetName())
	}
	who, err := s.v.FindPrincipals(ctx, names)
	if err != nil {
		return nil, err
	}
	err = s.v.SetACL(ctx, at.Fid, func(a coda.ACL) (coda.ACL, error) {
		if r.Clear {
			var err error
			if a, err = coda.MakeACL(nil); err != nil {
				return "", err
			}
		}
		return editACL(a, who, r.Entries)
	})
	if err != nil {
		return nil, err
	}
	return s.aclReply(ctx, at.Fid)
}

// editACL changes what an ACL says of some users and groups.
func editACL(a coda.ACL, who []coda.Principal, entries []*controlpb.ACLEntry) (coda.ACL, error) {
	a, err := coda.MakeACL(a.Entries()) // also of one that says nothing yet
	for i, e := range entries {
		if err != nil {
			break
		}
		entry := coda.ACLEntry{Who: who[i]}
		for _, old := range a.Entries() {
			if old.Who == who[i] {
				entry = old
			}
		}
		for text, rights := range map[string]*coda.Rights{e.Grants: &entry.Grants, e.Denies: &entry.Denies} {
			if text == "" {
				continue
			}
			if *rights, err = coda.ParseRights(text); err != nil {
				return "", err
			}
		}
		a, err = a.With(entry)
	}
	return a, err
}
