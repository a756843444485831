package vice_test

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
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/peerpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{pool: x509.NewCertPool()}
	a.certificate, a.key = a.sign(t, "authority")
	a.pool.AddCert(a.certificate)
	return a
}

func (a *authority) sign(t *testing.T, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: a.key == nil,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate, key
}

func (a *authority) identity(t *testing.T, name string) tls.Certificate {
	certificate, key := a.sign(t, name)
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
}

// Nothing is answered to who has no certificate of the authority, and nothing that is among servers to a client's.
func TestCertificates(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	server, err := vice.Open(t.Context(), vice.Config{
		Disk: simdisk.New(), Dir: "/vice", Volume: "home",
		Replication: vice.Replication{Peers: []vice.Peer{{Name: "server0"}, {Name: "server1"}}},
	})
	require.NoError(t, err)
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(context.Background(), listener, credentials.NewTLS(&tls.Config{
			Certificates: []tls.Certificate{ours.identity(t, "server0")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool, MinVersion: tls.VersionTLS13,
		}))
	}()
	t.Cleanup(func() {
		require.NoError(t, server.Close(context.Background()))
		require.NoError(t, <-served)
	})
	client := func(certificates ...tls.Certificate) *grpc.ClientConn {
		cfg := wire.DefaultClientConfig()
		cfg.Dialer = func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
		cfg.Credentials = credentials.NewTLS(&tls.Config{Certificates: certificates, RootCAs: ours.pool, ServerName: "server0", MinVersion: tls.VersionTLS13})
		conn, err := wire.Dial("server", cfg)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	// ask calls a method with a message that has nothing in it, and gives the error.
	ask := func(conn *grpc.ClientConn, service string, method string, streams bool) error {
		ctx, cancel := context.WithTimeout(t.Context(), callTime)
		defer cancel()
		if !streams {
			return conn.Invoke(ctx, "/"+service+"/"+method, &emptypb.Empty{}, &emptypb.Empty{})
		}
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/"+service+"/"+method)
		if err != nil {
			return err
		}
		if err := stream.SendMsg(&emptypb.Empty{}); err == nil {
			_ = stream.CloseSend()
		}
		return stream.RecvMsg(&emptypb.Empty{})
	}
	without, stranger := client(), client(others.identity(t, "client1"))
	aClient, aServer := client(ours.identity(t, "client1")), client(ours.identity(t, "server1"))
	for _, service := range []grpc.ServiceDesc{vicepb.Vice_ServiceDesc, vicepb.Auth_ServiceDesc, peerpb.Peer_ServiceDesc} {
		methods := map[string]bool{}
		for _, m := range service.Methods {
			methods[m.MethodName] = false
		}
		for _, s := range service.Streams {
			methods[s.StreamName] = true
		}
		for method, streams := range methods {
			require.ErrorIs(t, ask(without, service.ServiceName, method, streams), coda.TimedOut, "%s without a certificate", method)
			require.ErrorIs(t, ask(stranger, service.ServiceName, method, streams), coda.TimedOut, "%s with another authority's certificate", method)
			err := ask(aClient, service.ServiceName, method, streams)
			if service.ServiceName == peerpb.Peer_ServiceDesc.ServiceName {
				require.ErrorIs(t, err, coda.Permission, "%s with a client's certificate", method)
				require.NotEqual(t, coda.Permission, coda.KindOf(ask(aServer, service.ServiceName, method, streams)), "%s with a server's certificate", method)
			} else {
				require.NotEqual(t, coda.TimedOut, coda.KindOf(err), "%s with a client's certificate", method)
			}
		}
	}
}
