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
		c = &http.Client{Transport: defaultTransport()}
	}
	out := *c
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &out
}

// defaultTransport is shared by all clients that were not given one; WithHTTPClient
// tells how it differs from net/http's.
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
