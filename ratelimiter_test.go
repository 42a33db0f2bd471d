package customizers_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// every is a limiter that grants a slot each period, or returns err.
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
	limited := respond(429, "", "Retry-After", "9")
	for name, tt := range map[string]struct {
		limiter every
		wire    *script
		timeout time.Duration
		took    time.Duration // by three calls
		sent    int
		is      []error
		says    string
	}{
		"no wait":           {sent: 3},
		"a slot each 4 s":   {limiter: every{period: 4 * time.Second}, took: 8 * time.Second, sent: 3},
		"retry":             {limiter: every{period: 20 * time.Second}, wire: newScript(limited, respond(200, "[]")), took: 60 * time.Second, sent: 4},
		"Retry-After":       {wire: newScript(limited, respond(200, "[]")), took: 9 * time.Second, sent: 4},
		"context ends":      {limiter: every{period: time.Hour}, timeout: time.Minute, took: time.Minute, sent: 1, is: []error{context.DeadlineExceeded, customizers.ErrRateLimited}, says: "not sent"},
		"the limiter fails": {limiter: every{err: broken}, is: []error{broken, customizers.ErrRateLimited}, says: "the rate limiter failed: no connection to the store"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if tt.wire == nil {
					tt.wire = newScript(respond(200, "[]"))
				}
				if tt.timeout == 0 {
					tt.timeout = time.Hour
				}
				c := clientOver(t, tt.wire, customizers.WithRateLimiter(&tt.limiter))
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				start := time.Now()
				var err error
				for i := 0; i < 3 && err == nil; i++ {
					err = list(ctx, c)
				}
				assert.Equal(t, tt.took, time.Since(start))
				assert.Len(t, tt.wire.requests, tt.sent)
				if tt.is == nil {
					require.NoError(t, err)
				}
				for _, is := range tt.is {
					require.ErrorIs(t, err, is)
				}
				if err != nil {
					require.ErrorContains(t, err, tt.says)
				}
			})
		})
	}
}
