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

func TestDoHeadKeepsContentLength(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1000") })
	resp, err := c.Do(request(t, http.MethodHead, "/beta/x", nil))
	require.NoError(t, err)
	assert.EqualValues(t, 1000, resp.ContentLength)
}

// A slow upload of unknown length is not a stall: http.NewRequest leaves ContentLength at 0.
func TestDoSlowUpload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clientOver(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			for range 10 {
				select {
				case <-time.After(time.Minute):
				case <-req.Context().Done():
					return nil, context.Cause(req.Context())
				}
				if _, err := req.Body.Read(make([]byte, 1)); err != nil {
					return nil, err
				}
			}
			return respond(200, "{}")(req)
		}))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/beta/x", io.MultiReader(zeros{}))
		require.NoError(t, err)
		_, err = c.Do(req)
		require.NoError(t, err)
	})
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
