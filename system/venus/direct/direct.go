package direct

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// Client is a connection to one venus. It is safe for concurrent use.
type Client struct {
	conn  *grpc.ClientConn
	files controlpb.VenusFilesClient
}

// Dial makes a connection to the control socket at a path. It does not wait for venus: calls made while venus is not there fail with coda.TimedOut,
// and the connection is made again as soon as it is back.
func Dial(socket string) (*Client, error) {
	cfg := wire.DefaultClientConfig()
	cfg.MaxBackoff = 100 * time.Millisecond
	cfg.Dialer = wire.SocketDialer(socket)
	conn, err := wire.Dial("venus", cfg)
	if err != nil {
		return nil, err
	}
	return New(conn), nil
}

// New makes a client on a connection, which it closes with Close.
func New(conn *grpc.ClientConn) *Client {
	return &Client{conn: conn, files: controlpb.NewVenusFilesClient(conn)}
}

// Control gives the other service of the same connection.
func (c *Client) Control() controlpb.VenusControlClient {
	return controlpb.NewVenusControlClient(c.conn)
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Stat gives the attributes at a path; of a symlink, its own.
func (c *Client) Stat(ctx context.Context, path string) (coda.Status, error) {
	return status(c.files.Stat(ctx, &controlpb.PathRequest{Path: path}))
}

func status(r *controlpb.StatReply, err error) (coda.Status, error) {
	if err != nil {
		return coda.Status{}, err
	}
	return wire.StatusFromProto(r.Status)
}

// ReadDirectory gives the names in a directory at one moment, in order.
func (c *Client) ReadDirectory(ctx context.Context, path string) ([]coda.Entry, error) {
	r, err := c.files.ReadDirectory(ctx, &controlpb.PathRequest{Path: path})
	if err != nil {
		return nil, err
	}
	list := make([]coda.Entry, len(r.Entries))
	for i, e := range r.Entries {
		if list[i], err = wire.EntryFromProto(e); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ReadFile gives a file's contents: one open, read and close.
func (c *Client) ReadFile(ctx context.Context, path string) ([]byte, error) {
	var b bytes.Buffer
	_, err := c.CopyFile(ctx, path, &b)
	return b.Bytes(), err
}

// CopyFile writes a file's contents to w: one open, read and close. It gives the file's attributes.
func (c *Client) CopyFile(ctx context.Context, path string, w io.Writer) (coda.Status, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a stream that is left early must be ended
	stream, err := c.files.ReadFile(ctx, &controlpb.PathRequest{Path: path})
	if err != nil {
		return coda.Status{}, err
	}
	first, err := stream.Recv()
	if err != nil {
		return coda.Status{}, err
	}
	s, err := wire.StatusFromProto(first.GetStatus())
	if err != nil {
		return coda.Status{}, err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if _, err := w.Write(part.GetData()); err != nil {
			return s, err
		}
	}
}

// Write says how WriteFile opens the file.
type Write struct {
	Mode      uint32 // of a file that is made
	Create    bool   // make the file if there is none
	Exclusive bool   // with Create: the file must not be there
	Sync      bool   // fsync before close
}

// WriteFile replaces the contents of a file: one open, write and close. It gives the file's attributes.
func (c *Client) WriteFile(ctx context.Context, path string, contents io.Reader, how Write) (coda.Status, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a stream that is left early must be ended
	stream, err := c.files.WriteFile(ctx)
	if err != nil {
		return coda.Status{}, err
	}
	head := &controlpb.WriteFileHead{Path: path, Mode: how.Mode, Create: how.Create, Exclusive: how.Exclusive, Sync: how.Sync}
	err = stream.Send(&controlpb.WriteFileRequest{Part: &controlpb.WriteFileRequest_Head{Head: head}})
	buffer := make([]byte, 64<<10)
	for err == nil {
		var n int
		n, err = contents.Read(buffer)
		if n > 0 {
			sendErr := stream.Send(&controlpb.WriteFileRequest{Part: &controlpb.WriteFileRequest_Data{Data: buffer[:n]}})
			if sendErr != nil {
				err = sendErr
				break
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		return coda.Status{}, err
	}
	// Both the end of the contents and an early answer end up here.
	return status(stream.CloseAndRecv())
}

// MakeDirectory makes an empty directory.
func (c *Client) MakeDirectory(ctx context.Context, path string, mode uint32) (coda.Status, error) {
	return status(c.files.MakeDirectory(ctx, &controlpb.MakeDirectoryRequest{Path: path, Mode: mode}))
}

// Mount mounts a volume at path.
func (c *Client) Mount(ctx context.Context, path, volume string) error {
	_, err := c.Control().Mount(ctx, &controlpb.MountRequest{Path: path, Volume: volume})
	return err
}

// MakeSymlink makes a symbolic link at path.
func (c *Client) MakeSymlink(ctx context.Context, path, target string) (coda.Status, error) {
	return status(c.files.MakeSymlink(ctx, &controlpb.MakeSymlinkRequest{Path: path, Target: target}))
}

// Link gives the file at from another name, in the same directory.
func (c *Client) Link(ctx context.Context, from, to string) (coda.Status, error) {
	return status(c.files.Link(ctx, &controlpb.TwoPathsRequest{From: from, To: to}))
}

// Rename moves what is at from, replacing what is at to.
func (c *Client) Rename(ctx context.Context, from, to string) error {
	_, err := c.files.Rename(ctx, &controlpb.TwoPathsRequest{From: from, To: to})
	return err
}

// Remove removes a file or symlink.
func (c *Client) Remove(ctx context.Context, path string) error {
	_, err := c.files.Remove(ctx, &controlpb.PathRequest{Path: path})
	return err
}

// RemoveDirectory removes an empty directory.
func (c *Client) RemoveDirectory(ctx context.Context, path string) error {
	_, err := c.files.RemoveDirectory(ctx, &controlpb.PathRequest{Path: path})
	return err
}
