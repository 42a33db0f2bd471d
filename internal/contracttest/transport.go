// Package contracttest checks HTTP requests and responses against openapi.yaml in tests.
package contracttest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/connector-customizers/customizers/customizerstest"
)

// A Transport passes requests to Next. It fails the test if a request or a response of one of
// the six operations breaks the contract. It does not check responses that a fault injects, or
// responses that are incomplete.
type Transport struct {
	Next http.RoundTripper

	tb     testing.TB
	router routers.Router
}

// New returns a Transport that checks against the contract in the file spec.
func New(tb testing.TB, spec string) *Transport {
	tb.Helper()
	router, err := loadRouter(spec)
	if err != nil {
		tb.Fatalf("the contract can't be read: %v", err)
	}
	return &Transport{Next: http.DefaultTransport, tb: tb, router: router}
}

var (
	mu            sync.Mutex
	routersBySpec = map[string]routers.Router{}
)

// loadRouter returns the router for the contract in the file spec. It reads each file once.
func loadRouter(spec string) (routers.Router, error) {
	mu.Lock()
	defer mu.Unlock()
	if r, ok := routersBySpec[spec]; ok {
		return r, nil
	}
	openapi3filter.RegisterBodyDecoder("application/zip", openapi3filter.FileBodyDecoder)
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromFile(spec)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // checkRequest removes the version from the path
	r, err := legacy.NewRouter(doc)
	if err == nil {
		routersBySpec[spec] = r
	}
	return r, err
}

// prefix matches the path of the collection in each version of the API.
var prefix = regexp.MustCompile(`^(/(v2024|v2025|v2026|beta)/connector-customizers|/connector-customizers/v1)`)

var options = &openapi3filter.Options{
	AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
	IncludeResponseStatus: true,
	MultiError:            true,
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !prefix.MatchString(req.URL.Path) {
		return t.Next.RoundTrip(req)
	}
	input, err := t.checkRequest(req)
	if err != nil {
		t.tb.Errorf("a request breaks the contract: %s %s: %v", req.Method, req.URL, err)
		return nil, errors.New("contracttest: the request breaks the contract")
	}
	resp, err := t.Next.RoundTrip(req)
	if err != nil || resp.Header.Get(customizerstest.InjectedHeader) != "" {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), errReader{err}))
	if err != nil {
		return resp, nil //nolint:nilerr // the body returns err to the client
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                options,
	})
	if err != nil {
		t.tb.Errorf("a response breaks the contract: %s %s: %v", req.Method, req.URL, err)
	}
	return resp, nil
}

// checkRequest checks req, whose body can still be sent afterwards. It does not check a body
// of unknown length or of more than 1 MiB.
func (t *Transport) checkRequest(req *http.Request) (*openapi3filter.RequestValidationInput, error) {
	const maxBody = 1 << 20
	clone := req.Clone(context.Background())
	opts := *options
	if req.Body != nil && req.ContentLength >= 0 && req.ContentLength <= maxBody {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(data))
		clone.Body = io.NopCloser(bytes.NewReader(data))
	} else if req.Body != nil {
		clone.Body = http.NoBody
		opts.ExcludeRequestBody = true
	}
	path := prefix.ReplaceAllString(req.URL.EscapedPath(), "/connector-customizers")
	clone.URL = &url.URL{Path: path, RawQuery: req.URL.RawQuery}
	route, params, err := t.router.FindRoute(clone)
	if err != nil {
		return nil, err
	}
	input := &openapi3filter.RequestValidationInput{Request: clone, PathParams: params, Route: route, Options: &opts}
	return input, openapi3filter.ValidateRequest(context.Background(), input)
}

// An errReader returns err from each Read, or io.EOF if err is nil.
type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, cmp.Or(r.err, io.EOF) }
