package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	for attempt, ceiling := range map[int]time.Duration{
		1: 500 * time.Millisecond, 2: time.Second, 3: 2 * time.Second, 6: 16 * time.Second,
		7: 20 * time.Second, 50: 20 * time.Second, 5000: 20 * time.Second,
	} {
		assert.Zero(t, policy.backoff(attempt, 0), "attempt %d", attempt)
		assert.Equal(t, ceiling/2, policy.backoff(attempt, 0.5), "attempt %d", attempt)
		assert.InDelta(t, ceiling, policy.backoff(attempt, math.Nextafter(1, 0)), 2, "attempt %d", attempt)
	}
}

// The outcome of a call whose attempts get the given statuses, and then 200.
func TestRetry(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method   string
		statuses []int
		attempts int
		want     int  // last status; negative for a delete that fails with 404
		unknown  bool // whether the outcome is unknown
	}{
		"success":                    {http.MethodGet, nil, 1, 200, false},
		"get":                        {http.MethodGet, []int{503, 0, 429}, 4, 200, false},
		"get, to the end":            {http.MethodGet, []int{503, 502, 500, 504}, 4, 504, false},
		"get, refused":               {http.MethodGet, []int{503, 403}, 2, 403, false},
		"get, a redirect":            {http.MethodGet, []int{302}, 1, 302, false},
		"put":                        {http.MethodPut, []int{408, 0}, 3, 200, false},
		"create":                     {http.MethodPost, []int{503}, 1, 503, true},
		"create, connection broke":   {http.MethodPost, []int{0}, 1, 0, true},
		"create, a redirect":         {http.MethodPost, []int{302}, 1, 302, true},
		"create, refused":            {http.MethodPost, []int{400}, 1, 400, false},
		"create, limited":            {http.MethodPost, []int{429, 429}, 3, 200, false},
		"create, limited to the end": {http.MethodPost, []int{429, 429, 429, 429}, 4, 429, false},
		"create, limited and failed": {http.MethodPost, []int{429, 500}, 2, 500, true},

		"delete, then not found":              {http.MethodDelete, []int{503, 404}, 2, 404, false},
		"delete, limited, then not found":     {http.MethodDelete, []int{429, 404}, 2, -404, false},
		"delete, not found":                   {http.MethodDelete, []int{404}, 1, -404, false},
		"get, then not found":                 {http.MethodGet, []int{503, 404}, 2, 404, false},
		"delete, failed, limited, not found":  {http.MethodDelete, []int{0, 429, 404}, 3, 404, false},
		"delete, failed, refused, not found":  {http.MethodDelete, []int{0, 401, 404}, 3, 404, false},
		"a token refused":                     {http.MethodPost, []int{401}, 2, 200, false},
		"a token refused twice":               {http.MethodPost, []int{401, 401}, 2, 401, false},
		"a refused token is not an attempt":   {http.MethodGet, []int{503, 401, 503, 503}, 5, 200, false},
		"a refused token, and then a failure": {http.MethodGet, []int{401, 503, 503, 503, 503}, 5, 503, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rt, sent := sequence(tt.statuses...), 0
				h := newChain(func(req *http.Request) (*http.Response, error) {
					sent++
					if req.Body != nil {
						body, err := io.ReadAll(req.Body)
						require.NoError(t, err)
						assert.Equal(t, "body", string(body), "each attempt sends the whole body")
					}
					return rt(req)
				}, withFetch(numberedTokens(time.Hour)))
				c := newCall(t.Context(), tt.method)
				resp, err := h.Do(c)
				assert.Equal(t, tt.attempts, sent)
				deleted := tt.method == http.MethodDelete && tt.want == 404
				if tt.want == 200 || deleted {
					require.NoError(t, err)
					assert.Equal(t, tt.want, resp.StatusCode)
					assert.Equal(t, tt.attempts, resp.Attempts)
					return
				}
				e := errorOf(t, err)
				assert.Equal(t, max(tt.want, -tt.want), e.Status())
				assert.Equal(t, tt.attempts, e.Attempts)
				assert.Equal(t, tt.unknown, e.OutcomeUnknown)
				assert.False(t, e.NotSent)
			})
		})
	}
}

func TestMaxAttemptsOne(t *testing.T) {
	t.Parallel()
	for status, attempts := range map[int]int{503: 1, 429: 1, 401: 2} {
		h := newChain(sequence(status), withFetch(numberedTokens(time.Hour)), func(o *Options) { o.Retry.MaxAttempts = 1 })
		resp, err := h.Do(newCall(t.Context(), http.MethodGet))
		if attempts == 1 {
			assert.Equal(t, 1, errorOf(t, err).Attempts, status)
			continue
		}
		require.NoError(t, err, "replacing a token is not a retry")
		assert.Equal(t, attempts, resp.Attempts, status)
	}
}

// How long a call waits before a retry, and when it fails instead.
func TestWaits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status   int
		after    string
		deadline time.Duration
		took     time.Duration
		fails    string // reason for which the call fails at once
	}{
		"Retry-After":            {503, "40", time.Hour, 40 * time.Second, ""},
		"after 429":              {429, "40", time.Hour, 40 * time.Second, ""},
		"longest":                {429, "60", time.Hour, time.Minute, ""},
		"too long":               {503, "61", time.Hour, 0, "the wait exceeds the maximum of 1m0s"},
		"too long after 429":     {429, "61", time.Hour, 0, "the wait exceeds the maximum of 1m0s"},
		"just before a deadline": {503, "40", 40 * time.Second, 40 * time.Second, ""},
		"after a deadline":       {503, "40", 39 * time.Second, 0, "the wait of 40s would end after the deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rt := sequence(tt.status)
				h := newChain(func(req *http.Request) (*http.Response, error) {
					resp, err := rt(req)
					resp.Header.Set("Retry-After", tt.after)
					return resp, err
				})
				ctx, cancel := context.WithTimeout(t.Context(), tt.deadline+1)
				defer cancel()
				took, err := get(ctx, h)
				assert.Equal(t, tt.took, took)
				if tt.fails == "" {
					require.NoError(t, err)
					return
				}
				e := errorOf(t, err)
				assert.Equal(t, "not retried: "+tt.fails, e.Reason)
				assert.Equal(t, tt.deadline < time.Hour, errors.Is(err, context.DeadlineExceeded))
				assert.Positive(t, e.RetryAfter)
				assert.Equal(t, tt.status, e.Status())
			})
		})
	}
}

// If another call begins a pause that is too long, a call that waits for its retry then fails
// with its last failure.
func TestPauseBeforeRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newChain(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPut {
				return newResponse(429, "", "Retry-After", "300"), nil
			}
			return newResponse(503, "", "Retry-After", "20"), nil
		})
		time.AfterFunc(5*time.Second, func() { _, _ = h.Do(newCall(t.Context(), http.MethodPut)) })
		took, err := get(t.Context(), h)
		assert.Equal(t, 20*time.Second, took)
		e := errorOf(t, err)
		assert.Equal(t, 503, e.Status())
		assert.Equal(t, 1, e.Attempts)
		assert.Equal(t, "not retried: "+paused, e.Reason)
		assert.Equal(t, 285*time.Second, e.RetryAfter)
		var w *WaitError
		assert.ErrorAs(t, err, &w)
	})
}

// A request whose body was read and can't be read again is not retried, even after a 429.
func TestBodyThatCanBeReadOnlyOnce(t *testing.T) {
	t.Parallel()
	c := newCall(t.Context(), http.MethodPut)
	c.Request.Body, c.Request.GetBody = io.NopCloser(bytes.NewReader([]byte("body"))), nil
	_, err := newChain(func(req *http.Request) (*http.Response, error) {
		_, err := req.Body.Read(make([]byte, 1))
		return newResponse(429, ""), err
	}).Do(c)
	e := errorOf(t, err)
	assert.Equal(t, 1, e.Attempts)
	assert.Equal(t, "not retried: the body can be read only once", e.Reason)

	gone := errors.New("the file is gone")
	c = newCall(t.Context(), http.MethodPut)
	c.Request.GetBody = func() (io.ReadCloser, error) { return nil, gone }
	_, err = newChain(sequence(401), withFetch(numberedTokens(time.Hour))).Do(c)
	require.ErrorIs(t, err, gone)
	e = errorOf(t, err)
	assert.Equal(t, 401, e.Status())
	assert.Equal(t, "not retried: the file is gone", e.Reason)
}

// The body of an attempt that is not sent is closed.
func TestBodyOfUnsentAttemptIsClosed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"during the wait for the retry": func(*Options) {},
		"before the slot":               withWindow(1, time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				opened, closed := 0, 0
				ctx, cancel := context.WithCancel(t.Context())
				c := newCall(ctx, http.MethodPut)
				c.Request.GetBody = func() (io.ReadCloser, error) {
					opened++
					return &body{Reader: bytes.NewReader(nil), closed: &closed}, nil
				}
				time.AfterFunc(35*time.Second, cancel)
				_, err := newChain(always(503, "Retry-After", "40"), change, func(o *Options) {
					if o.Window != nil {
						o.HTTP = always(503)
					}
				}).Do(c)
				require.ErrorIs(t, err, context.Canceled)
				assert.Equal(t, 1, opened)
				assert.Equal(t, 1, closed)
			})
		})
	}
}

// After a 417 the request is sent once more, without Expect, unless its body was sent already.
func TestExpectationFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		h := newChain(func(req *http.Request) (*http.Response, error) {
			sent++
			if req.Header.Get("Expect") != "" || sent > 3 {
				return newResponse(417, ""), nil
			}
			return newResponse(200, ""), nil
		})
		c := newCall(t.Context(), http.MethodPost)
		c.Request.Header.Set("Expect", "100-continue")
		start := time.Now()
		_, err := h.Do(c)
		require.NoError(t, err)
		assert.Equal(t, 2, sent)
		assert.Zero(t, time.Since(start))
		assert.NotEmpty(t, c.Request.Header.Get("Expect"), "the caller's request is unchanged")

		sent = 3
		_, err = h.Do(c)
		assert.Equal(t, 2, errorOf(t, err).Attempts, "only one more attempt")

		c = newCall(t.Context(), http.MethodPost)
		c.Request.Header.Set("Expect", "100-continue")
		_, err = newChain(func(req *http.Request) (*http.Response, error) {
			_, err := io.Copy(io.Discard, req.Body)
			return newResponse(417, ""), err
		}).Do(c)
		e := errorOf(t, err)
		assert.Equal(t, 1, e.Attempts)
		assert.False(t, e.OutcomeUnknown)

		c = newCall(t.Context(), http.MethodPatch)
		c.Request.Header.Set("Expect", "100-continue")
		_, err = newChain(always(417)).Do(c)
		assert.Equal(t, 1, errorOf(t, err).Attempts, "without a body all of it was sent")
	})
}

// A client stops retrying during an outage. Its successes earn new retries.
func TestBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests, rt := 0, always(503)
		h := newChain(func(req *http.Request) (*http.Response, error) { requests++; return rt(req) })
		calls := func(n int) (sent int, err error) {
			requests = 0
			for range n {
				_, err = get(t.Context(), h)
			}
			return requests, err
		}
		sent, _ := calls(10)
		assert.Equal(t, 40, sent, "every call is retried at first")
		sent, _ = calls(100)
		assert.Equal(t, 100+70, sent, "until 100 retries are spent")
		sent, err := calls(100)
		assert.Equal(t, 100, sent, "then nothing is retried")
		assert.Equal(t, "not retried: too many of the client's requests fail", errorOf(t, err).Reason)

		rt = always(429)
		sent, _ = calls(10)
		assert.Equal(t, 40, sent, "retries after a 429 are free")

		rt = always(200)
		_, _ = calls(50)
		rt = always(503)
		sent, _ = calls(20)
		assert.Equal(t, 20+10, sent, "five successes earn a retry")

		for range 25 {
			rt = sequence(429)
			_, _ = calls(1)
		}
		rt = always(503)
		sent, _ = calls(20)
		assert.Equal(t, 20+5, sent, "a success after a free retry counts too")

		rt = always(200)
		_, _ = calls(10_000)
		rt = always(503)
		sent, _ = calls(200)
		assert.Equal(t, 200+100, sent, "the budget does not grow")
	})
}

// Calls and token requests share the budget.
func TestBudgetIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests, tokens := 0, always(503)
		h := newChain(func(req *http.Request) (*http.Response, error) {
			requests++
			if req.URL.String() == tokenURL {
				return tokens(req)
			}
			return newResponse(503, ""), nil
		}, withFetch(FromCredentials(tokenURL, "id", "secret", http.Header{})))
		for range 100 {
			_, _ = get(t.Context(), h)
		}
		assert.Equal(t, 100+100, requests)
		tokens, requests = func(*http.Request) (*http.Response, error) { return newResponse(200, `{"access_token":"t"}`), nil }, 0
		for range 100 {
			_, _ = get(t.Context(), h)
		}
		assert.Equal(t, 1+100, requests)
	})
}

// A successful retry is refunded, so passing faults never exhaust the budget.
func TestBudgetRefunds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var rt roundTripper
		h := newChain(func(req *http.Request) (*http.Response, error) { return rt(req) }, withFetch(numberedTokens(time.Hour)))
		for range 300 {
			for _, statuses := range [][]int{{502}, {502, 401}, {429, 0}} {
				rt = sequence(statuses...)
				_, err := get(t.Context(), h)
				require.NoError(t, err, statuses)
			}
		}
	})
}
