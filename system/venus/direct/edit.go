package direct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// An Edit looks at the contents of an open file and says how to change them. It must not keep them.
type Edit func(contents []byte) ([]Change, error)

// A Change is one call of pwrite or ftruncate.
type Change struct {
	Offset   int64
	Data     []byte
	Truncate bool // Offset becomes the length, and there is no Data
}

// Attributes are those that SetAttributes can change.
type Attributes struct {
	Mode     *uint32 // permission bits
	Modified *time.Time
}

// EditFile implements Files.
func (l Local) EditFile(ctx context.Context, path string, edit Edit, sync bool) (status coda.Status, err error) {
	_, h, err := l.Venus.OpenPath(ctx, path, venus.OpenFlags{Read: true, Write: true})
	if err != nil {
		return coda.Status{}, err
	}
	defer func() { err = errors.Join(err, h.Close(ctx)) }()
	contents, err := io.ReadAll(io.NewSectionReader(h, 0, math.MaxInt64))
	if err != nil {
		return coda.Status{}, &coda.Error{Op: "read the contents", Kind: coda.IO, Err: err}
	}
	changes, err := edit(contents)
	if err != nil {
		return coda.Status{}, err
	}
	for _, change := range changes {
		if err := h.Change(ctx, change.Offset, change.Data, change.Truncate); err != nil {
			return coda.Status{}, errors.Join(err, h.Flush(ctx)) // as with a program that dies
		}
	}
	if sync {
		err = h.Sync(ctx)
	}
	if err = errors.Join(err, h.Flush(ctx)); err != nil {
		return coda.Status{}, err
	}
	return h.Status(ctx)
}

// SetAttributes implements Files.
func (l Local) SetAttributes(ctx context.Context, path string, attributes Attributes) (coda.Status, error) {
	at, err := l.Venus.LookupPath(ctx, path)
	if err != nil {
		return coda.Status{}, err
	}
	return l.Venus.SetAttributes(ctx, at.Fid, venus.Changes{Mode: attributes.Mode, Modified: attributes.Modified})
}

// EditFile implements Files.
func (c *Client) EditFile(ctx context.Context, path string, edit Edit, sync bool) (coda.Status, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a stream that is left early must be ended
	stream, err := c.files.EditFile(ctx)
	if err != nil {
		return coda.Status{}, err
	}
	head := &controlpb.EditFileHead{Path: path, Sync: sync}
	err = stream.Send(&controlpb.EditFileRequest{Part: &controlpb.EditFileRequest_Head{Head: head}})
	if err != nil && !errors.Is(err, io.EOF) { // the answer says why
		return coda.Status{}, err
	}
	var contents []byte
	for whole := false; !whole; {
		part, err := stream.Recv()
		if err != nil {
			return coda.Status{}, err
		}
		contents = append(contents, part.GetData()...)
		whole = part.GetRead() != nil
	}
	changes, err := edit(contents)
	if err != nil {
		return coda.Status{}, err
	}
	for _, change := range changes {
		for _, part := range inParts(change) {
			if err := stream.Send(&controlpb.EditFileRequest{Part: &controlpb.EditFileRequest_Change{Change: part}}); err != nil {
				break // the answer says why
			}
		}
	}
	if err := stream.CloseSend(); err != nil {
		return coda.Status{}, fmt.Errorf("send the changes of %s: %w", path, err)
	}
	last, err := stream.Recv()
	if err != nil {
		return coda.Status{}, err
	}
	return status(&controlpb.StatReply{Status: last.GetStatus()}, nil)
}

// inParts cuts a change into pieces that a message can hold.
func inParts(change Change) (parts []*controlpb.Change) {
	const most = 64 << 10
	data := change.Data
	for first := true; first || len(data) > 0; first = false {
		n := min(len(data), most)
		parts = append(parts, &controlpb.Change{
			Offset: change.Offset + int64(len(change.Data)-len(data)), Data: data[:n], Truncate: change.Truncate,
		})
		data = data[n:]
	}
	return parts
}

// SetAttributes implements Files.
func (c *Client) SetAttributes(ctx context.Context, path string, attributes Attributes) (coda.Status, error) {
	r := &controlpb.SetAttributesRequest{Path: path, Mode: attributes.Mode}
	if attributes.Modified != nil {
		nanoseconds := attributes.Modified.UnixNano()
		r.Modified = &nanoseconds
	}
	return status(c.files.SetAttributes(ctx, r))
}
