package customizers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/internal/contracttest"
)

// What waits_test.go, budget_test.go, reading_test.go, cause_test.go and locks_test.go need.
// It goes with them.

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

func overMemory(t testing.TB, srv *customizerstest.Server, opts ...customizers.Option) *customizers.Client {
	transport := contracttest.New(t, "openapi.yaml")
	transport.Next = inMemory{srv}
	return newClient(t, "acme", customizers.ClientCredentials(srv.ClientID, srv.ClientSecret),
		append([]customizers.Option{customizers.WithHTTPClient(&http.Client{Transport: transport})}, opts...)...)
}

type source struct {
	asked atomic.Int32
	next  func() (*oauth2.Token, error)
}

func (s *source) Token() (*oauth2.Token, error) {
	s.asked.Add(1)
	return s.next()
}

func sandbox(t testing.TB, opts ...customizerstest.Option) *customizerstest.Server {
	return newServer(t, opts...)
}

func answering(t testing.TB, h http.HandlerFunc, opts ...customizers.Option) *customizers.Client {
	return clientOf(t, h, opts...)
}

func ctxOf(t testing.TB) context.Context { return testContext(t) }

func archive(t testing.TB) []byte { return zipArchive(t) }

func fixed(body []byte) roundTripper { return respond(http.StatusOK, string(body)) }

func calls(c *customizers.Client, _ string) map[customizerstest.Operation]func(context.Context) error {
	out := map[customizerstest.Operation]func(context.Context) error{}
	for _, op := range operations {
		out[op.name] = func(ctx context.Context) error { return op.call(ctx, c) }
	}
	return out
}
