package customizers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
)

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(testContext(t), method, url, body)
	require.NoError(t, err)
	return req
}

// A request reaches the tenant as it is, with the client's token and name, and any status is a
// response. TestMatrix has the retries.
func TestDo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method   string
		status   int
		sentinel error // of CheckResponse
	}{
		{http.MethodGet, 200, nil}, {http.MethodPost, 201, nil}, {http.MethodDelete, 204, nil}, {http.MethodHead, 200, nil},
		{http.MethodPut, 400, customizers.ErrBadRequest}, {http.MethodPatch, 404, customizers.ErrNotFound}, {http.MethodPost, 409, nil},
	} {
		t.Run(fmt.Sprint(tt.method, tt.status), func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				assert.Equal(t, `{"a":1}`, string(body))
				assert.Equal(t, tt.method+" /beta/things/a%2Fb?x=1", r.Method+" "+r.URL.RequestURI())
				assert.Equal(t, "mine", r.Header.Get("X-Mine"))
				assert.Equal(t, "Bearer the-token", r.Header.Get("Authorization"))
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, `{"trackingId":"t-1"}`)
			})
			req := request(t, tt.method, "/beta/things/a%2Fb?x=1", strings.NewReader(`{"a":1}`))
			req.Header.Set("X-Mine", "mine")
			resp, err := c.Do(req)
			require.NoError(t, err)
			assert.Equal(t, tt.status, resp.StatusCode)
			assert.Empty(t, req.Header.Get("Authorization"), "the caller's request is unchanged")
			assert.Empty(t, req.URL.Host)
			err = customizers.CheckResponse(resp)
			data, readErr := io.ReadAll(resp.Body)
			require.NoError(t, readErr)
			if tt.method != http.MethodHead && tt.status != 204 {
				assert.JSONEq(t, `{"trackingId":"t-1"}`, string(data), "the body can be read again")
			}
			if tt.status < 300 {
				require.NoError(t, err)
				return
			}
			e := failure(t, err, tt.sentinel)
			assert.Equal(t, tt.status, e.StatusCode)
			assert.Equal(t, "/beta/things/a/b", e.Path)
			assert.Equal(t, "t-1", e.TrackingID)
		})
	}
}

// No token is sent to another host.
func TestDoStaysOnTheTenant(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	c := srv.Client()
	for _, url := range []string{
		"https://elsewhere.example/beta/x", "//elsewhere.example/beta/x", "http://127.0.0.1:1/beta/x", "http://localhost/beta/x",
		"beta/x", "", "mailto:someone@example.com", "?x=1",
	} {
		for _, op := range doOperations {
			require.ErrorIs(t, do("", op.method, url, "").call(t.Context(), c), customizers.ErrInvalidArgument, url)
		}
	}
	_, err := c.Do(nil)
	require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	assert.Empty(t, srv.Requests(), "not even a token request")

	req := request(t, http.MethodGet, "HTTP"+strings.TrimPrefix(srv.URL, "http")+"/beta/connector-instances", nil)
	resp, err := c.Do(req)
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
}

// The length is that of the body, but that of a HEAD is a GET's: it may be more than a body may
// have.
func TestDoContentLength(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1000, 1 << 30} {
		c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", fmt.Sprint(length)) })
		resp, err := c.Do(request(t, http.MethodHead, "/beta/x", nil))
		require.NoError(t, err)
		assert.EqualValues(t, length, resp.ContentLength)
	}
	for _, status := range []int{200, 404} {
		c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) { // chunked
			w.WriteHeader(status)
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "12345")
		})
		resp, err := c.Do(request(t, http.MethodGet, "/beta/x", nil))
		require.NoError(t, err)
		assert.EqualValues(t, 5, resp.ContentLength)
	}
}

// An upload may be silent for two minutes, even if repeating it is safe.
func TestDoUpload(t *testing.T) {
	t.Parallel()
	for size, took := range map[int]time.Duration{1 << 10: time.Minute, 1 << 20: 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			_, err := clientOver(t, roundTripper(hang), noRetry).Do(request(t, http.MethodPut, "/x", bytes.NewReader(make([]byte, size))).WithContext(t.Context()))
			requireFailure(t, err, customizers.ErrConnection)
			assert.Equal(t, took, time.Since(start))
		})
	}
}

func TestDoHeaders(t *testing.T) {
	t.Parallel()
	wire := newScript(respond(200, ""))
	c := clientOver(t, wire)
	for i, own := range []string{"", "mine"} {
		req := request(t, http.MethodGet, "/x", nil)
		req.Header, req.Host = nil, "elsewhere.example" // which is ignored
		if own != "" {
			req.Header = http.Header{"User-Agent": {own}, "Accept": {own}, "Authorization": {own}}
		}
		_, err := c.Do(req)
		require.NoError(t, err)
		assert.Empty(t, wire.requests[i].Host)
		sent := wire.requests[i].Header
		assert.Equal(t, "Bearer the-token", sent.Get("Authorization"))
		if own != "" {
			assert.Equal(t, "mine mine", sent.Get("User-Agent")+" "+sent.Get("Accept"))
			continue
		}
		assert.Contains(t, sent.Get("User-Agent"), "connector-customizers-go/")
		assert.Equal(t, "application/json", sent.Get("Accept"))
	}
}

type closeRecorder struct {
	io.Reader

	closed bool
}

func (c *closeRecorder) Close() error {
	c.closed = true
	return nil
}

// Do closes the body of the request, as net/http does, also if nothing was sent.
func TestDoClosesTheBody(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context //nolint:containedctx // of a test case
		url  string
		auth oauth2.TokenSource
	}{
		"invalid URL":   {t.Context(), "https://elsewhere.example/x", static("t")},
		"context ended": {canceled, "/x", static("t")},
		"no token":      {t.Context(), "/x", static("")},
	} {
		c := newClient(t, "acme", customizers.TokenSource(tt.auth), customizers.WithHTTPClient(&http.Client{Transport: respond(200, "")}))
		body := &closeRecorder{Reader: strings.NewReader("x")}
		req, err := http.NewRequestWithContext(tt.ctx, http.MethodPost, tt.url, body)
		require.NoError(t, err)
		_, err = c.Do(req)
		require.Error(t, err, name)
		assert.True(t, body.closed, name)
	}
}

// An empty method is GET.
func TestDoEmptyMethod(t *testing.T) {
	t.Parallel()
	var r record
	wire := newScript(respond(503, ""), respond(404, `{"trackingId":"t"}`))
	c := clientOver(t, wire, r.option())
	req := request(t, http.MethodGet, "/x", nil)
	req.Method = ""
	resp, err := c.Do(req)
	require.NoError(t, err)
	require.EqualError(t, customizers.CheckResponse(resp), "customizers: GET /x: 404 Not Found (tracking ID t; after 2 attempts)")
	for _, a := range r.attempts {
		assert.Equal(t, http.MethodGet, a.Method)
	}
	resp.Request = &http.Request{URL: req.URL}
	require.ErrorContains(t, customizers.CheckResponse(resp), "customizers: GET /x: 404 Not Found")
}

// Whatever happened to the body, CheckResponse has the details and hides the secret.
func TestCheckResponseOfAReadBody(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*http.Response){
		"not read":  func(*http.Response) {},
		"read":      func(resp *http.Response) { _, _ = io.Copy(io.Discard, resp.Body) },
		"half read": func(resp *http.Response) { _, _ = resp.Body.Read(make([]byte, 10)) },
		"closed":    func(resp *http.Response) { _ = resp.Body.Close() },
		"replaced":  func(resp *http.Response) { resp.Body = io.NopCloser(strings.NewReader("")) },
		"gone":      func(resp *http.Response) { resp.Body = nil },
	} {
		c := newClient(t, "acme", customizers.ClientCredentials("the-id", "the-secret"), quick, customizers.WithHTTPClient(&http.Client{Transport: roundTripper(
			func(req *http.Request) (*http.Response, error) {
				if req.URL.Path == "/oauth/token" {
					return respond(200, `{"access_token":"the-token"}`)(req)
				}
				return respond(503, `{"trackingId":"t-1","detailCode":"the-secret the-token"}`, "Retry-After", "0.001")(req)
			})}))
		resp, err := c.Do(request(t, http.MethodGet, "/x", nil))
		require.NoError(t, err)
		read(resp)
		for range 2 {
			e := failure(t, customizers.CheckResponse(resp), customizers.ErrServer)
			assert.Equal(t, "t-1", e.TrackingID, name)
			assert.Equal(t, "[redacted] [redacted]", e.DetailCode, name)
			assert.Equal(t, 4, e.Attempts)
			assert.Equal(t, time.Millisecond, e.RetryAfter)
		}
		assert.NoError(t, resp.Request.Context().Err(), "the context is the caller's")
	}
}

// CheckResponse also takes what another client or a test made.
func TestCheckResponseOfAnotherClient(t *testing.T) {
	t.Parallel()
	resp := &http.Response{StatusCode: 404}
	require.EqualError(t, customizers.CheckResponse(resp), "customizers: 404 Not Found: an empty body instead of a JSON error")
	require.ErrorIs(t, customizers.CheckResponse(resp), customizers.ErrNotFound)
	resp = &http.Response{StatusCode: 503, Request: &http.Request{Method: http.MethodPatch}}
	requireFailure(t, customizers.CheckResponse(resp), customizers.ErrServer, customizers.ErrOutcomeUnknown)
	for _, set := range []func(*http.Request){
		func(req *http.Request) { req.Header.Set("Authorization", "Bearer the-secret") },
		func(req *http.Request) { req.SetBasicAuth("the-id", "the-secret") },
	} {
		req := request(t, http.MethodPost, "https://acme.example/x", nil)
		set(req)
		resp = &http.Response{StatusCode: 400, Request: req, Body: io.NopCloser(strings.NewReader(`{"error":"the-secret ` + req.Header.Get("Authorization") + `"}`))}
		err := customizers.CheckResponse(resp)
		require.ErrorContains(t, err, "customizers: POST /x: 400 Bad Request: [redacted] ")
		assert.NotContains(t, err.Error(), strings.Fields(req.Header.Get("Authorization"))[1])
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Contains(t, string(data), "the-secret", "the body can still be read")
	}
}

// An error about the URL shows neither its query nor a secret in it.
func TestDoURLWithASecret(t *testing.T) {
	t.Parallel()
	c := newClient(t, "acme", customizers.ClientCredentials("the-id", "the-secret"), customizers.WithHTTPClient(&http.Client{Transport: respond(404, "")}))
	for _, url := range []string{"https://elsewhere.example/x/the-secret", "https://elsewhere.example/?k=hush-hush", "https://u:hush-hush@acme.api.identitynow.com/", "x?k=hush-hush", "/x/the-secret"} {
		_, err := c.Do(request(t, http.MethodGet, url, nil))
		require.Error(t, err)
		assert.NotContains(t, everyFormat(err), "the-secret")
		assert.NotContains(t, everyFormat(err), "hush-hush")
	}
}

// The response of a custom transport may lack the request.
func TestCheckResponseWithoutARequest(t *testing.T) {
	t.Parallel()
	c := clientOver(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := respond(400, `{"error":"bad `+req.Header.Get("Authorization")+`"}`)(req)
		resp.Request = nil
		return resp, err
	}))
	resp, err := c.Do(request(t, http.MethodGet, "/x", nil))
	require.NoError(t, err)
	require.ErrorContains(t, customizers.CheckResponse(resp), "customizers: GET /x: 400 Bad Request: bad Bearer [redacted]")
}

// A POST with an Idempotency-Key is retried like a read. An empty key is not sent.
func TestDoIdempotencyKey(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		for _, key := range [][]string{nil, {"4711"}} {
			t.Run(fmt.Sprint(name, key), func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				var seen [][]string
				c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					seen = append(seen, r.Header[name])
					n := len(seen)
					mu.Unlock()
					switch n {
					case 1:
						w.WriteHeader(http.StatusServiceUnavailable)
					case 2:
						panic(http.ErrAbortHandler)
					}
				})
				req := request(t, http.MethodPost, "/beta/search", strings.NewReader("{}"))
				req.Header[name] = key
				resp, err := c.Do(req)
				require.NoError(t, err)
				assert.Equal(t, http.StatusOK, resp.StatusCode)
				mu.Lock()
				defer mu.Unlock()
				assert.Equal(t, [][]string{key, key, key}, seen)
				assert.Contains(t, req.Header, name, "the caller's request is unchanged")
			})
		}
	}
}
