package wire

import (
	"fmt"
	"math/bits"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/codastress/codastress/system/wire/vicepb"
)

// buffers are the memory of messages on their way, used again and again. Unlike gRPC's own pool it has all powers of two and does not clear them:
// there, a message of 33 KiB has a megabyte cleared for it. Whoever gets a buffer fills it.
type buffers struct {
	pools [largestBuffer + 1]sync.Pool // of *[]byte, by the logarithm of their length
}

var _ mem.BufferPool = (*buffers)(nil)

const (
	smallestBuffer = 11 // the logarithm of the length of the shortest: gRPC gives none of up to 1 KiB back
	largestBuffer  = 22 // and of the longest: MaxMessage
)

// Get implements mem.BufferPool.
func (s *buffers) Get(length int) *[]byte {
	class := max(smallestBuffer, bits.Len(uint(max(length, 1)-1)))
	if class > largestBuffer || mem.IsBelowBufferPoolingThreshold(length) {
		b := make([]byte, length)
		return &b
	}
	b, ok := s.pools[class].Get().(*[]byte)
	if !ok {
		b = new([]byte)
		*b = make([]byte, 1<<class)
	}
	*b = (*b)[:length]
	return b
}

// Put implements mem.BufferPool.
func (s *buffers) Put(b *[]byte) {
	class := bits.Len(uint(cap(*b))) - 1
	if class < smallestBuffer || class > largestBuffer || cap(*b) != 1<<class {
		return // it was not made here
	}
	s.pools[class].Put(b)
}

// codec is gRPC's codec of protocol buffers with other memory.
type codec struct{ buffers *buffers }

var _ encoding.CodecV2 = codec{}

// Name implements encoding.CodecV2.
func (codec) Name() string { return grpcproto.Name }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	message, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("encode a message: %T is none", v)
	}
	buffer := c.buffers.Get(proto.Size(message)) // which caches the sizes
	written, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend((*buffer)[:0], message)
	if err != nil {
		c.buffers.Put(buffer)
		return nil, fmt.Errorf("encode a message: %w", err)
	}
	*buffer = written
	return mem.BufferSlice{mem.NewBuffer(buffer, c.buffers)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	message, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("decode a message: %T is none", v)
	}
	whole := data.MaterializeToBuffer(c.buffers)
	defer whole.Free()
	if receivedAgain(whole.ReadOnlyData(), message) {
		return nil
	}
	if err := proto.Unmarshal(whole.ReadOnlyData(), message); err != nil {
		return fmt.Errorf("decode a message: %w", err)
	}
	return nil
}

// receivedAgain decodes contents into a message that is made for contents already, whose memory they take. It does nothing with other messages. Contents
// are nearly all that is sent, and each piece of them would have memory of its own otherwise.
func receivedAgain(encoded []byte, message proto.Message) bool {
	switch m := message.(type) {
	case *vicepb.FetchReply:
		if part, ok := m.Part.(*vicepb.FetchReply_Data); ok {
			return onlyField(encoded, 2, &part.Data)
		}
	case *vicepb.ReintegrateRequest:
		if part, ok := m.Part.(*vicepb.ReintegrateRequest_Data); ok {
			return onlyField(encoded, 3, &part.Data)
		}
	}
	return false
}

// onlyField copies a field of bytes if there is nothing else in a message.
func onlyField(encoded []byte, field protowire.Number, to *[]byte) bool {
	number, kind, n := protowire.ConsumeTag(encoded)
	if n < 0 || number != field || kind != protowire.BytesType {
		return false
	}
	value, m := protowire.ConsumeBytes(encoded[n:])
	if m < 0 || n+m != len(encoded) {
		return false
	}
	*to = append((*to)[:0], value...)
	return true
}

// serverMemory has a server use buffers.
func serverMemory(s *buffers) []grpc.ServerOption {
	return []grpc.ServerOption{experimental.BufferPool(s), grpc.ForceServerCodecV2(codec{s})}
}

// clientMemory has a client use buffers.
func clientMemory(s *buffers) []grpc.DialOption {
	return []grpc.DialOption{experimental.WithBufferPool(s), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{s}))}
}
