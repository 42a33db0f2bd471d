package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/connector-customizers/customizers/internal/transport"
)

func TestConnectionAdvice(t *testing.T) {
	const base = "https://acme.api.identitynow.com"
	for says, err := range map[string]error{
		"ask for access to " + base + " at the proxy http://proxy:3128": &transport.ProxyError{
			URL: &url.URL{Scheme: "http", User: url.UserPassword("user", "hush-hush"), Host: "proxy:3128"}, Status: "403 Forbidden", Code: 403,
		},
		"check the proxy in HTTPS_PROXY":                    &net.OpError{Op: "proxyconnect", Err: errors.New("connection refused")},
		"SSL_CERT_FILE":                                     &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"certificate is for another name":                   &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}}},
		"check this machine's clock":                        &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}},
		"does not speak TLS":                                tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		"name and DNS: the host of " + base + " is unknown": &net.DNSError{Err: "no such host", IsNotFound: true},
		"check the network, the firewall and the proxy":     &net.OpError{Op: "dial", Err: errors.New("connection refused")},
	} {
		advice := connectionAdvice(fmt.Errorf("wrapped: %w", err), base)
		assert.Contains(t, advice, says)
		assert.NotContains(t, advice, "hush-hush")
	}
}

func TestCheckProxy(t *testing.T) {
	t.Setenv("https_proxy", "")
	for value, ok := range map[string]bool{"": true, "proxy:3128": true, "http://user:p%40ss@proxy:3128": true, "http://user:pa%ss@proxy:1": false, "http://": false, "http://a b": false} {
		t.Setenv("HTTPS_PROXY", value)
		err := checkProxy()
		assert.Equal(t, ok, err == nil, value)
		if err != nil {
			assert.Equal(t, "HTTPS_PROXY is not the URL of a proxy", err.Error())
		}
	}
}
