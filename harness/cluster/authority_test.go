package cluster

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// shake lets a client and a server shake hands and returns what each says of it.
func shake(t *testing.T, client, server *tls.Config) (clientSays, serverSays error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close() //nolint:errcheck // the test is over
	served := make(chan error, 1)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			err = tls.Server(connection, server).HandshakeContext(t.Context())
			_ = connection.Close()
		}
		served <- err
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer connection.Close() //nolint:errcheck // the test is over
	clientSays = tls.Client(connection, client).HandshakeContext(t.Context())
	if clientSays != nil {
		_ = connection.Close()
	}
	return clientSays, <-served
}

func TestIdentitiesOfOneAuthorityTrustEachOther(t *testing.T) {
	ours, err := newAuthority("ours")
	require.NoError(t, err)
	theirs, err := newAuthority("theirs")
	require.NoError(t, err)
	identity := func(from *authority, name string) Identity {
		issued, err := from.issue(name)
		require.NoError(t, err)
		return issued
	}
	server, err := identity(ours, "server1").ServerTLS()
	require.NoError(t, err)
	client := func(i Identity, expects string) *tls.Config {
		config, err := i.ClientTLS(expects)
		require.NoError(t, err)
		return config
	}

	clientSays, serverSays := shake(t, client(identity(ours, "client1"), "server1"), server)
	require.NoError(t, clientSays)
	require.NoError(t, serverSays)

	clientSays, _ = shake(t, client(identity(ours, "client1"), "server2"), server)
	require.ErrorContains(t, clientSays, "server2", "the certificate is for server1")

	clientSays, _ = shake(t, client(identity(theirs, "client1"), "server1"), server)
	require.Error(t, clientSays, "the server's authority is not the client's")

	stranger := identity(theirs, "client1")
	stranger.Authority = ours.pem
	_, serverSays = shake(t, client(stranger, "server1"), server)
	require.Error(t, serverSays, "a client of another authority")

	anonymous := client(identity(ours, "client1"), "server1")
	anonymous.Certificates = nil
	_, serverSays = shake(t, anonymous, server)
	require.Error(t, serverSays, "a client without a certificate")

	_, err = Identity{}.ClientTLS("server1")
	require.Error(t, err)
}
