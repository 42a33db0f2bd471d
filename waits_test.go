package customizers_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
)

// The limit holds though the token takes longer than a period of it.
func TestRateLimitBehindASlowToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Time
		c := newClient(t, "acme", customizers.TokenSource(&source{next: func() (*oauth2.Token, error) {
			time.Sleep(45 * time.Second)
			return &oauth2.Token{AccessToken: "token"}, nil
		}}), customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Now())
			return fixed([]byte("[]"))(req)
		})}))
		var wg sync.WaitGroup
		for range 500 {
			wg.Go(func() {
				_, err := c.List(t.Context(), customizers.ListOptions{})
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		slices.SortFunc(at, time.Time.Compare)
		for i := 100; i < len(at); i++ {
			require.GreaterOrEqual(t, at[i].Sub(at[i-100]), 10*time.Second)
		}
	})
}

// The deadline of the caller that fetches the token is not that of those who wait.
func TestAFetchThatDoesNotFitItsCallersDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		c := newClient(t, "acme", customizers.ClientCredentials("id", "secret"), customizers.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.URL.Path != "/oauth/token" {
					return fixed([]byte("[]"))(req)
				}
				time.Sleep(time.Second)
				resp, _ := fixed([]byte(`{"access_token":"token"}`))(req)
				if fetches++; fetches == 1 {
					resp.StatusCode = 503
					resp.Header.Set("Retry-After", "5")
				}
				return resp, nil
			}),
		}))
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err := c.List(ctx, customizers.ListOptions{})
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorIs(t, err, customizers.ErrServer)
		})
		synctest.Wait()
		wg.Go(func() {
			_, err := c.List(t.Context(), customizers.ListOptions{})
			assert.NoError(t, err)
		})
		wg.Wait()
	})
}

// One who waits behind others fails as soon as it is known that the wait is too long,
// and learns why.
func TestWaitInTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		c := newClient(t, "acme", customizers.TokenSource(static("token")), customizers.WithRateLimit(1, 30*time.Second),
			customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, _ := fixed([]byte("[]"))(req)
				if n.Add(1) == 2 {
					time.Sleep(time.Second)
					resp.StatusCode = 429
					resp.Header.Set("Retry-After", "300")
				}
				return resp, nil
			})}))
		list := func(timeout time.Duration) (took time.Duration, e *customizers.Error) {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			start := time.Now()
			_, err := c.List(ctx, customizers.ListOptions{})
			if err != nil {
				assert.ErrorAs(t, err, &e)
			}
			return time.Since(start), e
		}
		_, e := list(time.Hour)
		require.Nil(t, e)

		took, e := list(10 * time.Second) // the slot is free in 30 s
		assert.Zero(t, took)
		require.ErrorIs(t, e, customizers.ErrRateLimited)
		require.ErrorIs(t, e, context.DeadlineExceeded)
		assert.Equal(t, 30*time.Second, e.RetryAfter)

		var wg sync.WaitGroup
		for range 5 { // the first of them gets the 429, a second after its slot is free
			wg.Go(func() {
				took, e := list(time.Hour)
				assert.Equal(t, 31*time.Second, took)
				assert.ErrorIs(t, e, customizers.ErrRateLimited)
				assert.Equal(t, 5*time.Minute, e.RetryAfter)
			})
		}
		wg.Wait()
	})
}

// A Retry-After of years, such as a time in seconds since 1970, is told but does not
// silence the client for good.
func TestAbsurdRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := newClient(t, "acme", customizers.TokenSource(static("token")), customizers.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, _ := fixed([]byte("[]"))(req)
				if n++; n == 1 {
					resp.StatusCode = 429
					resp.Header.Set("Retry-After", "1795000000")
				}
				return resp, nil
			}),
		}))
		_, err := c.List(t.Context(), customizers.ListOptions{})
		var e *customizers.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, 1795000000*time.Second, e.RetryAfter)
		time.Sleep(time.Hour)
		_, err = c.List(t.Context(), customizers.ListOptions{})
		require.NoError(t, err)
	})
}

func TestTokenSourceThatPanics(t *testing.T) {
	t.Parallel()
	c := newClient(t, "acme", customizers.TokenSource(&source{next: func() (*oauth2.Token, error) { panic("a bug") }}))
	for range 2 {
		_, err := c.List(t.Context(), customizers.ListOptions{})
		require.ErrorContains(t, err, "fetching a token panicked: a bug")
	}
}

// Every try that was sent is counted, those with a refused token too.
func TestAttemptsCountWhatWasSent(t *testing.T) {
	t.Parallel()
	for _, statuses := range [][]int{{401, 401}, {401, 404}, {503, 401, 503, 404}, {401, 503, 503, 503, 503}} {
		sent, tokens := 0, 0
		c := newClient(t, "acme", customizers.TokenSource(&source{next: func() (*oauth2.Token, error) {
			tokens++
			return &oauth2.Token{AccessToken: fmt.Sprint("token-", tokens)}, nil
		}}), quick, customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, _ := fixed([]byte("{}"))(req)
			resp.StatusCode = statuses[sent]
			sent++
			return resp, nil
		})}))
		_, err := c.Get(t.Context(), "x")
		var e *customizers.Error
		require.ErrorAs(t, err, &e)
		assert.Len(t, statuses, e.Attempts)
		assert.Len(t, statuses, sent)
	}
}
