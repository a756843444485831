package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// lifetime of certificates: longer than any run, too short to be of use to who finds one.
const lifetime = 7 * 24 * time.Hour

// Identity is what a party needs for mutual TLS, in PEM.
type Identity struct {
	Authority   string `json:"authority"`   // whose certificates it trusts
	Certificate string `json:"certificate"` // for its name, as server and as client
	Key         string `json:"key"`
}

// authority is a certificate authority that lives as long as a cluster. Its key is only in memory.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

// newAuthority makes an authority. P-256 because its handshakes are cheap.
func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of the authority %s: %w", name, err)
	}
	template, err := certificateFor(name)
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing the authority %s: %w", name, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the authority %s: %w", name, err)
	}
	return &authority{certificate: certificate, key: key, pem: inPEM("CERTIFICATE", der)}, nil
}

// issue makes an identity whose certificate is for one name.
func (a *authority) issue(name string) (Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Identity{}, fmt.Errorf("making the key of %s: %w", name, err)
	}
	template, err := certificateFor(name)
	if err != nil {
		return Identity{}, err
	}
	template.DNSNames = []string{name}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Identity{}, fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Identity{}, fmt.Errorf("writing the key of %s: %w", name, err)
	}
	return Identity{Authority: a.pem, Certificate: inPEM("CERTIFICATE", der), Key: inPEM("PRIVATE KEY", secret)}, nil
}

// certificateFor is what all certificates have in common. It begins in the past, since clocks of an engine's machine may be behind.
func certificateFor(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("numbering the certificate of %s: %w", name, err)
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime),
	}, nil
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// ClientTLS is for connections to a party whose certificate is for serverName, wherever it is reached.
func (i Identity) ClientTLS(serverName string) (*tls.Config, error) {
	config, pool, err := i.load()
	if err != nil {
		return nil, err
	}
	config.RootCAs, config.ServerName = pool, serverName
	return config, nil
}

// ServerTLS asks every client for a certificate of the authority.
func (i Identity) ServerTLS() (*tls.Config, error) {
	config, pool, err := i.load()
	if err != nil {
		return nil, err
	}
	config.ClientCAs, config.ClientAuth = pool, tls.RequireAndVerifyClientCert
	return config, nil
}

func (i Identity) load() (*tls.Config, *x509.CertPool, error) {
	certificate, err := tls.X509KeyPair([]byte(i.Certificate), []byte(i.Key))
	if err != nil {
		return nil, nil, fmt.Errorf("reading a certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(i.Authority)) {
		return nil, nil, fmt.Errorf("reading an authority: no certificate in %q", i.Authority)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}, pool, nil
}
