package customizers

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/connector-customizers/customizers/internal/transport"
)

// DefaultTransport returns the transport of clients made without [WithHTTPClient]. Wrap it
// to trace or log requests.
//
// It is a copy of [http.DefaultTransport] with these changes:
//
//   - TLS 1.2 is the minimum version;
//   - response headers are limited to 1 MiB;
//   - all idle connections may be to one host;
//   - idle connections are closed after 30 seconds, because a create on a connection that
//     the service has just closed has an unknown outcome;
//   - if a proxy refuses to connect, the error names the proxy and its status.
//
// If the program has replaced [http.DefaultTransport] by something other than an
// [*http.Transport], DefaultTransport returns that. All clients share the transport: do not
// change it.
func DefaultTransport() http.RoundTripper { return defaultTransport() }

var defaultTransport = sync.OnceValue(func() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = t.MaxIdleConns
	t.IdleConnTimeout = 30 * time.Second
	t.MaxResponseHeaderBytes = 1 << 20
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	t.TLSClientConfig.MinVersion = max(t.TLSClientConfig.MinVersion, tls.VersionTLS12)
	t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		return &transport.ProxyError{URL: proxy, Status: resp.Status, Code: resp.StatusCode}
	}
	return t
})
