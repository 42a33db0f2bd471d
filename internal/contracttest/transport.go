// Package contracttest checks what goes over the wire against openapi.yaml.
package contracttest

import (
	"bytes"
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

// A Transport passes requests on to Next and fails the test when one of the six
// operations' requests or responses breaks the contract. A response that a fault made
// up, and one that breaks off, are not held to it.
type Transport struct {
	Next http.RoundTripper

	tb     testing.TB
	router routers.Router
}

// New reads the contract from the file spec.
func New(tb testing.TB, spec string) *Transport {
	tb.Helper()
	router, err := routerOf(spec)
	if err != nil {
		tb.Fatalf("the contract can't be read: %v", err)
	}
	return &Transport{Next: http.DefaultTransport, tb: tb, router: router}
}

var (
	mu   sync.Mutex
	read = map[string]routers.Router{}
)

func routerOf(spec string) (routers.Router, error) {
	mu.Lock()
	defer mu.Unlock()
	if r, ok := read[spec]; ok {
		return r, nil
	}
	openapi3filter.RegisterBodyDecoder("application/zip", openapi3filter.FileBodyDecoder)
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromFile(spec)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // the paths are looked up without what comes before them
	r, err := legacy.NewRouter(doc)
	if err == nil {
		read[spec] = r
	}
	return r, err
}

// schemes are the service's ways to put a version into an address.
var schemes = regexp.MustCompile(`^(/(v2024|v2025|v2026|beta)/connector-customizers|/connector-customizers/v1)`)

var options = &openapi3filter.Options{
	AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
	IncludeResponseStatus: true,
	MultiError:            true,
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !schemes.MatchString(req.URL.Path) {
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
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	if err != nil {
		return resp, nil //nolint:nilerr // it broke off; the client is to find that out
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

// checkRequest checks a copy of req, whose body it leaves to be sent.
func (t *Transport) checkRequest(req *http.Request) (*openapi3filter.RequestValidationInput, error) {
	const streamed = 1 << 20 // from here on a body is passed on unread
	copied := req.Clone(context.Background())
	opts := *options
	if req.Body != nil && req.ContentLength >= 0 && req.ContentLength <= streamed {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(data))
		copied.Body = io.NopCloser(bytes.NewReader(data))
	} else if req.Body != nil {
		copied.Body = http.NoBody
		opts.ExcludeRequestBody = true
	}
	path := schemes.ReplaceAllString(req.URL.EscapedPath(), "/connector-customizers")
	copied.URL = &url.URL{Path: path, RawQuery: req.URL.RawQuery}
	route, params, err := t.router.FindRoute(copied)
	if err != nil {
		return nil, err
	}
	input := &openapi3filter.RequestValidationInput{Request: copied, PathParams: params, Route: route, Options: &opts}
	return input, openapi3filter.ValidateRequest(context.Background(), input)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}
