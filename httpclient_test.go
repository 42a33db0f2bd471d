package customizers_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

func TestDefaultTransport(t *testing.T) {
	t.Parallel()
	transport, ok := customizers.DefaultTransport().(*http.Transport)
	require.True(t, ok)
	assert.GreaterOrEqual(t, transport.TLSClientConfig.MinVersion, uint16(tls.VersionTLS12))
	assert.Equal(t, int64(1<<20), transport.MaxResponseHeaderBytes)
	assert.NotNil(t, transport.Proxy)
	assert.Positive(t, transport.ExpectContinueTimeout)
	assert.LessOrEqual(t, transport.IdleConnTimeout, 30*time.Second)
	assert.Equal(t, transport.MaxIdleConns, transport.MaxIdleConnsPerHost)
	assert.NotSame(t, http.DefaultTransport, transport)
	assert.Same(t, transport, customizers.DefaultTransport(), "shared")
}

func TestCallersHTTPClientIsNotChanged(t *testing.T) {
	t.Parallel()
	h := &http.Client{}
	newClient(t, "acme", customizers.TokenSource(static("t")), customizers.WithHTTPClient(h))
	assert.Equal(t, &http.Client{}, h)
}

// The Timeout limits each attempt. If it ends a create, the outcome is unknown.
func TestHTTPClientTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := newScript(hang, respond(200, "[]"))
		c := newClient(t, "acme", customizers.TokenSource(static("t")), customizers.WithHTTPClient(&http.Client{Transport: wire, Timeout: time.Second}))
		require.NoError(t, list(t.Context(), c))
		assert.Len(t, wire.requests, 2)

		wire = newScript(hang)
		c = newClient(t, "acme", customizers.TokenSource(static("t")), customizers.WithHTTPClient(&http.Client{Transport: wire, Timeout: time.Second}))
		_, err := c.Create(t.Context(), customizers.CreateRequest{Name: "n"})
		requireFailure(t, err, customizers.ErrConnection, customizers.ErrOutcomeUnknown)
		assert.Len(t, wire.requests, 1)
	})
}

// No connection is made with less than TLS 1.2.
func TestTLS(t *testing.T) {
	t.Parallel()
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
		srv.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
		srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		transport := customizers.DefaultTransport().(*http.Transport).Clone()
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AddCert(srv.Certificate())
		t.Cleanup(transport.CloseIdleConnections)
		c := newClient(t, srv.URL, customizers.TokenSource(static("token")), quick, customizers.WithHTTPClient(&http.Client{Transport: transport}))
		err := list(testContext(t), c)
		if ok {
			require.NoError(t, err)
		} else {
			requireFailure(t, err, customizers.ErrConnection)
		}
	}
}

// If a proxy refuses to connect, the error names it and its status. The tenant received
// nothing, so the outcome of a create is known. A status of 500 or above is retried.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	for status, attempts := range map[int]int32{400: 1, 403: 1, 404: 1, 407: 1, 500: 4, 502: 4, 503: 4, 504: 4} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			var connects atomic.Int32
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, http.MethodConnect, r.Method)
				connects.Add(1)
				w.WriteHeader(status)
			}))
			t.Cleanup(proxy.Close)
			address, err := url.Parse(proxy.URL)
			require.NoError(t, err)
			address.User = url.UserPassword("user", "hush-hush")
			transport := customizers.DefaultTransport().(*http.Transport).Clone()
			transport.Proxy = http.ProxyURL(address)
			for name, auth := range map[string]customizers.Auth{"token": customizers.ClientCredentials("id", "secret"), "create": customizers.TokenSource(static("token"))} {
				connects.Store(0)
				c := newClient(t, "acme", auth, quick, customizers.WithHTTPClient(&http.Client{Transport: transport}))
				_, err = c.Create(testContext(t), customizers.CreateRequest{Name: "n"})
				requireFailure(t, err, customizers.ErrConnection)
				require.ErrorContains(t, err, fmt.Sprintf("the proxy %s refused to connect: %d", proxy.URL, status), name)
				assert.NotContains(t, err.Error(), "hush-hush")
				assert.Equal(t, attempts, connects.Load(), name)
			}
		})
	}
}
