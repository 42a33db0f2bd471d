package customizerstest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

func TestFaultStatus(t *testing.T) {
	t.Parallel()
	html := http.Header{"content-type": {"text/html"}, "X-Request-Id": {"4711"}}
	tests := map[string]struct {
		fault       customizerstest.Fault
		body        string // "" for the service's error, "-" for no body
		contentType string
	}{
		"the service's own 400": {fault: customizerstest.Fault{Status: 400}},
		"503":                   {fault: customizerstest.Fault{Status: 503}},
		"no status text":        {fault: customizerstest.Fault{Status: 599}},
		"401":                   {fault: customizerstest.Fault{Status: 401}, body: `{"error":"JWT validation failed: JWT is expired"}` + "\n", contentType: recordType},
		"429":                   {fault: customizerstest.Fault{Status: 429}, body: `{"message":" Rate Limit Exceeded "}` + "\n", contentType: recordType},
		"a body":                {fault: customizerstest.Fault{Status: 500, Body: `{"detailCode":"500.0"}`}, body: `{"detailCode":"500.0"}`, contentType: recordType},
		"HTML":                  {fault: customizerstest.Fault{Status: 502, Header: html, Body: "<html>"}, body: "<html>", contentType: "text/html"},
		"a type without a body": {fault: customizerstest.Fault{Status: 502, Header: html}, body: "-", contentType: "text/html"},
		"an empty 200":          {fault: customizerstest.Fault{Status: 200}, body: "-"},
	}
	for name, tt := range tests {
		for _, acted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, acted %t", name, acted), func(t *testing.T) {
				t.Parallel()
				srv := serve(t)
				p := newPeer(t, srv)
				fault := tt.fault
				fault.Operation, fault.Apply = customizerstest.Create, acted
				srv.Inject(fault)
				got := p.send(http.MethodPost, collection, recordType, `{"name":"one"}`)
				switch tt.body {
				case "":
					assertError(t, got, tt.fault.Status, "")
				case "-":
					assert.Empty(t, got.body)
					assert.Equal(t, tt.contentType, got.header.Get("Content-Type"))
				default:
					assert.Equal(t, tt.body, string(got.body))
					assert.Equal(t, tt.contentType, got.header.Get("Content-Type"))
				}
				assert.Equal(t, tt.fault.Status, got.status)
				assert.Equal(t, "true", got.header.Get(customizerstest.InjectedHeader))
				assert.Equal(t, tt.fault.Header.Get("X-Request-Id"), got.header.Get("X-Request-Id"))
				assert.Equal(t, acted, len(srv.Customizers()) == 1)
				p.create("two") // one fault hits one request
			})
		}
	}
	assert.Len(t, html, 2, "the caller's header is not changed")
}

// A request whose connection is reset fails. With Apply, it takes effect even so.
func TestFaultCut(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault   customizerstest.Fault
		timeout time.Duration
		created int // number of customizers
		status  int // of the recorded request
	}{
		"cut":             {fault: customizerstest.Fault{Reset: true}},
		"cut, acted":      {fault: customizerstest.Fault{Reset: true, Apply: true}, created: 1},
		"truncated":       {fault: customizerstest.Fault{TruncateAt: 1}, created: 1, status: 201},
		"fault truncated": {fault: customizerstest.Fault{Status: 503, TruncateAt: 1}, status: 503},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t)
			p := newPeer(t, srv)
			srv.Inject(tt.fault)
			_, err := p.do(t.Context(), http.MethodPost, collection, recordType, `{"name":"one"}`)
			require.Error(t, err)
			assert.Len(t, srv.Customizers(), tt.created)
			require.Len(t, srv.Requests(customizerstest.Create), 1)
			assert.Equal(t, tt.status, srv.Requests(customizerstest.Create)[0].Status)
		})
	}
}

func TestFaultTruncateAt(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithCustomizerCount(3))
	p := newPeer(t, srv)
	whole := p.get(collection)
	srv.Inject(customizerstest.Fault{TruncateAt: 100}, customizerstest.Fault{TruncateAt: 1 << 20})
	got, err := p.do(t.Context(), http.MethodGet, collection, "", "")
	require.Error(t, err)
	assert.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, string(whole.body[:100]), string(got.body))
	assert.Equal(t, strconv.Itoa(len(whole.body)), got.header.Get("Content-Length"))
	assert.Equal(t, whole.body, p.get(collection).body, "a shorter body is not truncated")
}

// A delay ends when the client disconnects or the server closes. The handler then panics, as a
// ResponseRecorder has no connection to reset.
func TestFaultDelayIsCancelled(t *testing.T) {
	t.Parallel()
	srv := customizerstest.NewServer()
	srv.Inject(customizerstest.Fault{Delay: time.Hour, Times: -1})
	handle := func(ctx context.Context) chan any {
		ended := make(chan any, 1)
		go func() {
			defer func() { ended <- recover() }()
			srv.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, collection, nil))
		}()
		return ended
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancelled, closed := handle(ctx), handle(context.Background())
	cancel()
	assert.Equal(t, http.ErrAbortHandler, <-cancelled)
	assert.Empty(t, closed)
	srv.Close()
	assert.Equal(t, http.ErrAbortHandler, <-closed)
}

func TestFaultSkipAndTimes(t *testing.T) {
	t.Parallel()
	type fault = customizerstest.Fault
	const list, get = customizerstest.List, customizerstest.Get
	tests := map[string]struct {
		faults []fault
		want   []int // statuses of consecutive lists
	}{
		"once":            {[]fault{{Operation: list, Status: 503}}, []int{503, 200, 200}},
		"the second":      {[]fault{{Operation: list, Skip: 1, Times: 1, Status: 503}}, []int{200, 503, 200}},
		"all but two":     {[]fault{{Operation: list, Skip: 2, Times: -1, Status: 503}}, []int{200, 200, 503, 503}},
		"one by one":      {[]fault{{Operation: list, Status: 503}, {Operation: list, Status: 429}}, []int{503, 429, 200}},
		"the first wins":  {[]fault{{Times: -1, Status: 503}, {Times: -1, Status: 429}}, []int{503, 503}},
		"skips and fails": {[]fault{{Operation: list, Skip: 2, Status: 503}, {Operation: list, Status: 429}}, []int{429, 200, 503, 200}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t)
			p := newPeer(t, srv)
			srv.Inject(tt.faults...)
			var got []int
			for range tt.want {
				got = append(got, p.get(collection).status)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestFaultOperations(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	p := newPeer(t, srv)
	srv.Inject(customizerstest.Fault{Status: http.StatusTeapot, Times: -1})
	assert.Equal(t, http.StatusOK, p.requestToken().status, "a fault without an operation does not apply")
	assert.Equal(t, http.StatusOK, p.get("/oauth/info").status, "a fault without an operation does not apply")
	assert.Equal(t, http.StatusNotFound, p.get("/nowhere").status)
	assert.Equal(t, http.StatusTeapot, p.send(http.MethodDelete, collection+"/a", "", "").status)

	srv.Inject(
		customizerstest.Fault{Operation: customizerstest.Token, Status: http.StatusServiceUnavailable},
		customizerstest.Fault{Operation: customizerstest.Info, Status: http.StatusGone, Times: 3, Skip: 1},
	)
	assert.Equal(t, http.StatusServiceUnavailable, p.requestToken().status)
	assert.Equal(t, http.StatusOK, p.requestToken().status)
	assert.Equal(t, http.StatusOK, p.get("/oauth/info").status)
	assert.Equal(t, http.StatusGone, p.get("/oauth/info").status)
	left := srv.Faults()
	require.Len(t, left, 2)
	assert.Equal(t, -1, left[0].Times)
	assert.Equal(t, customizerstest.Fault{Operation: customizerstest.Info, Status: http.StatusGone, Times: 2}, left[1])
}

// Errors of the token endpoint have a form of their own.
func TestTokenFault(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	anonymous := &peer{t: t, srv: srv}
	for status, want := range map[int]string{
		400: `{"error":"invalid_request","error_description":"The request is invalid."}`,
		401: `{"error":"invalid_client","error_description":"Bad client credentials"}`,
		429: `{"message":" Rate Limit Exceeded "}`,
	} {
		srv.Inject(customizerstest.Fault{Operation: customizerstest.Token, Status: status})
		got := anonymous.requestToken()
		assert.Equal(t, status, got.status)
		assert.JSONEq(t, want, string(got.body))
	}
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Token, Status: http.StatusServiceUnavailable})
	assertError(t, anonymous.requestToken(), http.StatusServiceUnavailable, "")
}

// A response is marked if a fault applied to it, also if it is not the fault's own.
func TestInjectedHeader(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	p := newPeer(t, srv)
	srv.Inject(customizerstest.Fault{ExpireToken: true}, customizerstest.Fault{Operation: customizerstest.Info, Delay: time.Nanosecond})
	for _, path := range []string{collection, "/oauth/info"} {
		assert.Equal(t, "true", p.get(path).header.Get(customizerstest.InjectedHeader), path)
		assert.Empty(t, p.get(path).header.Get(customizerstest.InjectedHeader), path)
	}
}
