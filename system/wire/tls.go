package wire

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"google.golang.org/grpc/credentials"
)

// TLSFiles names the PEM files of one node: its certificate, the key, and the authority that signed the certificates of its peers.
type TLSFiles struct {
	Certificate string
	Key         string
	Authority   string
}

// IsZero reports whether no file is named, which means no TLS.
func (f TLSFiles) IsZero() bool { return f == TLSFiles{} }

// ServerCredentials are those of a server that asks every client for a certificate of the authority.
func (f TLSFiles) ServerCredentials() (credentials.TransportCredentials, error) {
	certificate, authority, err := f.load()
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    authority,
		MinVersion:   tls.VersionTLS13,
	}), nil
}

// ClientCredentials are those of a client that expects the server's certificate to be for serverName.
func (f TLSFiles) ClientCredentials(serverName string) (credentials.TransportCredentials, error) {
	config, err := f.ClientConfig(serverName)
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(config), nil
}

// ClientConfig is what ClientCredentials are made of. The server's name is fixed rather than taken from the address because connections go
// through proxies.
func (f TLSFiles) ClientConfig(serverName string) (*tls.Config, error) {
	certificate, authority, err := f.load()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		RootCAs:      authority,
		ServerName:   serverName,
		MinVersion:   tls.VersionTLS13,
	}, nil
}

func (f TLSFiles) load() (tls.Certificate, *x509.CertPool, error) {
	certificate, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("load certificate %s and key %s: %w", f.Certificate, f.Key, err)
	}
	pem, err := os.ReadFile(f.Authority)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("load certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return tls.Certificate{}, nil, fmt.Errorf("load certificate authority %s: no PEM certificate in it", f.Authority)
	}
	return certificate, pool, nil
}
