package wire

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
)

func unaryServerErrors(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	reply, err := handler(ctx, req)
	return reply, Error(err)
}

func streamServerErrors(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return Error(handler(srv, stream))
}

func unaryClientErrors(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return FromError(method, invoke(ctx, method, req, reply, cc, opts...))
}

func streamClientErrors(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, FromError(method, err)
	}
	return &clientStream{ClientStream: s, method: method}, nil
}

// clientStream converts the errors of a stream. io.EOF stays what it is: the end of what the peer sends, or from SendMsg the advice to
// ask RecvMsg for the reason.
type clientStream struct {
	grpc.ClientStream
	method string
}

func (s *clientStream) convert(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	return FromError(s.method, err)
}

func (s *clientStream) SendMsg(m any) error { return s.convert(s.ClientStream.SendMsg(m)) }

func (s *clientStream) RecvMsg(m any) error { return s.convert(s.ClientStream.RecvMsg(m)) }

func (s *clientStream) CloseSend() error { return s.convert(s.ClientStream.CloseSend()) }
