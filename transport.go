package customizers

import (
	"crypto/tls"
	"net/http"
	"sync"
	"time"
)

// noRedirects is a copy of c that hands a redirect back instead of following it.
func noRedirects(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{Transport: DefaultTransport()}
	}
	out := *c
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &out
}

// DefaultTransport is the transport of the clients that were not made with
// [WithHTTPClient], to be wrapped by one that traces or logs requests.
//
// It is net/http's default with TLS 1.2 at least, response headers of at most 1 MiB, all
// idle connections for the one host that calls go to, and 30 seconds for these, since one
// that the service has closed meanwhile would leave the outcome of a create unknown. When
// a program has put a transport that is no [*http.Transport] in place of net/http's
// default, it is that. All clients share it and its connections: do not change it.
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
	return t
})
