package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/wire/vicepb"
)

// Nobody gets a buffer that somebody else still has.
func TestBuffersBelongToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s buffers
		type held struct {
			buffer *[]byte
			mark   byte
		}
		var all []held
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(all) > 0 && rapid.Bool().Draw(t, "give back") {
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				require.Equal(t, len(*all[i].buffer), bytes.Count(*all[i].buffer, []byte{all[i].mark}))
				s.Put(all[i].buffer)
				all = append(all[:i], all[i+1:]...)
				continue
			}
			length := rapid.OneOf(rapid.IntRange(0, 5000), rapid.Just(1<<14), rapid.Just(1<<14+1)).Draw(t, "length")
			h := held{s.Get(length), byte(step)}
			require.Len(t, *h.buffer, length)
			for i := range *h.buffer {
				(*h.buffer)[i] = h.mark
			}
			all = append(all, h)
		}
	})
}

// What is encoded into memory that was used before, or decoded from several pieces, is the same message.
func TestCodecKeepsMessages(t *testing.T) {
	c := codec{&buffers{}}
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		data := make([]byte, random.IntN(100_000))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		sent := &vicepb.FetchReply{Part: &vicepb.FetchReply_Data{Data: data}}
		encoded, err := c.Marshal(sent)
		require.NoError(t, err)
		whole := encoded.Materialize()
		encoded.Free()
		cut := random.IntN(len(whole) + 1)
		var got vicepb.FetchReply
		require.NoError(t, c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(whole[:cut]), mem.SliceBuffer(whole[cut:])}, &got))
		require.True(t, proto.Equal(sent, &got))
	}
	_, err := c.Marshal("no message")
	require.Error(t, err)
	require.Error(t, c.Unmarshal(mem.BufferSlice{mem.SliceBuffer{0xff}}, &vicepb.FetchReply{}))
}

// TestContentsTakeTheMemoryOfThoseBefore decodes messages one after the other into one that keeps the memory of its contents.
func TestContentsTakeTheMemoryOfThoseBefore(t *testing.T) {
	c := codec{&buffers{}}
	contents := &vicepb.FetchReply_Data{Data: make([]byte, 0, 100)}
	memory := contents.Data[:100]
	var into vicepb.FetchReply
	for _, sent := range []*vicepb.FetchReply{
		{Part: &vicepb.FetchReply_Data{Data: []byte("long contents")}},
		{Part: &vicepb.FetchReply_Head{Head: &vicepb.FetchHead{Breaks: 7}}},
		{Part: &vicepb.FetchReply_Data{Data: []byte("short")}},
		{Part: &vicepb.FetchReply_Data{}},
		{},
	} {
		encoded, err := c.Marshal(sent)
		require.NoError(t, err)
		into.Part = contents
		require.NoError(t, c.Unmarshal(encoded, &into))
		require.True(t, proto.Equal(sent, &into), "%v is not %v", &into, sent)
		if data := into.GetData(); len(data) > 0 {
			require.Same(t, &memory[0], &data[0])
		}
	}
}
