package contracttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// The client's requests and the sandbox's responses follow the contract. Each response that the
// contract documents is received at least once.
func TestExchanges(t *testing.T) {
	t.Parallel()
	for _, version := range []customizers.APIVersion{
		customizers.APIVersion2024, customizers.APIVersion2025, customizers.APIVersion2026, customizers.APIVersionV1,
	} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			check := newChecker(t)
			tenant := func(opts ...customizerstest.Option) (*customizerstest.Server, *customizers.Client) {
				srv := customizerstest.NewServer(append(opts, customizerstest.WithCustomizers(customizers.Customizer{ID: "one", Name: "one"}))...)
				t.Cleanup(srv.Close)
				return srv, srv.Client(customizers.WithAPIVersion(version), customizers.WithHTTPClient(&http.Client{Transport: check}),
					customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
			}

			for _, status := range []int{200, 201} {
				_, c := tenant(customizerstest.WithCreateStatus(status))
				for _, call := range calls {
					require.NoError(t, call(t.Context(), c, "one"))
				}
			}
			_, c := tenant()
			for _, opts := range []customizers.ListOptions{{Limit: 250}, {Offset: 1, Limit: 1}, {Offset: 9}, {Count: true}} {
				_, err := c.List(t.Context(), opts)
				require.NoError(t, err)
			}
			const zip = "PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // without files
			for _, archive := range []io.Reader{strings.NewReader(zip), io.MultiReader(strings.NewReader(zip))} {
				_, err := c.CreateVersion(t.Context(), "one", archive)
				require.NoError(t, err)
			}

			_, unscoped := tenant(customizerstest.WithScopes("sp:other"))
			expired, unauthorized := tenant()
			faulty, failing := tenant()
			for _, call := range calls {
				require.ErrorIs(t, call(t.Context(), unscoped, "one"), customizers.ErrForbidden)
				_, limited := tenant(customizerstest.WithRateLimit(1, time.Hour)) // the client pauses after a 429
				require.NoError(t, calls[0](t.Context(), limited, "one"))
				require.ErrorIs(t, call(t.Context(), limited, "one"), customizers.ErrRateLimited)
				expired.Inject(customizerstest.Fault{ExpireToken: true, Times: 2})
				require.ErrorIs(t, call(t.Context(), unauthorized, "one"), customizers.ErrUnauthorized)
				faulty.Inject(customizerstest.Fault{Status: 400})
				require.ErrorIs(t, call(t.Context(), failing, "one"), customizers.ErrBadRequest)
				faulty.Inject(customizerstest.Fault{Status: 500})
				require.ErrorIs(t, call(t.Context(), failing, "one"), customizers.ErrServer)
				if err := call(t.Context(), c, "none"); err != nil {
					require.ErrorIs(t, err, customizers.ErrNotFound)
				}
			}
			assert.Empty(t, check.missing(), "responses of the contract that were not received")
		})
	}
}

// calls has a call of each operation; the last one deletes the customizer id.
var calls = []func(ctx context.Context, c *customizers.Client, id string) error{
	func(ctx context.Context, c *customizers.Client, _ string) error {
		_, err := c.List(ctx, customizers.ListOptions{})
		return err
	},
	func(ctx context.Context, c *customizers.Client, _ string) error {
		_, err := c.Create(ctx, customizers.CreateRequest{Name: "new"})
		return err
	},
	func(ctx context.Context, c *customizers.Client, id string) error {
		_, err := c.Get(ctx, id)
		return err
	},
	func(ctx context.Context, c *customizers.Client, id string) error {
		_, err := c.Update(ctx, id, customizers.UpdateRequest{Name: "renamed"})
		return err
	},
	func(ctx context.Context, c *customizers.Client, id string) error {
		_, err := c.CreateVersion(ctx, id, nil)
		return err
	},
	func(ctx context.Context, c *customizers.Client, id string) error { return c.Delete(ctx, id) },
}

// A checker is a transport. It fails the test if a request or a response of one of the six
// operations breaks the contract.
type checker struct {
	t      *testing.T
	router routers.Router

	mu        sync.Mutex
	responses map[string]bool // of the contract, and whether each was received
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	openapi3filter.RegisterBodyDecoder("application/zip", openapi3filter.FileBodyDecoder)
	doc := contract(t)
	doc.Servers = nil // RoundTrip removes the version from the path
	router, err := legacy.NewRouter(doc)
	require.NoError(t, err)
	c := &checker{t: t, router: router, responses: map[string]bool{}}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				c.responses[op.OperationID+" "+status] = false
			}
		}
	}
	return c
}

func (c *checker) missing() (responses []string) {
	for name, received := range c.responses {
		if !received {
			responses = append(responses, name)
		}
	}
	return responses
}

// version matches the path of the collection in each version of the API.
var version = regexp.MustCompile(`^(/v20\d\d/connector-customizers|/connector-customizers/v1)`)

func (c *checker) RoundTrip(req *http.Request) (*http.Response, error) {
	if !version.MatchString(req.URL.Path) {
		return http.DefaultTransport.RoundTrip(req)
	}
	sent := req.Clone(context.Background())
	sent.URL = &url.URL{Path: version.ReplaceAllString(req.URL.Path, "/connector-customizers"), RawQuery: req.URL.RawQuery}
	if req.Body != nil {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body, sent.Body = io.NopCloser(bytes.NewReader(data)), io.NopCloser(bytes.NewReader(data))
	}
	route, params, err := c.router.FindRoute(sent)
	if !assert.NoError(c.t, err, "%s %s is not in the contract", req.Method, req.URL) {
		return nil, err
	}
	input := &openapi3filter.RequestValidationInput{Request: sent, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true,
	}}
	assert.NoError(c.t, openapi3filter.ValidateRequest(context.Background(), input), "request %s %s", req.Method, req.URL)

	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	assert.NoError(c.t, openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Options: input.Options,
		Body: io.NopCloser(bytes.NewReader(body)),
	}), "response to %s %s", req.Method, req.URL)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.responses[fmt.Sprint(route.Operation.OperationID, " ", resp.StatusCode)] = true
	return resp, nil
}
