package customizers_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

var (
	quick   = customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
	noRetry = customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1})
)

var sentinels = []error{
	customizers.ErrInvalidArgument, customizers.ErrBadRequest, customizers.ErrUnauthorized, customizers.ErrForbidden,
	customizers.ErrNotFound, customizers.ErrRateLimited, customizers.ErrServer, customizers.ErrConnection, customizers.ErrOutcomeUnknown,
}

// An operation calls a method of Client, on the customizer "one" if it needs an ID.
type operation struct {
	name   customizerstest.Operation
	create bool
	call   func(context.Context, *customizers.Client) error
	method string // of a request that Do sends
}

func (op operation) String() string {
	if op.method == "" {
		return string(op.name)
	}
	return "Do " + op.method
}

var operations = []operation{
	{name: customizerstest.List, call: func(ctx context.Context, c *customizers.Client) error {
		_, err := c.List(ctx, customizers.ListOptions{})
		return err
	}},
	{name: customizerstest.Get, call: func(ctx context.Context, c *customizers.Client) error {
		_, err := c.Get(ctx, "one")
		return err
	}},
	{name: customizerstest.Update, call: func(ctx context.Context, c *customizers.Client) error {
		_, err := c.Update(ctx, "one", customizers.UpdateRequest{Name: "renamed"})
		return err
	}},
	{name: customizerstest.Delete, call: func(ctx context.Context, c *customizers.Client) error {
		return c.Delete(ctx, "one")
	}},
	{name: customizerstest.Create, create: true, call: func(ctx context.Context, c *customizers.Client) error {
		_, err := c.Create(ctx, customizers.CreateRequest{Name: "new"})
		return err
	}},
	{name: customizerstest.CreateVersion, create: true, call: func(ctx context.Context, c *customizers.Client) error {
		_, err := c.CreateVersion(ctx, "one", nil)
		return err
	}},
}

// doOperations are requests that Do sends, which CheckResponse then checks.
var doOperations = []operation{
	do(customizerstest.ListInstances, http.MethodGet, "/beta/connector-instances", ""),
	do(customizerstest.ListInstances, http.MethodHead, "/beta/connector-instances", ""),
	do(customizerstest.Delete, http.MethodDelete, "/v2024/connector-customizers/one", ""),
	do(customizerstest.Create, http.MethodPost, "/v2024/connector-customizers", `{"name":"new"}`),
	do(customizerstest.UpdateInstance, http.MethodPatch, "/beta/connector-instances/instance", `[{"op":"replace","path":"/connectorCustomizerId","value":"one"}]`),
}

var allOperations = slices.Concat(operations, doOperations)

func do(name customizerstest.Operation, method, path, body string) operation {
	call := func(ctx context.Context, c *customizers.Client) error {
		req, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		return customizers.CheckResponse(resp)
	}
	return operation{name, method == http.MethodPost || method == http.MethodPatch, call, method}
}

// list calls List with the zero options.
func list(ctx context.Context, c *customizers.Client) error { return operations[0].call(ctx, c) }

type fault = customizerstest.Fault

func header(name, value string) http.Header { return http.Header{name: {value}} }

// newServer starts a fake tenant with one instance, and closes it when the test ends.
func newServer(t testing.TB, opts ...customizerstest.Option) *customizerstest.Server {
	t.Helper()
	srv := customizerstest.NewServer(append(opts, customizerstest.WithInstances(customizerstest.Instance{ID: "instance"}))...)
	t.Cleanup(srv.Close)
	return srv
}

func withOne() customizerstest.Option {
	return customizerstest.WithCustomizers(customizers.Customizer{ID: "one", Name: "one"})
}

// quickClient returns a client of srv that retries quickly.
func quickClient(t testing.TB, srv *customizerstest.Server, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	return srv.Client(append([]customizers.Option{quick}, opts...)...)
}

// A network is the way from a client to a server.
type network struct {
	name              string
	tls, http2, proxy bool
}

var networks = []network{
	{name: "clear"},
	{name: "TLS", tls: true},
	{name: "HTTP2", tls: true, http2: true},
	{name: "proxy", tls: true, proxy: true},
}

// newServer starts a fake tenant at the end of n.
func (n network) newServer(t testing.TB, opts ...customizerstest.Option) *customizerstest.Server {
	t.Helper()
	if n.tls {
		opts = append(opts, customizerstest.WithTLS())
	}
	return newServer(t, opts...)
}

// newClient returns a client of srv that retries quickly.
func (n network) newClient(t testing.TB, srv *customizerstest.Server, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	return srv.Client(append([]customizers.Option{quick, customizers.WithHTTPClient(n.client(t, srv.Certificate()))}, opts...)...)
}

// client returns an HTTP client that trusts the certificate, if there is one. It is the SDK's
// own but for HTTP/2, which only a client of the caller speaks.
func (n network) client(t testing.TB, certificate *x509.Certificate) *http.Client {
	t.Helper()
	tunnels := new(atomic.Int64)
	transport := n.transport(t, certificate, tunnels)
	return &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := transport.RoundTrip(req)
		if err == nil {
			assert.Equal(t, n.tls, resp.TLS != nil)
			assert.Equal(t, n.http2, resp.ProtoMajor == 2, resp.Proto)
			assert.Equal(t, n.proxy, tunnels.Load() > 0)
		}
		return resp, err
	})}
}

// transport returns the transport of a client, and counts the tunnels of a proxy.
func (n network) transport(t testing.TB, certificate *x509.Certificate, tunnels *atomic.Int64) *http.Transport {
	t.Helper()
	transport := customizers.DefaultTransport().(*http.Transport).Clone()
	if n.http2 {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	t.Cleanup(transport.CloseIdleConnections)
	if certificate != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		transport.TLSClientConfig.RootCAs.AddCert(certificate)
	}
	if n.proxy {
		transport.Proxy = http.ProxyURL(startProxy(t, tunnels))
	}
	return transport
}

// startProxy starts a proxy that only tunnels, and counts the tunnels.
func startProxy(t testing.TB, tunnels *atomic.Int64) *url.URL {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there, err := new(net.Dialer).DialContext(r.Context(), "tcp", r.Host)
		if err != nil || r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		tunnels.Add(1)
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	return u
}

func newClient(t testing.TB, tenant string, auth customizers.Auth, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	c, err := customizers.New(tenant, auth, opts...)
	require.NoError(t, err)
	return c
}

// clientOf returns a client of a server that handles API requests with h and always grants a
// token.
func clientOf(t testing.TB, h http.HandlerFunc, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"the-token","token_type":"bearer","expires_in":749}`)
	})
	mux.Handle("/", h)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return newClient(t, srv.URL, customizers.ClientCredentials("the-id", "the-secret"), append([]customizers.Option{quick}, opts...)...)
}

// clientOver returns a client with a static token that sends its requests through rt.
func clientOver(t testing.TB, rt http.RoundTripper, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	return newClient(t, "acme", customizers.TokenSource(static("the-token")),
		append([]customizers.Option{quick, customizers.WithHTTPClient(&http.Client{Transport: rt})}, opts...)...)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// respond returns a transport that always returns the same response; header alternates names
// and values.
func respond(status int, body string, header ...string) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/json"}}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: status, Header: h, Request: req,
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}, nil
	}
}

// hang never responds. It returns when the request's context ends.
func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
}

// A script is a transport that returns its responses in order, and then repeats the last one.
type script struct {
	mu        sync.Mutex
	responses []roundTripper
	requests  []*http.Request
	times     []time.Time
}

func newScript(responses ...roundTripper) *script { return &script{responses: responses} }

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	next := s.responses[min(len(s.requests), len(s.responses)-1)]
	s.requests, s.times = append(s.requests, req), append(s.times, time.Now())
	s.mu.Unlock()
	return next(req)
}

func static(token string) oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
}

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// failure returns err as an *Error. It checks that err matches the sentinels in want and no others.
func failure(t testing.TB, err error, want ...error) *customizers.Error {
	t.Helper()
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	for _, sentinel := range sentinels {
		assert.Equal(t, slices.Contains(want, sentinel), errors.Is(err, sentinel), "errors.Is(%q, %q)", err, sentinel)
	}
	return e
}

func requireFailure(t testing.TB, err error, want ...error) {
	t.Helper()
	_ = failure(t, err, want...)
}

// zipArchive returns a small zip archive.
func zipArchive(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("index.js")
	require.NoError(t, err)
	_, err = io.WriteString(f, "// nothing yet\n")
	require.NoError(t, errors.Join(err, z.Close()))
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// heap returns the number of bytes in use, after a garbage collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
