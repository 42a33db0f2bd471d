package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		"certificate is for a.acme.com, 10.0.0.1":           &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a.acme.com"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}}}},
		"is for 1, 2, 3, 4, 5, others":                      x509.HostnameError{Certificate: &x509.Certificate{DNSNames: strings.Fields("1 2 3 4 5 6 7")}},
		"is for old.acme.com":                               x509.HostnameError{Certificate: &x509.Certificate{Subject: pkix.Name{CommonName: "old.acme.com"}}},
		"is for no host":                                    x509.HostnameError{Certificate: &x509.Certificate{}},
		"set GODEBUG=x509negativeserial=1":                  errors.New("tls: failed to parse certificate from server: x509: negative serial number"),
		"CA certificate that signed the server":             x509.SystemRootsError{},
		"check this machine's clock":                        &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}},
		"does not speak TLS":                                tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		"name and DNS: the host of " + base + " is unknown": &net.DNSError{Err: "no such host", IsNotFound: true},
		"check the network, the firewall and the proxy (":   &net.DNSError{Err: "dial udp: connect: network is unreachable", IsTemporary: true},
		"check the network, the firewall and the proxy":     &net.OpError{Op: "dial", Err: errors.New("connection refused")},
	} {
		advice := connectionAdvice(fmt.Errorf("wrapped: %w", err), base)
		assert.Contains(t, advice, says)
		assert.NotContains(t, advice, "hush-hush")
	}
}

// SSL_CERT_FILE may name a file without certificates.
func TestCertFileAdvice(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	der := srv.Certificate().Raw
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hush-hush")})
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("SSL_CERT_FILE is not used")
	}
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		data []byte
		says string
	}{
		"a.pem":       {block, ""},
		"key-and-pem": {append(key, block...), ""},
		"empty":       {nil, "is empty"},
		"a.der":       {der, "is in DER form"},
		"key":         {key, "has no certificate in PEM form"},
		"text":        {[]byte("<html>"), "has no certificate in PEM form"},
		"cut off":     {block[:len(block)/2], "has no certificate in PEM form"},
		".":           {nil, "can't be read: is a directory"},
		"missing":     {nil, "can't be read: no such file"},
		"":            {nil, ""},
	} {
		path := filepath.Join(dir, name)
		switch name {
		case "":
			path = ""
		case ".", "missing":
		default:
			require.NoError(t, os.WriteFile(path, tt.data, 0o600))
		}
		t.Setenv("SSL_CERT_FILE", path)
		advice := connectionAdvice(x509.UnknownAuthorityError{}, "https://acme.api.identitynow.com")
		assert.NotContains(t, advice, "hush-hush")
		if tt.says == "" {
			assert.Contains(t, advice, "add the CA certificate", name)
		} else {
			assert.Contains(t, advice, "correct SSL_CERT_FILE: "+path+" "+tt.says, name)
		}
	}
}

// A certificate with a negative serial number can't be parsed at all.
func TestNegativeSerialNumber(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(0x7f)}, &x509.Certificate{}, key.Public(), key)
	require.NoError(t, err)
	der = bytes.Replace(der, []byte{2, 1, 0x7f}, []byte{2, 1, 0xff}, 1)
	srv := httptest.NewUnstartedServer(nil) // StartTLS would parse the certificate
	srv.Listener = tls.NewListener(srv.Listener, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	t.Setenv("SAIL_BASE_URL", strings.Replace(srv.URL, "http:", "https:", 1))
	t.Setenv("SAIL_CLIENT_ID", "id")
	t.Setenv("SAIL_CLIENT_SECRET", "secret")
	code, stdout, _ := runDoctor(t.Context(), t)
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, stdout, "GODEBUG=x509negativeserial=1")
	var stderr bytes.Buffer
	assert.Equal(t, exitFailure, run(t.Context(), []string{"list", "--max-wait", "1ns"}, nil, io.Discard, &stderr))
	assert.Contains(t, stderr.String(), "GODEBUG=x509negativeserial=1")
}

// A page of a firewall says nothing about the credentials, an error of the service does.
func TestIntermediary(t *testing.T) {
	const page = "<html><head><title>ERROR: The request could not be satisfied</title></head></html>"
	const serviceError = `{"detailCode":"403 Forbidden","trackingId":"x","messages":[{"text":"Forbidden"}]}`
	for name, tt := range map[string]struct {
		path, kind, body string
		status           int
		front            bool
	}{
		"page for a token":  {"/oauth/token", "text/html", page, 403, true},
		"page for a list":   {"/v2024/connector-customizers", "text/html", page, 403, true},
		"page for the info": {"/oauth/info", "text/html", page, 403, true},
		"the service, list": {"/v2024/connector-customizers", "application/json", serviceError, 403, false},
		"another URL":       {"/v2024/connector-customizers", "text/html", page, 404, false},
	} {
		t.Run(name, func(t *testing.T) {
			serveTenant(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case tt.path:
					w.Header().Set("Content-Type", tt.kind)
					w.WriteHeader(tt.status)
					_, _ = io.WriteString(w, tt.body)
				case "/oauth/token":
					_, _ = io.WriteString(w, `{"access_token":"t","token_type":"bearer","expires_in":749}`)
				default:
					_, _ = io.WriteString(w, "{}")
				}
			}))
			_, stdout, _ := runDoctor(t.Context(), t)
			assert.Equal(t, tt.front, strings.Contains(stdout, intermediaryAdvice), stdout)
			if tt.front {
				assert.NotContains(t, stdout, "ORG_ADMIN")
				assert.NotContains(t, stdout, "access token")
			}
			if tt.path == "/oauth/info" {
				assert.Contains(t, stdout, "ERROR: The request could not be satisfied")
				return
			}
			var stderr bytes.Buffer
			run(t.Context(), []string{"list", "--max-wait", "1ns"}, nil, io.Discard, &stderr)
			assert.Equal(t, tt.front, strings.Contains(stderr.String(), intermediaryAdvice), stderr.String())
		})
	}
}

func TestCheckProxy(t *testing.T) {
	t.Setenv("https_proxy", "")
	for value, ok := range map[string]bool{"": true, "proxy:3128": true, "http://user:p%40ss@proxy:3128": true, "http://user:pa%ss@proxy:1": false, "http://": false} {
		t.Setenv("HTTPS_PROXY", value)
		err := checkProxy()
		assert.Equal(t, ok, err == nil, value)
		if err != nil {
			assert.Equal(t, "HTTPS_PROXY is not the URL of a proxy", err.Error())
		}
	}
	for value, says := range map[string]string{
		"http://a b": "contains white space", "http://proxy:3128\n": "contains white space", " http://proxy:3128": "contains white space",
		`"http://user:hush-hush@proxy:3128"`: "is in quotes", "'proxy:3128'": "is in quotes", `http://proxy:3128"`: "is in quotes",
	} {
		t.Setenv("HTTPS_PROXY", value)
		assert.EqualError(t, checkProxy(), "HTTPS_PROXY "+says, value)
	}
}
