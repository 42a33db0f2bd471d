package customizers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(testContext(t), method, url, body)
	require.NoError(t, err)
	return req
}

var errRedirect = errors.New("a redirect matches no sentinel")

// Do returns any status as a response, after the retries that the method allows.
func TestDo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method   string
		statuses []int // of the responses; the last one repeats
		requests int32
		sentinel error // of CheckResponse; and ErrOutcomeUnknown, for a 503 to a POST or PATCH
	}{
		"200":                             {http.MethodGet, []int{200}, 1, nil},
		"201 to a POST":                   {http.MethodPost, []int{201}, 1, nil},
		"no content":                      {http.MethodDelete, []int{204}, 1, nil},
		"HEAD":                            {http.MethodHead, []int{200}, 1, nil},
		"a GET is retried":                {http.MethodGet, []int{503, 502, 200}, 3, nil},
		"a PUT is retried":                {http.MethodPut, []int{500, 200}, 2, nil},
		"a POST after 429":                {http.MethodPost, []int{429, 200}, 2, nil},
		"a POST after 503":                {http.MethodPost, []int{503, 200}, 1, customizers.ErrServer},
		"a PATCH after 503":               {http.MethodPatch, []int{503, 200}, 1, customizers.ErrServer},
		"an expired token":                {http.MethodPatch, []int{401, 200}, 2, nil},
		"a refused token":                 {http.MethodGet, []int{401}, 2, customizers.ErrUnauthorized},
		"503, every time":                 {http.MethodGet, []int{503}, 4, customizers.ErrServer},
		"429, every time":                 {http.MethodGet, []int{429}, 4, customizers.ErrRateLimited},
		"400":                             {http.MethodPatch, []int{400}, 1, customizers.ErrBadRequest},
		"403":                             {http.MethodGet, []int{403}, 1, customizers.ErrForbidden},
		"404":                             {http.MethodGet, []int{404}, 1, customizers.ErrNotFound},
		"a redirect is not followed":      {http.MethodGet, []int{307}, 1, errRedirect},
		"a delete whose response is lost": {http.MethodDelete, []int{500, 404}, 2, customizers.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodGet && r.Method != http.MethodHead {
					assert.Equal(t, `{"a":1}`, string(body))
				}
				assert.Equal(t, "/beta/things/a%2Fb", r.URL.EscapedPath())
				assert.Equal(t, "x=1", r.URL.RawQuery)
				assert.Equal(t, "mine", r.Header.Get("X-Mine"))
				assert.True(t, strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "))
				assert.Contains(t, r.Header.Get("User-Agent"), "connector-customizers-go/")
				i := min(int(n.Add(1)), len(tt.statuses)) - 1
				w.Header().Set("Location", "https://elsewhere.example/x")
				w.WriteHeader(tt.statuses[i])
				if tt.statuses[i] != 204 {
					_, _ = io.WriteString(w, `{"trackingId":"t-1"}`)
				}
			}))
			t.Cleanup(srv.Close)
			tokens := 0
			c := newClient(t, srv.URL, customizers.TokenSource(tokenSource(func() (*oauth2.Token, error) {
				tokens++
				return &oauth2.Token{AccessToken: fmt.Sprint("token-", tokens)}, nil
			})), quick)
			var body io.Reader
			if tt.method != http.MethodGet && tt.method != http.MethodHead {
				body = strings.NewReader(`{"a":1}`)
			}
			req := request(t, tt.method, "/beta/things/a%2Fb?x=1", body)
			req.Header.Set("X-Mine", "mine")
			resp, err := c.Do(req)
			require.NoError(t, err)
			assert.Equal(t, tt.statuses[min(int(tt.requests), len(tt.statuses))-1], resp.StatusCode)
			assert.Equal(t, tt.requests, n.Load())
			assert.Empty(t, req.Header.Get("Authorization"), "the caller's request is unchanged")
			assert.Empty(t, req.URL.Host)
			err = customizers.CheckResponse(resp)
			data, readErr := io.ReadAll(resp.Body)
			require.NoError(t, readErr)
			if tt.method != http.MethodHead && resp.StatusCode != 204 {
				assert.JSONEq(t, `{"trackingId":"t-1"}`, string(data), "the body can be read again")
			}
			if tt.sentinel == nil {
				require.NoError(t, err)
				return
			}
			var e *customizers.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, resp.StatusCode, e.StatusCode)
			assert.Equal(t, "/beta/things/a/b", e.Path)
			if !errors.Is(tt.sentinel, errRedirect) {
				want := []error{tt.sentinel}
				if resp.StatusCode == 503 && tt.method != http.MethodGet {
					want = append(want, customizers.ErrOutcomeUnknown)
				}
				requireFailure(t, err, want...)
				assert.Equal(t, "t-1", e.TrackingID)
				assert.EqualValues(t, tt.requests, e.Attempts)
			}
		})
	}
}

// No token is sent to another host.
func TestDoStaysOnTheTenant(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	c := clientOf(t, func(http.ResponseWriter, *http.Request) { n.Add(1) })
	for _, url := range []string{
		"https://elsewhere.example/beta/x", "//elsewhere.example/beta/x", "http://127.0.0.1:1/beta/x", "http://localhost/beta/x",
		"beta/x", "", "mailto:someone@example.com", "?x=1",
	} {
		_, err := c.Do(request(t, http.MethodGet, url, nil))
		require.ErrorIs(t, err, customizers.ErrInvalidArgument, url)
	}
	_, err := c.Do(nil)
	require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	req := request(t, http.MethodGet, "/beta/x", nil)
	req.URL.User = nil
	req.Host = "elsewhere.example" // is ignored
	_, err = c.Do(req)
	require.NoError(t, err)
	assert.EqualValues(t, 1, n.Load())
}

func TestDoWithTheTenantsURL(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(srv.Close)
	c := newClient(t, srv.URL, customizers.TokenSource(static("t")))
	resp, err := c.Do(request(t, http.MethodGet, strings.ToUpper(srv.URL[:4])+srv.URL[4:]+"/x", nil))
	require.NoError(t, err)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "ok", string(data))
}

// An error of Do means that there is no response.
func TestDoWithoutAResponse(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			_ = conn.Close()
		}
	})
	_, err := c.Do(request(t, http.MethodPatch, "/beta/x", bytes.NewReader([]byte("[]"))))
	requireFailure(t, err, customizers.ErrConnection, customizers.ErrOutcomeUnknown)
	_, err = c.Do(request(t, http.MethodGet, "/beta/x", nil))
	requireFailure(t, err, customizers.ErrConnection)
	assert.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Do(request(t, http.MethodGet, "/beta/x", nil).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
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

func TestDoHeaders(t *testing.T) {
	t.Parallel()
	wire := newScript(respond(200, ""))
	c := clientOver(t, wire)
	for i, own := range []string{"", "mine"} {
		req := request(t, http.MethodGet, "/x", nil)
		req.Header = nil
		if own != "" {
			req.Header = http.Header{"User-Agent": {own}, "Accept": {own}, "Authorization": {own}}
		}
		_, err := c.Do(req)
		require.NoError(t, err)
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

// A failed token request is an error, and never the response of the call.
func TestDoTokenRequestFails(t *testing.T) {
	t.Parallel()
	for status, want := range map[int][]error{
		200: nil, 302: nil, 400: {customizers.ErrUnauthorized}, 401: {customizers.ErrUnauthorized}, 403: {customizers.ErrUnauthorized},
		404: nil, 429: {customizers.ErrRateLimited}, 503: {customizers.ErrServer},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var token, sent atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/oauth/token" {
					sent.Add(1)
					return
				}
				token.Add(1)
				body, _ := io.ReadAll(r.Body)
				w.Header().Set("Location", "https://elsewhere.example/?"+string(body))
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, `{"detailCode":%q,"message":%q}`, body, body)
			}))
			t.Cleanup(srv.Close)
			c := newClient(t, srv.URL, customizers.ClientCredentials("the-id", "the-secret+&"), quick)
			for _, method := range []string{http.MethodGet, http.MethodPatch} {
				resp, err := c.Do(request(t, method, "/beta/x", nil))
				require.Nil(t, resp)
				is := want
				if status == 200 { // an OAuth error in a 200
					is = []error{customizers.ErrUnauthorized}
				}
				e := failure(t, err, is...)
				assert.Equal(t, "Token POST /oauth/token", e.Operation+" "+e.Method+" "+e.Path)
				assert.Equal(t, status, e.StatusCode)
				assert.NotContains(t, everyFormat(err), "the-secret")
			}
			_, err := instances.Link(testContext(t), c, "customizer", "instance")
			require.Error(t, err)
			require.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
			require.NotErrorIs(t, err, customizers.ErrNotFound)
			assert.Zero(t, sent.Load())
		})
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
	require.EqualError(t, customizers.CheckResponse(resp), "customizers: GET /x: 404 Not Found (tracking id t; after 2 attempts)")
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

func TestCheckResponseHidesTheToken(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"messages":[{"text":"bad `+r.Header.Get("Authorization")+`"}]}`)
	}))
	t.Cleanup(srv.Close)
	c := newClient(t, srv.URL, customizers.TokenSource(static("hush-hush")))
	resp, err := c.Do(request(t, http.MethodGet, "/x", nil))
	require.NoError(t, err)
	err = customizers.CheckResponse(resp)
	require.ErrorContains(t, err, "bad Bearer [redacted]")

	// The response of a custom transport may lack the request.
	c = clientOver(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := respond(400, `{"error":"bad `+req.Header.Get("Authorization")+`"}`)(req)
		resp.Request = nil
		return resp, err
	}))
	resp, err = c.Do(request(t, http.MethodGet, "/x", nil))
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
				var seen [][]string
				c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
					seen = append(seen, r.Header[name])
					switch len(seen) {
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
				assert.Equal(t, [][]string{key, key, key}, seen)
				assert.Contains(t, req.Header, name, "the caller's request is unchanged")
			})
		}
	}
}
