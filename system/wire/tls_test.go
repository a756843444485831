package wire_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// authority signs certificates for nodes.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign("authority", true)
	return a
}

// sign makes a key and a certificate, and writes both as PEM files. Without an authority yet the certificate signs itself.
func (a *authority) sign(name string, isCA bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: isCA,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", private)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert, key
}

func (a *authority) write(file, kind string, der []byte) {
	require.NoError(a.t, os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func (a *authority) files(name string) wire.TLSFiles {
	a.sign(name, false)
	return wire.TLSFiles{
		Certificate: filepath.Join(a.dir, name+".pem"), Key: filepath.Join(a.dir, name+".key"), Authority: filepath.Join(a.dir, "authority.pem"),
	}
}

func TestMutualTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	serverCreds, err := ours.files("server").ServerCredentials()
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(wire.ServerOptions(serverCreds, wire.DefaultLiveness())...)
	vicepb.RegisterViceServer(server, vice{fetch: coda.NotFound})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); require.NoError(t, <-served) })

	call := func(files wire.TLSFiles, serverName string) error {
		cfg := wire.DefaultClientConfig()
		if !files.IsZero() {
			cfg.Credentials, err = files.ClientCredentials(serverName)
			require.NoError(t, err)
		}
		conn, err := wire.Dial(listener.Addr().String(), cfg)
		require.NoError(t, err)
		defer conn.Close()
		stream, err := vicepb.NewViceClient(conn).Fetch(t.Context(), &vicepb.FetchRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	require.ErrorIs(t, call(ours.files("client"), "server"), coda.NotFound)
	require.ErrorIs(t, call(theirs.files("client"), "server"), coda.TimedOut, "a client of another authority")
	require.ErrorIs(t, call(ours.files("client"), "other"), coda.TimedOut, "a server of another name")
	require.ErrorIs(t, call(wire.TLSFiles{}, ""), coda.TimedOut, "a client without TLS")

	_, err = wire.TLSFiles{Certificate: "/no/such", Key: "/no/such", Authority: "/no/such"}.ServerCredentials()
	require.ErrorIs(t, err, os.ErrNotExist)
}
