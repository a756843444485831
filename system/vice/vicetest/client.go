package vicetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Client speaks the protocol for a test. It caches nothing. Its methods fail the test where they return no error. It is not safe for
// concurrent use.
type Client struct {
	ID      coda.ClientID
	Vice    vicepb.ViceClient
	Auth    vicepb.AuthClient
	Token   []byte // of the user for whom everything is done from the next Reconnect on; nil for none
	Volume  uint32
	Root    coda.Fid
	Session uint64 // sent with every request; 0 before Open

	s       *Server
	numbers []uint64 // granted and not used
	last    *uint64  // number of the last record made, in whatever volume
}

// Client makes a client with its own connection. Clients with different numbers have different ids.
func (s *Server) Client(number uint64) *Client {
	s.t.Helper()
	c := &Client{s: s, last: new(uint64)}
	c.Reconnect()
	binary.BigEndian.PutUint64(c.ID[:], number)
	c.ID[15] = 1
	return c.In(Volume)
}

// In gives the same client, which works in another volume.
func (c *Client) In(volume string) *Client {
	c.s.t.Helper()
	other := new(*c)
	reply := c.Describe(volume)
	other.Volume = reply.Volume
	var err error
	other.Root, err = wire.FidFromProto(reply.Root)
	require.NoError(c.s.t, err)
	return other
}

// Describe is what the server says of a volume.
func (c *Client) Describe(volume string) *vicepb.VolumeReply {
	c.s.t.Helper()
	ctx, cancel := bounded()
	defer cancel()
	reply, err := c.Vice.Volume(ctx, &vicepb.VolumeRequest{Name: volume}, grpc.WaitForReady(true))
	require.NoError(c.s.t, err)
	return reply
}

// Reconnect gives the client a new connection. A call on the old one right after the server's crash could still fail.
func (c *Client) Reconnect() {
	token := c.Token
	conn := c.s.Connect(
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			return invoke(wire.WithToken(ctx, token), method, request, reply, cc, options...)
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(wire.WithToken(ctx, token), desc, cc, method, options...)
		}))
	c.Vice, c.Auth = vicepb.NewViceClient(conn), vicepb.NewAuthClient(conn)
}

// As gives the same client with another user's token.
func (c *Client) As(token []byte) *Client {
	other := new(*c)
	other.Token = token
	other.Reconnect()
	return other
}

// LogIn gives the client as a user who has said his password.
func (c *Client) LogIn(user, password string) *Client {
	c.s.t.Helper()
	ctx, cancel := bounded()
	defer cancel()
	reply, err := c.Auth.LogIn(ctx, &vicepb.LogInRequest{User: user, Password: password}, grpc.WaitForReady(true))
	require.NoError(c.s.t, err)
	return c.As(reply.Token)
}

// callTime bounds every call of a Client.
const callTime = 30 * time.Second

func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTime)
}

// NewFid gives the fid of a new object.
func (c *Client) NewFid(kind coda.ObjectKind) coda.Fid {
	c.s.t.Helper()
	if len(c.numbers) == 0 {
		ctx, cancel := bounded()
		defer cancel()
		reply, err := c.Vice.AllocateVnodes(ctx, &vicepb.AllocateVnodesRequest{Volume: c.Volume, Count: 4096}, grpc.WaitForReady(true))
		require.NoError(c.s.t, err)
		for i := range uint64(reply.Count) {
			c.numbers = append(c.numbers, reply.First+i)
		}
	}
	n := c.numbers[0]
	c.numbers = c.numbers[1:]
	return coda.NewFid(c.Volume, n, kind)
}

// Log is a batch in the making.
type Log struct {
	Records  []coda.Record
	Contents map[uint64][]byte // of stores, by record number

	Connected bool // it is a single operation whose caller waits

	c *Client
}

// Log starts a batch.
func (c *Client) Log() *Log { return &Log{c: c, Contents: map[uint64][]byte{}} }

// Add appends a record and gives the version that it leaves behind, as far as a client can know it: the store id.
func (l *Log) Add(op coda.Operation) coda.VersionVector {
	*l.c.last++
	l.Records = append(l.Records, coda.Record{Number: *l.c.last, Time: coda.Time(1e18 + int64(*l.c.last)), Operation: op})
	return coda.VersionVector{Store: coda.StoreID{Client: l.c.ID, Number: *l.c.last}}
}

// Create appends the making of a file.
func (l *Log) Create(dir coda.Fid, name string) (coda.Fid, coda.VersionVector) {
	f := l.c.NewFid(coda.File)
	return f, l.Add(coda.Create{Parent: dir, Name: name, Fid: f, Mode: 0o644})
}

// MakeDirectory appends the making of a directory.
func (l *Log) MakeDirectory(dir coda.Fid, name string) coda.Fid {
	f := l.c.NewFid(coda.Directory)
	l.Add(coda.MakeDirectory{Parent: dir, Name: name, Fid: f, Mode: 0o755})
	return f
}

// Store appends the store of contents.
func (l *Log) Store(f coda.Fid, base coda.VersionVector, data []byte) coda.VersionVector {
	v := l.Add(coda.Store{Fid: f, Base: base, Length: uint64(len(data)), Digest: sha256.Sum256(data)})
	l.Contents[*l.c.last] = data
	return v
}

// Slice gives the records from i up to j as a batch of their own.
func (l *Log) Slice(i, j int) *Log {
	return &Log{Records: l.Records[i:j], Contents: l.Contents, c: l.c}
}

// Send sends the batch and gives the answer.
func (l *Log) Send() (wire.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	return l.SendContext(ctx)
}

// SendContext is Send within the bounds of a context.
func (l *Log) SendContext(ctx context.Context) (wire.Answer, error) {
	stream, err := l.c.Vice.Reintegrate(ctx)
	if err != nil {
		return wire.Answer{}, err
	}
	err = l.sendAll(stream)
	if err != nil && !errors.Is(err, io.EOF) {
		return wire.Answer{}, err
	}
	reply, err := stream.CloseAndRecv()
	if err != nil {
		return wire.Answer{}, err
	}
	return wire.AnswerFromProto(reply)
}

func (l *Log) sendAll(stream grpc.ClientStreamingClient[vicepb.ReintegrateRequest, vicepb.ReintegrateReply]) error {
	head := wire.Batch{
		Client: l.c.ID, Session: l.c.Session, Volume: l.c.Volume, First: l.Records[0].Number, Last: l.Records[len(l.Records)-1].Number,
		Connected: l.Connected,
	}
	if err := stream.Send(&vicepb.ReintegrateRequest{Part: &vicepb.ReintegrateRequest_Head{Head: wire.BatchToProto(head)}}); err != nil {
		return err
	}
	for _, r := range l.Records {
		if err := stream.Send(&vicepb.ReintegrateRequest{Part: &vicepb.ReintegrateRequest_Record{Record: wire.RecordToProto(r)}}); err != nil {
			return err
		}
		for data := l.Contents[r.Number]; len(data) > 0; {
			n := min(len(data), 256<<10)
			if err := stream.Send(&vicepb.ReintegrateRequest{Part: &vicepb.ReintegrateRequest_Data{Data: data[:n]}}); err != nil {
				return err
			}
			data = data[n:]
		}
	}
	return nil
}

// Apply sends the batch and fails the test if it or one of its records is refused.
func (l *Log) Apply() wire.Answer {
	l.c.s.t.Helper()
	a, err := l.Send()
	require.NoError(l.c.s.t, err)
	require.Empty(l.c.s.t, a.Refusals)
	require.Equal(l.c.s.t, l.Records[len(l.Records)-1].Number, a.Done)
	return a
}

// COP2 tells the server which replicas have applied the batch.
func (l *Log) COP2(slots ...int) {
	l.c.s.t.Helper()
	update := &vicepb.UpdateSet{Volume: l.c.Volume, First: l.Records[0].Number, Last: l.Records[len(l.Records)-1].Number}
	for _, slot := range slots {
		update.Slots |= 1 << slot
	}
	ctx, cancel := bounded()
	defer cancel()
	_, err := l.c.Vice.COP2(ctx, &vicepb.COP2Request{Client: wire.ClientIDToProto(l.c.ID), Updates: []*vicepb.UpdateSet{update}},
		grpc.WaitForReady(true))
	require.NoError(l.c.s.t, err)
}

// At gives the same batch, to be sent to another replica by the client's connection to it.
func (l *Log) At(c *Client) *Log {
	return &Log{Records: l.Records, Contents: l.Contents, Connected: l.Connected, c: c}
}

// Resolve has the server resolve objects.
func (c *Client) Resolve(fids ...coda.Fid) []*vicepb.Resolution {
	c.s.t.Helper()
	request := &vicepb.ResolveRequest{}
	for _, f := range fids {
		request.Fids = append(request.Fids, wire.FidToProto(f))
	}
	ctx, cancel := bounded()
	defer cancel()
	reply, err := c.Vice.Resolve(ctx, request, grpc.WaitForReady(true))
	require.NoError(c.s.t, err)
	require.Len(c.s.t, reply.Resolutions, len(fids))
	return reply.Resolutions
}

// Fetched is what a fetch brought.
type Fetched struct {
	Status    coda.Status
	Data      []byte       // of a file
	Entries   []coda.Entry // of a directory
	Promised  bool
	Breaks    uint64
	Unchanged bool
}

// Fetch fetches an object with its contents.
func (c *Client) Fetch(f coda.Fid) (Fetched, error) {
	return c.FetchRequest(&vicepb.FetchRequest{Fid: wire.FidToProto(f), Session: c.Session, Contents: true})
}

// FetchRequest fetches what the request says.
func (c *Client) FetchRequest(request *vicepb.FetchRequest) (Fetched, error) {
	ctx, cancel := bounded()
	defer cancel()
	stream, err := c.Vice.Fetch(ctx, request, grpc.WaitForReady(true))
	if err != nil {
		return Fetched{}, err
	}
	first, err := stream.Recv()
	if err != nil {
		return Fetched{}, err
	}
	head := first.GetHead()
	got := Fetched{Promised: head.GetPromised(), Breaks: head.GetBreaks(), Unchanged: head.GetUnchanged()}
	if got.Status, err = wire.StatusFromProto(head.GetStatus()); err != nil {
		return Fetched{}, err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return Fetched{}, err
		}
		entries, err := wire.EntriesFromProto(part.GetEntries())
		if err != nil {
			return Fetched{}, err
		}
		got.Entries = append(got.Entries, entries...)
		got.Data = append(got.Data, part.GetData()...)
	}
}

// Status fetches an object's status, or fails the test.
func (c *Client) Status(f coda.Fid) coda.Status {
	c.s.t.Helper()
	got, err := c.FetchRequest(&vicepb.FetchRequest{Fid: wire.FidToProto(f)})
	require.NoError(c.s.t, err)
	return got.Status
}

// Callbacks is an open session.
type Callbacks struct {
	Welcome *vicepb.Welcome

	stream grpc.BidiStreamingClient[vicepb.CallbackRequest, vicepb.CallbackEvent]
	cancel context.CancelFunc
	pings  uint64
	rooms  []coda.Room
}

// Open opens a session, which every later request of the client names. It ends with Close, or with the test.
func (c *Client) Open() *Callbacks {
	c.s.t.Helper()
	b, err := c.TryOpen()
	require.NoError(c.s.t, err)
	require.NotNil(c.s.t, b.Welcome)
	return b
}

// TryOpen is Open where the server may refuse.
func (c *Client) TryOpen() (*Callbacks, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c.s.t.Cleanup(cancel)
	stream, err := c.Vice.Callbacks(ctx, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	hello := &vicepb.Hello{Client: wire.ClientIDToProto(c.ID), Name: "test"}
	if err := stream.Send(&vicepb.CallbackRequest{Part: &vicepb.CallbackRequest_Hello{Hello: hello}}); err != nil {
		return nil, err
	}
	event, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	c.Session = event.GetWelcome().GetSession()
	return &Callbacks{Welcome: event.GetWelcome(), stream: stream, cancel: cancel}, nil
}

// Close ends the session from the client's side.
func (b *Callbacks) Close() { b.cancel() }

// Rooms pings, and gives what the session was told of volumes since it was asked last.
func (b *Callbacks) Rooms() (rooms []coda.Room, err error) {
	_, err = b.Sync()
	rooms, b.rooms = b.rooms, nil
	return rooms, err
}

// Sync pings, and gives the breaks that came before the answer.
func (b *Callbacks) Sync() ([]wire.Break, error) {
	b.pings++
	if err := b.stream.Send(&vicepb.CallbackRequest{Part: &vicepb.CallbackRequest_Ping{Ping: b.pings}}); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var breaks []wire.Break
	for {
		event, err := b.stream.Recv()
		if err != nil {
			return breaks, err
		}
		switch part := event.Part.(type) {
		case *vicepb.CallbackEvent_Pong:
			if part.Pong == b.pings {
				return breaks, nil
			}
		case *vicepb.CallbackEvent_Break:
			decoded, err := wire.BreakFromProto(part.Break)
			if err != nil {
				return nil, err
			}
			breaks = append(breaks, decoded)
		case *vicepb.CallbackEvent_Room:
			b.rooms = append(b.rooms, wire.RoomFromProto(part.Room))
		}
	}
}

// Next waits for the next break.
func (b *Callbacks) Next() (wire.Break, error) {
	for {
		event, err := b.stream.Recv()
		if err != nil {
			return wire.Break{}, err
		}
		if event.GetBreak() != nil {
			return wire.BreakFromProto(event.GetBreak())
		}
	}
}

// Acknowledge tells the server that a break was processed.
func (b *Callbacks) Acknowledge(number uint64) error {
	return b.stream.Send(&vicepb.CallbackRequest{Part: &vicepb.CallbackRequest_Acknowledged{Acknowledged: number}})
}

// Wait gives the breaks that come until the server ends the session, and its reason.
func (b *Callbacks) Wait() ([]wire.Break, error) {
	var breaks []wire.Break
	for {
		event, err := b.stream.Recv()
		if err != nil {
			return breaks, err
		}
		if event.GetBreak() == nil {
			continue
		}
		decoded, err := wire.BreakFromProto(event.GetBreak())
		if err != nil {
			return nil, err
		}
		breaks = append(breaks, decoded)
	}
}
