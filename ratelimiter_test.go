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
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
)

// scripted is a limiter that answers what it is told to, and then lets all through.
type scripted struct {
	slots   []customizers.Slot
	err     error
	taken   int
	done    []bool
	refused []time.Duration
}

func (s *scripted) Take(context.Context) (customizers.Slot, error) {
	if s.err != nil {
		return customizers.Slot{}, s.err
	}
	s.taken++
	if len(s.slots) > 0 {
		slot := s.slots[0]
		s.slots = s.slots[1:]
		return slot, nil
	}
	return customizers.Slot{Done: func(sent bool) { s.done = append(s.done, sent) }}, nil
}

func (s *scripted) Refused(ctx context.Context, d time.Duration) {
	if ctx.Err() == nil {
		s.refused = append(s.refused, d)
	}
}

func TestRateLimiter(t *testing.T) {
	t.Parallel()
	broken := errors.New("no connection to the store")
	for name, tt := range map[string]struct {
		limiter  scripted
		statuses []int         // of the answers; 200 afterwards
		within   time.Duration // the deadline; none when zero
		took     time.Duration
		done     []bool
		refused  []time.Duration
		failed   error
		says     string
	}{
		"a slot at once":            {done: []bool{true}},
		"a wait":                    {limiter: scripted{slots: []customizers.Slot{{Wait: 3 * time.Second}, {Wait: 4 * time.Second}}}, took: 7 * time.Second, done: []bool{true}},
		"a pause of another":        {limiter: scripted{slots: []customizers.Slot{{Wait: 50 * time.Second, Paused: true}}}, took: 50 * time.Second, done: []bool{true}},
		"a 429 is told":             {statuses: []int{429}, took: 9 * time.Second, done: []bool{true, true}, refused: []time.Duration{9 * time.Second}},
		"a pause too long":          {limiter: scripted{slots: []customizers.Slot{{Wait: 20 * time.Minute, Paused: true}}}, failed: customizers.ErrRateLimited, says: "try again in 20m0s"},
		"a wait beyond the context": {limiter: scripted{slots: []customizers.Slot{{Wait: time.Hour}}}, within: time.Minute, failed: context.DeadlineExceeded, says: "no slot free"},
		"it fails":                  {limiter: scripted{err: broken}, failed: broken, says: "not sent: the rate limiter failed: no connection to the store"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := tt.limiter
				n := 0
				c := newClient(t, "acme", customizers.WithTokenSource(static("token")), customizers.WithRateLimiter(&l),
					customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
						resp, err := fixed([]byte("[]"))(req)
						if n < len(tt.statuses) {
							resp.StatusCode = tt.statuses[n]
							resp.Header.Set("Retry-After", "9")
						}
						n++
						return resp, err
					})}))
				ctx := t.Context()
				if tt.within > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.within)
					defer cancel()
				}
				start := time.Now()
				_, err := c.List(ctx, customizers.ListOptions{})
				assert.Equal(t, tt.took, time.Since(start))
				assert.Equal(t, tt.done, l.done)
				assert.Equal(t, tt.refused, l.refused)
				if tt.failed == nil {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, tt.failed)
				assert.ErrorContains(t, err, tt.says)
				assert.Zero(t, n, "nothing was sent")
			})
		})
	}
}

// A slot of a request that was never sent is given back as such.
func TestRateLimiterLearnsThatNothingWasSent(t *testing.T) {
	t.Parallel()
	var l scripted
	broken := errors.New("no token")
	c := newClient(t, "acme", customizers.WithRateLimiter(&l), customizers.WithTokenSource(tokenSource(func() (*oauth2.Token, error) {
		return nil, broken
	})))
	_, err := c.List(ctxOf(t), customizers.ListOptions{})
	require.ErrorIs(t, err, broken)
	assert.Equal(t, []bool{false}, l.done)
}

// ending ends the context while it is asked.
type ending struct {
	scripted
	end context.CancelFunc
}

func (e *ending) Take(ctx context.Context) (customizers.Slot, error) {
	e.end()
	return e.scripted.Take(ctx)
}

// A slot that came too late is given back, and what is none is not.
func TestRateLimiterOfACallThatHasEnded(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{0, time.Second} {
		ctx, cancel := context.WithCancel(t.Context())
		l := &ending{end: cancel}
		done := func(sent bool) { l.done = append(l.done, sent) }
		l.slots = []customizers.Slot{{Wait: wait, Done: done}}
		c := newClient(t, "acme", customizers.WithRateLimiter(l), customizers.WithTokenSource(static("token")))
		_, err := c.List(ctx, customizers.ListOptions{})
		require.ErrorIs(t, err, context.Canceled)
		if wait == 0 {
			assert.Equal(t, []bool{false}, l.done)
		} else {
			assert.Empty(t, l.done)
		}
	}
}
