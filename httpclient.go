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
//   - it speaks HTTP/1.1 only. The HTTP/2 client of net/http repeats some requests on its
//     own, even a create that the service may have carried out, and keeps using a connection
//     that has died silently. At the service's limit of ten requests a second, HTTP/2 would not
//     be faster. Only a DialTLSContext of http.DefaultTransport's own may negotiate HTTP/2;
//   - TLS 1.2 is the minimum version;
//   - response headers are limited to 1 MiB;
//   - all idle connections may be to one host;
//   - idle connections are closed after at most 30 seconds, because a create on a connection that
//     the service has just closed has an unknown outcome;
//   - if a proxy refuses to connect, the error names the proxy and its status.
//
// As long as [http.DefaultTransport] is the same [*http.Transport], every call returns the same
// copy, which [New] uses too, so that clients share connections: do not change it. If
// [http.DefaultTransport] is anything else, such as a test's mock, it is used unchanged.
func DefaultTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	c, _ := copies.LoadOrStore(t, copyTransport(t))
	return c.(*http.Transport) //nolint:forcetypeassert // copies has no others
}

const maxIdle = 30 * time.Second

var copies sync.Map // from each *http.Transport seen to its copy

func copyTransport(t *http.Transport) *http.Transport {
	t = t.Clone()
	t.MaxIdleConnsPerHost = max(t.MaxIdleConnsPerHost, t.MaxIdleConns)
	if t.IdleConnTimeout == 0 || t.IdleConnTimeout > maxIdle {
		t.IdleConnTimeout = maxIdle
	}
	t.MaxResponseHeaderBytes = 1 << 20
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	t.TLSClientConfig.MinVersion = max(t.TLSClientConfig.MinVersion, tls.VersionTLS12)
	if t.DialTLSContext == nil && t.DialTLS == nil { //nolint:staticcheck // deprecated, but in use
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
		// These outlive Protocols in a copy of a transport that was used before.
		t.ForceAttemptHTTP2, t.TLSNextProto, t.TLSClientConfig.NextProtos = false, nil, nil
	}
	t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		return &transport.ProxyError{URL: proxy, Status: resp.Status, Code: resp.StatusCode}
	}
	return t
}
