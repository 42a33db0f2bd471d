package customizers_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
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
}

var operations = []operation{
	{customizerstest.List, false, func(ctx context.Context, c *customizers.Client) error {
		_, err := c.List(ctx, customizers.ListOptions{})
		return err
	}},
	{customizerstest.Get, false, func(ctx context.Context, c *customizers.Client) error {
		_, err := c.Get(ctx, "one")
		return err
	}},
	{customizerstest.Update, false, func(ctx context.Context, c *customizers.Client) error {
		_, err := c.Update(ctx, "one", customizers.UpdateRequest{Name: "renamed"})
		return err
	}},
	{customizerstest.Delete, false, func(ctx context.Context, c *customizers.Client) error {
		return c.Delete(ctx, "one")
	}},
	{customizerstest.Create, true, func(ctx context.Context, c *customizers.Client) error {
		_, err := c.Create(ctx, customizers.CreateRequest{Name: "new"})
		return err
	}},
	{customizerstest.CreateVersion, true, func(ctx context.Context, c *customizers.Client) error {
		_, err := c.CreateVersion(ctx, "one", nil)
		return err
	}},
}

// list calls List with the zero options.
func list(ctx context.Context, c *customizers.Client) error { return operations[0].call(ctx, c) }

type fault = customizerstest.Fault

func header(name, value string) http.Header { return http.Header{name: {value}} }

// newServer starts a fake tenant, and closes it when the test ends.
func newServer(t testing.TB, opts ...customizerstest.Option) *customizerstest.Server {
	t.Helper()
	srv := customizerstest.NewServer(opts...)
	t.Cleanup(srv.Close)
	return srv
}

func withOne() customizerstest.Option {
	return customizerstest.WithCustomizers(customizers.Customizer{ID: "one", Name: "one"})
}

// checkedClient returns a client of srv that retries quickly.
func checkedClient(t testing.TB, srv *customizerstest.Server, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	return srv.Client(append([]customizers.Option{quick}, opts...)...)
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
