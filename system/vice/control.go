package vice

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// control answers the harness and volutil.
type control struct {
	controlpb.UnimplementedCodasrvControlServer
	s *Server
}

// Fsck checks the whole store.
func (c *control) Fsck(ctx context.Context, _ *controlpb.FsckRequest) (*controlpb.FsckReply, error) {
	result, err := c.s.Fsck(ctx)
	if err != nil {
		return nil, err
	}
	return &controlpb.FsckReply{Problems: result.Problems, Objects: result.Objects}, nil
}

// Salvage verifies the contents of all files.
func (c *control) Salvage(ctx context.Context, _ *controlpb.SalvageRequest) (*controlpb.SalvageReply, error) {
	found, err := c.s.Salvage(ctx)
	if err != nil {
		return nil, err
	}
	return &controlpb.SalvageReply{Files: found.Files, Mended: found.Mended, Lost: found.Lost}, nil
}

// Tree walks a volume.
func (c *control) Tree(request *controlpb.TreeRequest, stream grpc.ServerStreamingServer[controlpb.TreeReply]) error {
	return c.s.Tree(stream.Context(), request.Volume, func(path string, status coda.Status) error {
		if !utf8.ValidString(path) {
			path = strconv.Quote(path)
		}
		return stream.Send(&controlpb.TreeReply{Path: path, Status: wire.StatusToProto(status)})
	})
}

// Head gives the first bytes of a file.
func (c *control) Head(_ context.Context, request *controlpb.HeadRequest) (*controlpb.HeadReply, error) {
	f, err := wire.FidFromProto(request.Fid)
	if err != nil {
		return nil, err
	}
	head, err := c.s.Head(f)
	if err != nil {
		return nil, err
	}
	return &controlpb.HeadReply{Head: head}, nil
}

// State describes what the server is doing.
func (c *control) State(context.Context, *controlpb.StateRequest) (*controlpb.StateReply, error) {
	reply := &controlpb.StateReply{Text: c.s.State()}
	for _, r := range c.s.calls.reports() {
		reply.Calls = append(reply.Calls, &controlpb.Call{Operation: r.operation, Object: r.object, Age: int64(r.age), WaitsFor: r.waits})
	}
	return reply, nil
}

// headSize is how many bytes Head gives at most.
const headSize = 4096

// Head gives the first bytes of a file as this server has it, at most 4096.
func (s *Server) Head(f coda.Fid) ([]byte, error) {
	// Who looks at a file that is replaced at this moment finds its contents gone, and has to look again.
	located := fetch{fid: f, contents: true}
	if err := s.locate(s.stopping, &located); err != nil {
		return nil, err
	}
	defer located.close()
	if located.data == nil {
		return nil, coda.Errorf("read the head of a file", coda.Invalid, "%v is a %v", f, located.vnode.status.Kind)
	}
	head, err := io.ReadAll(io.LimitReader(located.data, headSize))
	if err != nil {
		return nil, &coda.Error{Op: fmt.Sprintf("read the head of %v", f), Kind: coda.IO, Err: err}
	}
	return head, nil
}

// Tree calls each for every object of a volume, and of the volumes that are mounted in it, at one moment, directories before what they hold and names in order, with its path
// relative to the root. An object with several names comes once a name.
func (s *Server) Tree(ctx context.Context, volume string, each func(path string, status coda.Status) error) error {
	l := s.locations.Load()
	at, err := l.existing(volume)
	if err != nil {
		return err
	}
	v, _, _ := s.promises.read(0)
	defer v.release()
	w := &treeWalk{ctx: ctx, view: v, volumes: l, each: each, within: map[uint32]bool{}}
	return w.volume("", at.ID)
}

// treeWalk walks the objects of a volume and of those that are mounted in it.
type treeWalk struct {
	ctx     context.Context
	view    *view
	volumes *locations
	within  map[uint32]bool // volumes above where the walk is: one that is mounted below itself would have no end
	each    func(string, coda.Status) error
}

func (w *treeWalk) volume(path string, id uint32) error {
	w.within[id] = true
	defer delete(w.within, id)
	return w.object(path, coda.RootFid(id))
}

// mounted gives the volume that a mount link leads to, nil where it leads to none.
func (w *treeWalk) mounted(s coda.Status) *Volume {
	name, ok := coda.MountedVolume(s.Target)
	if !ok {
		return nil
	}
	if v := w.volumes.named(name); v != nil && !w.within[v.ID] {
		return v
	}
	return nil
}

func (w *treeWalk) object(path string, f coda.Fid) error {
	found, err := getVnode(w.view, f)
	switch {
	case err != nil:
		return err
	case found == nil:
		return coda.Errorf(fmt.Sprintf("walk %q", path), coda.IO, "%v is missing", f)
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	}
	if v := w.mounted(found.status); v != nil {
		return w.volume(path, v.ID)
	}
	if err := w.each(path, found.status); err != nil || found.status.Kind != coda.Directory {
		return err
	}
	return scanEntries(w.view, f, func(e coda.Entry) error {
		return w.object(strings.TrimPrefix(path+"/"+e.Name, "/"), e.Fid)
	})
}

// Volumes changes which volumes there are and what is said of them, or lists them.
func (c *control) Volumes(ctx context.Context, request *controlpb.VolumesRequest) (*controlpb.VolumesReply, error) {
	if err := c.changeVolume(ctx, request); err != nil {
		return nil, err
	}
	reply := &controlpb.VolumesReply{}
	for _, v := range c.s.locations.Load().volumes {
		reply.Volumes = append(reply.Volumes, c.s.volumeReply(v))
	}
	slices.SortFunc(reply.Volumes, func(a, b *vicepb.VolumeReply) int { return strings.Compare(a.Name, b.Name) })
	return reply, nil
}

// Dump sends a volume as it is at one moment.
func (c *control) Dump(request *controlpb.DumpRequest, stream grpc.ServerStreamingServer[controlpb.DumpReply]) error {
	out := bufio.NewWriterSize(sender(func(p []byte) error { return stream.Send(&controlpb.DumpReply{Data: p}) }), pieceSize)
	if err := c.s.Dump(stream.Context(), request.Volume, out); err != nil {
		return err
	}
	return out.Flush()
}

// sender sends what is written.
type sender func([]byte) error

func (s sender) Write(p []byte) (int, error) { return len(p), s(p) }

// Restore makes a volume of a dump.
func (c *control) Restore(stream grpc.ClientStreamingServer[controlpb.RestoreRequest, controlpb.RestoreReply]) error {
	first, err := stream.Recv()
	if err != nil {
		return fmt.Errorf("receive a dump: %w", err)
	}
	done, err := c.s.Restore(stream.Context(), first.Volume, &receiver{rest: first.Data, receive: func() ([]byte, error) {
		more, err := stream.Recv()
		return more.GetData(), err
	}})
	if err != nil {
		return err
	}
	return stream.SendAndClose(&controlpb.RestoreReply{Objects: done.Objects, Bytes: done.Bytes})
}

// receiver reads what is received.
type receiver struct {
	rest    []byte
	receive func() ([]byte, error)
}

func (r *receiver) Read(p []byte) (n int, err error) {
	for len(r.rest) == 0 {
		if r.rest, err = r.receive(); err != nil {
			return 0, err
		}
	}
	n = copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (c *control) changeVolume(ctx context.Context, r *controlpb.VolumesRequest) error {
	switch r.Change {
	case controlpb.VolumeChange_VOLUME_CHANGE_UNSPECIFIED:
		return nil
	case controlpb.VolumeChange_VOLUME_CHANGE_CREATE:
		acl, err := coda.DecodeACL(r.RootAcl)
		if err != nil {
			return err
		}
		return c.s.CreateVolume(ctx, r.Name, acl)
	case controlpb.VolumeChange_VOLUME_CHANGE_PURGE:
		return c.s.PurgeVolume(ctx, r.Name)
	case controlpb.VolumeChange_VOLUME_CHANGE_LOCK, controlpb.VolumeChange_VOLUME_CHANGE_UNLOCK:
		return c.s.LockVolume(ctx, r.Name, r.Change == controlpb.VolumeChange_VOLUME_CHANGE_LOCK)
	case controlpb.VolumeChange_VOLUME_CHANGE_QUOTA:
		return c.s.SetQuota(ctx, r.Name, Quota{Bytes: r.QuotaBytes, Objects: r.QuotaObjects})
	default:
		return coda.Errorf("change volumes", coda.Invalid, "change %d", r.Change)
	}
}

// Protection changes the users and groups, or lists them.
func (c *control) Protection(ctx context.Context, request *controlpb.ProtectionRequest) (*controlpb.ProtectionReply, error) {
	change, err := c.s.protectionChange(request)
	if err == nil && change != nil {
		err = c.s.ChangeProtection(ctx, change)
	}
	if err != nil {
		return nil, err
	}
	db := c.s.protection.current.Load()
	if db == nil {
		db = auth.Empty()
	}
	reply := &controlpb.ProtectionReply{Version: c.s.protection.version()}
	for _, u := range db.Users() {
		reply.Principals = append(reply.Principals, &controlpb.Principal{Number: int32(u.Number), Name: u.Name, Password: !u.Password.IsZero()})
	}
	for _, g := range db.Groups() {
		p := &controlpb.Principal{Number: int32(g.Number), Name: g.Name}
		for _, m := range g.Members {
			p.Members = append(p.Members, db.Name(m))
		}
		reply.Principals = append(reply.Principals, p)
	}
	return reply, nil
}

// protectionChange is the change that a request asks for, nil for none.
func (s *Server) protectionChange(r *controlpb.ProtectionRequest) (func(*auth.Database) (*auth.Database, error), error) {
	switch r.Change {
	case controlpb.ProtectionChange_PROTECTION_CHANGE_UNSPECIFIED:
		return nil, nil
	case controlpb.ProtectionChange_PROTECTION_CHANGE_NEW_USER:
		return func(db *auth.Database) (*auth.Database, error) { return db.NewUser(r.Name) }, nil
	case controlpb.ProtectionChange_PROTECTION_CHANGE_NEW_GROUP:
		return func(db *auth.Database) (*auth.Database, error) { return db.NewGroup(r.Name) }, nil
	case controlpb.ProtectionChange_PROTECTION_CHANGE_DELETE:
		return func(db *auth.Database) (*auth.Database, error) { return db.Delete(r.Name) }, nil
	case controlpb.ProtectionChange_PROTECTION_CHANGE_ADD:
		return func(db *auth.Database) (*auth.Database, error) { return db.Add(r.Name, r.Member) }, nil
	case controlpb.ProtectionChange_PROTECTION_CHANGE_REMOVE:
		return func(db *auth.Database) (*auth.Database, error) { return db.Remove(r.Name, r.Member) }, nil
	case controlpb.ProtectionChange_PROTECTION_CHANGE_PASSWORD:
		return s.password(r.Name, r.Password), nil
	case controlpb.ProtectionChange_PROTECTION_CHANGE_KEY:
		return func(db *auth.Database) (*auth.Database, error) { return db.NewKey(s.cfg.Entropy) }, nil
	default:
		return nil, coda.Errorf("change users and groups", coda.Invalid, "change %d", r.Change)
	}
}
