package customizers_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// every is a limiter that grants a slot each period.
type every struct {
	period time.Duration
	last   time.Time
	err    error
}

func (e *every) Wait(ctx context.Context) error {
	if e.err != nil {
		return e.err
	}
	select {
	case <-time.After(time.Until(e.last.Add(e.period))):
		e.last = time.Now()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestRateLimiter(t *testing.T) {
	t.Parallel()
	broken := errors.New("no connection to the store")
	for name, tt := range map[string]struct {
		limiter  every
		statuses []int         // of the first responses; the others are 200
		within   time.Duration // deadline; none if zero
		took     time.Duration // for three lists
		sent     int
		errs     []error
		says     string
	}{
		"slots at once":         {sent: 3},
		"a slot each 4 s":       {limiter: every{period: 4 * time.Second}, took: 8 * time.Second, sent: 3},
		"a retry needs a slot":  {limiter: every{period: 20 * time.Second}, statuses: []int{429}, took: 60 * time.Second, sent: 4},
		"a pause holds it back": {statuses: []int{429}, took: 9 * time.Second, sent: 4},
		"the context ends":      {limiter: every{period: time.Hour}, within: time.Minute, took: time.Minute, sent: 1, errs: []error{context.DeadlineExceeded, customizers.ErrRateLimited}, says: "not sent: the rate limit has no slot free"},
		"it fails":              {limiter: every{err: broken}, errs: []error{broken, customizers.ErrRateLimited}, says: "not sent: the rate limiter failed: no connection to the store"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := newClient(t, "acme", customizers.TokenSource(static("token")), customizers.WithRateLimiter(&tt.limiter),
					customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
						resp, err := fixed([]byte("[]"))(req)
						if n < len(tt.statuses) {
							resp.StatusCode = tt.statuses[n]
							resp.Header.Set("Retry-After", "9")
						}
						n++
						return resp, err
					})}))
				ctx, cancel := t.Context(), func() {}
				if tt.within > 0 {
					ctx, cancel = context.WithTimeout(ctx, tt.within)
				}
				defer cancel()
				start := time.Now()
				var err error
				for i := 0; i < 3 && err == nil; i++ {
					_, err = c.List(ctx, customizers.ListOptions{})
				}
				assert.Equal(t, tt.took, time.Since(start))
				assert.Equal(t, tt.sent, n)
				if tt.errs == nil {
					require.NoError(t, err)
				}
				for _, want := range tt.errs {
					require.ErrorIs(t, err, want)
				}
				if tt.says != "" {
					assert.ErrorContains(t, err, tt.says)
				}
			})
		})
	}
}
