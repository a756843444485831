package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"
)

// calls makes hundreds of calls and streams over connections in memory, with TLS.
func calls(ctx context.Context, t *trace, round int) {
	listener := bufconn.Listen(1 << 16)
	certificate, roots := identity()
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 100 * time.Millisecond}),
	)
	pb.RegisterTestServiceServer(server, &service{trace: t})
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(listener) })
	for i := range 3 {
		wg.Go(func() { client(ctx, t, listener, roots, round*10+i) })
	}
	time.Sleep(time.Minute)
	server.GracefulStop()
	wg.Wait()
}

type service struct {
	pb.UnimplementedTestServiceServer
	trace *trace
}

func (s *service) UnaryCall(_ context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	s.trace.add("calls", "served", in.ResponseSize)
	time.Sleep(time.Duration(in.ResponseSize%7) * time.Millisecond)
	return &pb.SimpleResponse{Payload: &pb.Payload{Body: make([]byte, in.ResponseSize)}}, nil
}

func (s *service) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil
		}
		s.trace.add("calls", "streamed", len(in.Payload.GetBody()))
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: in.Payload}); err != nil {
			return err
		}
	}
}

func client(ctx context.Context, t *trace, listener *bufconn.Listener, roots *x509.CertPool, id int) {
	conn, err := grpc.NewClient("passthrough:///server",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "server"})))
	if err != nil {
		t.add("calls", "failed", err)
		return
	}
	defer conn.Close()
	c := pb.NewTestServiceClient(conn)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			out, err := c.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: int32(10 * i)})
			t.add("calls", id, i, len(out.GetPayload().GetBody()), err)
		})
	}
	for i := range 20 {
		wg.Go(func() { stream(ctx, t, c, id, i) })
	}
	wg.Wait()
}

func stream(ctx context.Context, t *trace, c pb.TestServiceClient, id, i int) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := c.FullDuplexCall(ctx)
	if err != nil {
		t.add("calls", id, i, "no stream", err)
		return
	}
	for j := range 5 {
		if err := s.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: make([]byte, 100*j)}}); err != nil {
			t.add("calls", id, i, "not sent", err)
			return
		}
		in, err := s.Recv()
		t.add("calls", id, i, j, len(in.GetPayload().GetBody()), err)
	}
	_ = s.CloseSend()
	_, _ = s.Recv()
}

// identity is a certificate for "server", and what trusts it.
func identity() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
