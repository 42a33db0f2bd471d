package soak

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/connector-customizers/customizers"
)

// A way leads from clients to the tenant, through Toxiproxy.
type way struct {
	name              string
	tls, http2, proxy bool
}

var ways = []way{
	{name: "in clear"},
	{name: "TLS", tls: true},
	{name: "HTTP/2", tls: true, http2: true},
	{name: "CONNECT", tls: true, proxy: true},
}

// transport returns a transport of its own connections. It is the SDK's but for HTTP/2, which
// only a client of the caller speaks.
func (r *round) transport() *http.Transport {
	transport := customizers.DefaultTransport().(*http.Transport).Clone()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(!r.way.http2)
	transport.Protocols.SetHTTP2(r.way.http2)
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: time.Second, PingTimeout: time.Second} // else a blackhole lasts as long as its connection
	transport.DialContext = r.network.dial
	transport.MaxIdleConnsPerHost = workers
	transport.IdleConnTimeout = time.Second
	if r.way.tls {
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		transport.TLSClientConfig.RootCAs.AddCert(r.srv.Certificate())
	}
	if r.way.proxy {
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example"}) // dial ignores the address
	}
	return transport
}

// tunnel is the handler of a proxy.
func tunnel(w http.ResponseWriter, r *http.Request) {
	there, err := new(net.Dialer).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

// tagHeader has the tag of the call that a request belongs to. It identifies the attempts of a
// call in the tenant's log.
const tagHeader = "X-Soak-Call"

// A call records the attempts of one call of the SDK, without token requests.
type call struct {
	tag string

	mu        sync.Mutex
	start     time.Time
	sent      int // attempts
	responses int // attempts with a response header
	asked     int // connections that net/http asked for
	connected int // and those that it got
	trace     []string
}

type callKey struct{}

func newCall(ctx context.Context, tag string) (context.Context, *call) {
	c := &call{tag: tag, start: time.Now()}
	return context.WithValue(ctx, callKey{}, c), c
}

func (c *call) note(format string, args ...any) {
	c.trace = append(c.trace, fmt.Sprintf("%v ", time.Since(c.start).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func (c *call) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	c.note("sent")
}

func (c *call) getConn(string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
}

func (c *call) gotConn(httptrace.GotConnInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected++
	c.note("connected")
}

func (c *call) end(resp *http.Response, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.note("%v", err)
		return
	}
	c.responses++
	c.note("response %d", resp.StatusCode)
}

func (c *call) attempts() (sent, responses int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.responses
}

// neverSent reports whether no attempt had a connection.
func (c *call) neverSent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked > 0 && c.connected == 0
}

func (c *call) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tag + " [" + strings.Join(c.trace, "; ") + "]"
}

// A tagger adds the tag of their call to requests.
type tagger struct {
	next *http.Transport
}

func (t *tagger) CloseIdleConnections() { t.next.CloseIdleConnections() }

func (t *tagger) RoundTrip(req *http.Request) (*http.Response, error) {
	c, _ := req.Context().Value(callKey{}).(*call)
	if strings.HasPrefix(req.URL.Path, "/oauth/") {
		c = nil
	}
	if c != nil {
		req = req.Clone(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GetConn: c.getConn, GotConn: c.gotConn}))
		req.Header.Set(tagHeader, c.tag)
		c.begin()
	}
	resp, err := t.next.RoundTrip(req)
	if c != nil {
		c.end(resp, err)
	}
	return resp, err
}
