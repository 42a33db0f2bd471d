package customizerstest_test

import (
	"context"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// Without a socket, waits take no time in a synctest bubble.
func TestWithoutSocket(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault    customizerstest.Fault
		attempts int
		took     time.Duration
		err      error
	}{
		"no fault":    {fault: customizerstest.Fault{Skip: 1}},
		"Retry-After": {fault: customizerstest.Fault{Status: 429, Header: http.Header{"Retry-After": {"50"}}}, took: 50 * time.Second},
		"delay":       {fault: customizerstest.Fault{Delay: 50 * time.Second}, took: 50 * time.Second},
		"timeout":     {fault: customizerstest.Fault{Delay: time.Hour, Times: -1}, took: 2 * time.Minute, err: context.DeadlineExceeded},
		"cut":         {fault: customizerstest.Fault{Reset: true}, attempts: 1, err: syscall.ECONNRESET},
		"truncated":   {fault: customizerstest.Fault{TruncateAt: 5}, attempts: 1, err: syscall.ECONNRESET},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := serve(t, customizerstest.WithoutSocket(), customizerstest.WithCustomizerCount(2))
				srv.Inject(tt.fault)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				start := time.Now()
				p, err := srv.Client(customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: tt.attempts})).List(ctx, customizers.ListOptions{})
				assert.Equal(t, tt.took, time.Since(start))
				require.ErrorIs(t, err, tt.err)
				if err == nil {
					assert.Len(t, p.Items, 2)
				}
			})
		})
	}
}

// After Close, connections are refused, with a socket and without, so the client knows that a
// create was not sent.
func TestClose(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]customizerstest.Option{"socket": nil, "no socket": {customizerstest.WithoutSocket()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, opts...)
			client := srv.Client(customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
			_, err := client.List(t.Context(), customizers.ListOptions{}) // fetches the token
			require.NoError(t, err)
			srv.Close()
			srv.Close() // has no effect
			_, err = client.Create(t.Context(), customizers.CreateRequest{Name: "hr-feed"})
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			assert.Equal(t, "dial", op.Op)
			assert.ErrorIs(t, err, syscall.ECONNREFUSED)
			assert.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
			assert.Len(t, srv.Requests(), 2)
		})
	}
}
