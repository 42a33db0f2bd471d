package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// newResponse returns a response; header alternates names and values.
func newResponse(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for pair := range slices.Chunk(header, 2) {
		h.Set(pair[0], pair[1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// always responds to every request with the same status.
func always(status int, header ...string) roundTripper {
	return func(*http.Request) (*http.Response, error) { return newResponse(status, "", header...), nil }
}

// sequence responds with the given statuses in order, and then with 200. A 0 is a connection
// that breaks.
func sequence(statuses ...int) roundTripper {
	return func(*http.Request) (*http.Response, error) {
		if len(statuses) == 0 {
			return newResponse(200, ""), nil
		}
		status := statuses[0]
		statuses = statuses[1:]
		if status == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		return newResponse(status, ""), nil
	}
}

// hang never responds.
func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
}

func staticToken(token string) TokenFetcher {
	return func(context.Context, Handler) (*oauth2.Token, error) { return &oauth2.Token{AccessToken: token}, nil }
}

// numberedTokens fetches the tokens "1", "2" and so on, each valid for life.
func numberedTokens(life time.Duration) TokenFetcher {
	n := 0
	return func(context.Context, Handler) (*oauth2.Token, error) {
		n++
		return &oauth2.Token{AccessToken: fmt.Sprint(n), Expiry: time.Now().Add(life)}, nil
	}
}

var policy = Policy{MaxAttempts: 4, MinBackoff: 500 * time.Millisecond, MaxBackoff: 20 * time.Second, MaxWait: time.Minute}

// newChain returns a chain with the default policy, a static token and no rate limit.
func newChain(rt roundTripper, change ...func(*Options)) Handler {
	o := Options{HTTP: rt, Retry: policy, Fetch: staticToken("token")}
	for _, f := range change {
		f(&o)
	}
	return New(o)
}

func withWindow(n int, per time.Duration) func(*Options) {
	return func(o *Options) { o.Window = NewWindow(n, per) }
}

func withFetch(f TokenFetcher) func(*Options) { return func(o *Options) { o.Fetch = f } }

// newCall returns a call, which is idempotent unless its method is POST.
func newCall(ctx context.Context, method string) *Call {
	var body io.Reader
	if method == http.MethodPost || method == http.MethodPut {
		body = strings.NewReader("body")
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://acme.example/things/1", body)
	if err != nil {
		panic(err)
	}
	return &Call{Context: ctx, Operation: "Test", Request: req, Idempotent: method != http.MethodPost}
}

// get makes a call and returns how long it took.
func get(ctx context.Context, h Handler) (time.Duration, error) {
	start := time.Now()
	_, err := h.Do(newCall(ctx, http.MethodGet))
	return time.Since(start), err
}

func errorOf(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	return e
}

// A call gets its token after its slot, so the token has not expired, however long the call
// queued.
func TestSlotBeforeToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		expiry := map[string]time.Time{}
		fetch := numberedTokens(time.Minute)
		h := newChain(func(req *http.Request) (*http.Response, error) {
			_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
			if time.Now().After(expiry[token]) {
				return newResponse(401, ""), nil
			}
			return newResponse(200, ""), nil
		}, withWindow(1, 10*time.Second), withFetch(func(ctx context.Context, h Handler) (*oauth2.Token, error) {
			token, err := fetch(ctx, h)
			expiry[token.AccessToken] = token.Expiry
			return token, err
		}), func(o *Options) {
			o.Hooks.OnAttempt = func(c *Call, _ *Response, e *Error, _ time.Duration) {
				assert.Nil(t, e, "attempt %d with token %s", c.Attempt, c.Token)
			}
		})
		var wg sync.WaitGroup
		start := time.Now()
		for range 50 {
			wg.Go(func() {
				_, err := get(t.Context(), h)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Equal(t, 490*time.Second, time.Since(start))
		assert.Len(t, expiry, 9, "each is used for nine tenths of its lifetime")
	})
}

// A pause that begins during a fetch delays the attempt. A token that expires in the pause
// is replaced.
func TestPauseDuringFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, n := time.Now(), new(atomic.Int32)
		fetches := numberedTokens(20 * time.Second)
		h := newChain(func(req *http.Request) (*http.Response, error) {
			switch n.Add(1) {
			case 1:
				time.Sleep(19500 * time.Millisecond)
				return newResponse(429, "", "Retry-After", "30"), nil
			case 2:
				assert.Equal(t, 49500*time.Millisecond, time.Since(start))
			}
			assert.Equal(t, "Bearer 3", req.Header.Get("Authorization"))
			return newResponse(200, ""), nil
		}, withFetch(func(ctx context.Context, h Handler) (*oauth2.Token, error) {
			token, err := fetches(ctx, h)
			if token.AccessToken == "2" {
				time.Sleep(5 * time.Second) // the pause begins
			}
			return token, err
		}))
		var wg sync.WaitGroup
		for _, begin := range []time.Duration{0, 19 * time.Second} {
			wg.Go(func() {
				time.Sleep(begin)
				_, err := get(t.Context(), h)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.EqualValues(t, 3, n.Load())
	})
}

func TestHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events []string
		note := func(format string, args ...any) { events = append(events, fmt.Sprintf(format, args...)) }
		rt := sequence(503, 429)
		h := newChain(func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			resp, err := rt(req)
			if resp.StatusCode == 429 {
				resp.Header.Set("Retry-After", "30")
			}
			return resp, err
		}, withWindow(2, 100*time.Second), func(o *Options) {
			o.Retry.MinBackoff = time.Nanosecond // rounds to no wait
			o.Hooks = Hooks{
				OnAttempt: func(c *Call, resp *Response, e *Error, took time.Duration) {
					note("%d: %d after %v, failed %v", c.Attempt, resp.StatusCode, took, e != nil)
				},
				OnWait: func(_ *Call, attempt int, last *Error, reason Reason, wait time.Duration) {
					note("%s before %d: %v, last %d", reason, attempt, wait, last.Status())
				},
				OnRetry: func(e *Error, wait time.Duration) { note("%d failed, retry in %v", e.Attempts, wait) },
			}
		})
		_, err := get(t.Context(), h)
		require.NoError(t, err)
		assert.Equal(t, []string{
			"1: 503 after 1s, failed true",
			"1 failed, retry in 0s",
			"2: 429 after 1s, failed true",
			"2 failed, retry in 30s",
			"retry_after before 3: 30s, last 429",
			"rate_limit before 3: 1m9s, last 429", // 31 seconds after the first response
			"3: 200 after 1s, failed false",
		}, events)
	})
}

// A panic in the user's code reaches the caller, and leaves no lock held and no slot taken.
func TestPanics(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(o *Options, panicOnce func()){
		"transport": func(o *Options, panicOnce func()) {
			o.HTTP = roundTripper(func(*http.Request) (*http.Response, error) { panicOnce(); return newResponse(200, ""), nil })
		},
		"limiter": func(o *Options, panicOnce func()) {
			o.Limiter, o.Window = limiter(func(context.Context) error { panicOnce(); return nil }), nil
		},
		"attempted": func(o *Options, panicOnce func()) {
			o.Hooks.OnAttempt = func(*Call, *Response, *Error, time.Duration) { panicOnce() }
		},
		"waiting": func(o *Options, panicOnce func()) {
			o.Hooks.OnWait = func(*Call, int, *Error, Reason, time.Duration) { panicOnce() }
			o.Window.take()
			o.Window.release(true)
		},
		"retrying": func(o *Options, panicOnce func()) {
			o.HTTP = sequence(503)
			o.Hooks.OnRetry = func(*Error, time.Duration) { panicOnce() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				panicked := false
				h := newChain(always(200), withWindow(1, time.Second), func(o *Options) {
					change(o, func() {
						if !panicked {
							panicked = true
							panic("a bug")
						}
					})
				})
				require.PanicsWithValue(t, "a bug", func() { _, _ = get(t.Context(), h) })
				took, err := get(t.Context(), h)
				require.NoError(t, err)
				assert.LessOrEqual(t, took, time.Second)
			})
		})
	}
}

// No lock is held during a request, while a body is read, or in a hook: other calls succeed
// while these block.
func TestNoLockIsHeldAcrossIO(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		h := newChain(func(req *http.Request) (*http.Response, error) {
			resp := newResponse(200, "body")
			switch req.Method {
			case http.MethodPut:
				<-stuck
			case http.MethodDelete:
				resp.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { <-stuck; return 0, io.EOF }))
			}
			return resp, nil
		}, withWindow(100, time.Second), func(o *Options) {
			o.Hooks.OnAttempt = func(c *Call, _ *Response, _ *Error, _ time.Duration) {
				if c.Request.Method == http.MethodPost {
					<-stuck
				}
			}
		})
		var wg sync.WaitGroup
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPost} {
			wg.Go(func() {
				_, err := h.Do(newCall(t.Context(), method))
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		for range 20 {
			took, err := get(t.Context(), h)
			require.NoError(t, err)
			require.Zero(t, took)
		}
		close(stuck)
		wg.Wait()
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestCallWithAnEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := newChain(func(*http.Request) (*http.Response, error) { t.Error("sent"); return newResponse(200, ""), nil })
	_, err := get(ctx, h)
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, errorOf(t, err).NotSent)
}

// In every state, a call returns when its context ends, with the cause. It may return
// earlier if its wait would end after the deadline.
func TestContextEndsCallInEveryState(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	exhaust := func(ctx context.Context, h Handler) { _, _ = get(ctx, h) }
	for name, tt := range map[string]struct {
		rt      roundTripper
		change  func(*Options)
		prepare func(context.Context, Handler)
	}{
		"token request": {rt: hang, change: withFetch(FromCredentials("https://acme.example/oauth/token", "id", "secret", http.Header{}))},
		"token source": {rt: always(200), change: withFetch(func(context.Context, Handler) (*oauth2.Token, error) {
			time.Sleep(time.Hour)
			return nil, errors.New("late")
		})},
		"slot": {rt: always(200), change: withWindow(1, time.Hour), prepare: exhaust},
		"turn": {rt: always(200), change: withWindow(1, time.Hour), prepare: func(ctx context.Context, h Handler) {
			_, _ = get(ctx, h)
			go exhaust(ctx, h)
			synctest.Wait()
		}},
		"limiter": {rt: always(200), change: func(o *Options) {
			o.Limiter = limiter(func(ctx context.Context) error { <-ctx.Done(); return errors.New("no slot") })
		}},
		"429":          {rt: always(429, "Retry-After", "30")},
		"Retry-After":  {rt: always(503, "Retry-After", "30")},
		"backoff":      {rt: always(503), change: func(o *Options) { o.Retry.MinBackoff, o.Retry.MaxBackoff = 1e5*time.Hour, 1e5*time.Hour }},
		"response":     {rt: hang},
		"body":         {rt: func(req *http.Request) (*http.Response, error) { return hangingBody(req, 200), nil }},
		"error's body": {rt: func(req *http.Request) (*http.Response, error) { return hangingBody(req, 503), nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newChain(tt.rt, func(o *Options) {
					if tt.change != nil {
						tt.change(o)
					}
				})
				background, stop := context.WithCancel(t.Context())
				defer stop()
				if tt.prepare != nil {
					tt.prepare(background, h)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(3*time.Second, func() { cancel(enough) })
				took, err := get(ctx, h)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, enough)
				assert.Equal(t, 3*time.Second, took)

				deadline, cancelDeadline := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancelDeadline()
				took, err = get(deadline, h)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.LessOrEqual(t, took, 3*time.Second)
				stop()
				time.Sleep(2 * time.Hour) // let the token source return
			})
		})
	}
}

// hangingBody returns a response whose body sends a byte and then blocks until the request's
// context ends.
func hangingBody(req *http.Request, status int) *http.Response {
	resp := newResponse(status, "")
	resp.ContentLength = -1
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("["), readerFunc(func([]byte) (int, error) {
		<-req.Context().Done()
		return 0, req.Context().Err()
	})))
	return resp
}
