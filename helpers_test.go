package customizers_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/internal/contracttest"
)

// quick retries without long waits.
var quick = customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})

// sandbox starts a tenant for the test.
func sandbox(t testing.TB, opts ...customizerstest.Option) *customizerstest.Server {
	t.Helper()
	srv := customizerstest.NewServer(opts...)
	t.Cleanup(srv.Close)
	return srv
}

// clientOf makes a client that retries quickly and whose requests and responses are
// held to the contract.
func clientOf(t testing.TB, srv *customizerstest.Server, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	transport := contracttest.New(t, "openapi.yaml")
	own := &http.Transport{MaxIdleConnsPerHost: 100, ExpectContinueTimeout: time.Second}
	t.Cleanup(own.CloseIdleConnections)
	transport.Next = own
	return srv.Client(append([]customizers.Option{quick, customizers.WithHTTPClient(&http.Client{Transport: transport})}, opts...)...)
}

// answering makes a client of a server that answers every API request by h, and
// requests for tokens as usual.
func answering(t testing.TB, h http.HandlerFunc, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"the-token","token_type":"bearer","expires_in":749}`)
	})
	mux.Handle("/", h)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return newClient(t, srv.URL, customizers.ClientCredentials("the-id", "the-secret"), append([]customizers.Option{quick}, opts...)...)
}

func newClient(t testing.TB, tenant string, auth customizers.Auth, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	c, err := customizers.New(tenant, auth, opts...)
	require.NoError(t, err)
	return c
}

// inMemory calls a handler where a socket would be, so that a test can run in a bubble
// of package synctest.
type inMemory struct{ http.Handler }

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	in := req.Clone(req.Context())
	in.RequestURI = req.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, in)
	return rec.Result(), nil
}

// overMemory makes a client of srv that uses no socket.
func overMemory(t testing.TB, srv *customizerstest.Server, opts ...customizers.Option) *customizers.Client {
	t.Helper()
	transport := contracttest.New(t, "openapi.yaml")
	transport.Next = inMemory{srv}
	return newClient(t, "acme", customizers.ClientCredentials(srv.ClientID, srv.ClientSecret),
		append([]customizers.Option{customizers.WithHTTPClient(&http.Client{Transport: transport})}, opts...)...)
}

func ctxOf(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// archive is a small zip.
func archive(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("index.js")
	require.NoError(t, err)
	_, err = io.WriteString(f, "// nothing yet\n")
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// create makes a customizer and fails the test when that fails.
func create(t testing.TB, c *customizers.Client, name string) *customizers.Customizer {
	t.Helper()
	made, err := c.Create(ctxOf(t), customizers.CreateRequest{Name: name})
	require.NoError(t, err)
	return made
}

// static is a token source with one token.
func static(token string) oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
}

func readerAt(data []byte) *bytes.Reader { return bytes.NewReader(data) }

// sent is how many requests for an operation came to a tenant.
func sent(srv *customizerstest.Server, op customizerstest.Operation) int {
	return len(srv.Requests(op))
}
