package venus

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// fileService answers VenusFiles: file operations by path, without a kernel. Symlinks are not followed.
type fileService struct {
	controlpb.UnimplementedVenusFilesServer
	v *Venus
}

// printable makes a text fit for a protobuf string.
func printable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// changed tells the front end about a change that did not come through it.
func (s *fileService) changed(dir coda.Fid, name string, f coda.Fid) {
	s.v.notices.entry(dir, name)
	s.v.notices.object(dir)
	if !f.IsZero() {
		s.v.notices.object(f)
	}
}

func statReply(s coda.Status, err error) (*controlpb.StatReply, error) {
	if err != nil {
		return nil, err
	}
	return &controlpb.StatReply{Status: wire.StatusToProto(s)}, nil
}

// Stat gives the attributes at a path.
func (s *fileService) Stat(ctx context.Context, r *controlpb.PathRequest) (*controlpb.StatReply, error) {
	return statReply(s.v.LookupPath(ctx, r.Path))
}

// ReadDirectory gives the names in a directory.
func (s *fileService) ReadDirectory(ctx context.Context, r *controlpb.PathRequest) (*controlpb.ReadDirectoryReply, error) {
	at, err := s.v.LookupPath(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	list, err := s.v.ReadDirectory(ctx, at.Fid)
	if err != nil {
		return nil, err
	}
	reply := &controlpb.ReadDirectoryReply{Entries: make([]*vicepb.Entry, len(list))}
	for i, e := range list {
		reply.Entries[i] = wire.EntryToProto(e)
	}
	return reply, nil
}

// ReadFile sends the status and contents of a file.
func (s *fileService) ReadFile(r *controlpb.PathRequest, stream grpc.ServerStreamingServer[controlpb.ReadFileReply]) (err error) {
	ctx := stream.Context()
	at, h, err := s.v.OpenPath(ctx, r.Path, OpenFlags{Read: true})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := h.Close(ctx); err == nil {
			err = closeErr
		}
	}()
	info, err := h.file.Stat()
	if err != nil {
		return containerError("look at the contents", err)
	}
	// The length goes with these contents, whatever was flushed or changed since the path was looked up.
	at.Length = uint64(info.Size())
	if err := stream.Send(&controlpb.ReadFileReply{Part: &controlpb.ReadFileReply_Status{Status: wire.StatusToProto(at)}}); err != nil {
		return err
	}
	return inParts(io.NewSectionReader(h, 0, info.Size()), func(data []byte) error {
		return stream.Send(&controlpb.ReadFileReply{Part: &controlpb.ReadFileReply_Data{Data: data}})
	})
}

// inParts reads everything and sends it in pieces that a message can hold.
func inParts(from io.Reader, send func(data []byte) error) error {
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if err := send(buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return containerError("read the contents", err)
		}
	}
}

// WriteFile replaces the contents of a file, or makes it. A stream that breaks off leaves the old contents.
func (s *fileService) WriteFile(stream grpc.ClientStreamingServer[controlpb.WriteFileRequest, controlpb.StatReply]) error {
	ctx := stream.Context()
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	head := first.GetHead()
	if head == nil {
		return coda.Errorf("write file", coda.Invalid, "the request has no head")
	}
	dir, name, err := s.v.LookupParent(ctx, head.Path)
	if err != nil {
		return err
	}
	h, err := s.openForWriting(ctx, dir, name, head)
	if err != nil {
		return err
	}
	status, err := finish(ctx, h, receiveFile(h, stream), head.Sync)
	if err != nil {
		return err
	}
	s.changed(dir, name, status.Fid)
	reply, err := statReply(status, nil)
	if err != nil {
		return err
	}
	return stream.SendAndClose(reply)
}

// finish publishes what was written to an open file, or gives it up where err says that it was not written whole, and closes the file.
func finish(ctx context.Context, h *Handle, err error, sync bool) (coda.Status, error) {
	switch {
	case err != nil:
		h.abandon()
	case sync:
		err = h.Sync(ctx)
	default:
		err = h.Flush(ctx)
	}
	if closeErr := h.Close(ctx); err == nil {
		err = closeErr
	}
	if err != nil {
		return coda.Status{}, err
	}
	status, err := h.Status(ctx)
	status.Links = max(status.Links, 1) // it may have been removed meanwhile
	return status, err
}

func (s *fileService) openForWriting(ctx context.Context, dir coda.Fid, name string, head *controlpb.WriteFileHead) (*Handle, error) {
	flags := OpenFlags{Write: true, Truncate: true, Exclusive: head.Exclusive}
	if head.Create {
		_, h, err := s.v.Create(ctx, dir, name, head.Mode, 0, flags)
		return h, err
	}
	_, h, err := s.v.OpenPath(ctx, head.Path, flags)
	return h, err
}

func receiveFile(h *Handle, stream grpc.ClientStreamingServer[controlpb.WriteFileRequest, controlpb.StatReply]) error {
	offset := int64(0)
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := h.WriteAt(part.GetData(), offset)
		if err != nil {
			return containerError("write the contents", err)
		}
		offset += int64(n)
	}
}

// MakeDirectory makes a directory.
func (s *fileService) MakeDirectory(ctx context.Context, r *controlpb.MakeDirectoryRequest) (*controlpb.StatReply, error) {
	dir, name, err := s.v.LookupParent(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	defer s.changed(dir, name, coda.Fid{})
	return statReply(s.v.MakeDirectory(ctx, dir, name, r.Mode, 0))
}

// MakeSymlink makes a symlink.
func (s *fileService) MakeSymlink(ctx context.Context, r *controlpb.MakeSymlinkRequest) (*controlpb.StatReply, error) {
	dir, name, err := s.v.LookupParent(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	defer s.changed(dir, name, coda.Fid{})
	return statReply(s.v.MakeSymlink(ctx, dir, name, r.Target, 0))
}

// Link gives a file another name.
func (s *fileService) Link(ctx context.Context, r *controlpb.TwoPathsRequest) (*controlpb.StatReply, error) {
	from, err := s.v.LookupPath(ctx, r.From)
	if err != nil {
		return nil, err
	}
	dir, name, err := s.v.LookupParent(ctx, r.To)
	if err != nil {
		return nil, err
	}
	defer s.changed(dir, name, from.Fid)
	return statReply(s.v.Link(ctx, dir, name, from.Fid))
}

// Rename moves an object.
func (s *fileService) Rename(ctx context.Context, r *controlpb.TwoPathsRequest) (*controlpb.EmptyReply, error) {
	fromDir, fromName, err := s.v.LookupParent(ctx, r.From)
	if err != nil {
		return nil, err
	}
	toDir, toName, err := s.v.LookupParent(ctx, r.To)
	if err != nil {
		return nil, err
	}
	defer s.changed(fromDir, fromName, coda.Fid{})
	defer s.changed(toDir, toName, coda.Fid{})
	return &controlpb.EmptyReply{}, s.v.Rename(ctx, fromDir, fromName, toDir, toName, false)
}

// Remove removes a file or symlink.
func (s *fileService) Remove(ctx context.Context, r *controlpb.PathRequest) (*controlpb.EmptyReply, error) {
	dir, name, err := s.v.LookupParent(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	defer s.changed(dir, name, coda.Fid{})
	return &controlpb.EmptyReply{}, s.v.Remove(ctx, dir, name)
}

// RemoveDirectory removes an empty directory.
func (s *fileService) RemoveDirectory(ctx context.Context, r *controlpb.PathRequest) (*controlpb.EmptyReply, error) {
	dir, name, err := s.v.LookupParent(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	defer s.changed(dir, name, coda.Fid{})
	return &controlpb.EmptyReply{}, s.v.RemoveDirectory(ctx, dir, name)
}
