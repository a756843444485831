package venus

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
)

type editStream = grpc.BidiStreamingServer[controlpb.EditFileRequest, controlpb.EditFileReply]

// EditFile changes parts of a file. A stream that breaks off leaves the old contents.
func (s *fileService) EditFile(stream editStream) error {
	ctx := stream.Context()
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	head := first.GetHead()
	if head == nil {
		return coda.Errorf("edit file", coda.Invalid, "the request has no head")
	}
	dir, name, err := s.v.LookupParent(ctx, head.Path)
	if err != nil {
		return err
	}
	_, h, err := s.v.OpenPath(ctx, head.Path, OpenFlags{Read: true, Write: true})
	if err != nil {
		return err
	}
	status, err := finish(ctx, h, s.edit(ctx, h, stream), head.Sync)
	if err != nil {
		return err
	}
	s.changed(dir, name, status.Fid)
	return stream.Send(&controlpb.EditFileReply{Part: &controlpb.EditFileReply_Status{Status: wire.StatusToProto(status)}})
}

// edit sends the contents and makes the changes that come back.
func (s *fileService) edit(ctx context.Context, h *Handle, stream editStream) error {
	info, err := h.file.Stat()
	if err != nil {
		return containerError("look at the contents", err)
	}
	err = inParts(io.NewSectionReader(h, 0, info.Size()), func(data []byte) error {
		return stream.Send(&controlpb.EditFileReply{Part: &controlpb.EditFileReply_Data{Data: data}})
	})
	if err != nil {
		return err
	}
	if err := stream.Send(&controlpb.EditFileReply{Part: &controlpb.EditFileReply_Read{Read: &controlpb.EmptyReply{}}}); err != nil {
		return err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		change := part.GetChange()
		if change == nil {
			return coda.Errorf("edit file", coda.Invalid, "the request has a second head")
		}
		if err := h.Change(ctx, change.Offset, change.Data, change.Truncate); err != nil {
			return err
		}
	}
}

// SetAttributes changes the mode and the time of an object.
func (s *fileService) SetAttributes(ctx context.Context, r *controlpb.SetAttributesRequest) (*controlpb.StatReply, error) {
	at, err := s.v.LookupPath(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	changes := Changes{Mode: r.Mode}
	if r.Modified != nil {
		modified := time.Unix(0, *r.Modified)
		changes.Modified = &modified
	}
	defer s.v.notices.object(at.Fid)
	return statReply(s.v.SetAttributes(ctx, at.Fid, changes))
}
