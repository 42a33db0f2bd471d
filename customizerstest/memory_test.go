package customizerstest_test

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// Without a socket a test of waits takes no time.
func TestWithoutSocket(t *testing.T) {
	t.Parallel()
	once := customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1})
	tests := map[string]struct {
		fault  customizerstest.Fault
		opts   []customizers.Option
		within time.Duration // the deadline; an hour when zero
		took   time.Duration // at least
		failed func(error) bool
	}{
		"answers":            {},
		"a pause is kept":    {fault: customizerstest.Fault{Status: 429, Header: http.Header{"Retry-After": {"50"}}}, took: 50 * time.Second},
		"a delay passes":     {fault: customizerstest.Fault{Delay: 90 * time.Second}, took: 90 * time.Second},
		"a cut is overcome":  {fault: customizerstest.Fault{Cut: true}},
		"a cut is an error":  {fault: customizerstest.Fault{Cut: true}, opts: []customizers.Option{once}, failed: func(err error) bool { return err != nil }},
		"a part is no whole": {fault: customizerstest.Fault{TruncateAt: 5}, opts: []customizers.Option{once}, failed: func(err error) bool { return err != nil }},
		"the context ends": {
			fault: customizerstest.Fault{Delay: time.Hour}, within: time.Minute, took: time.Minute,
			failed: func(err error) bool { return errors.Is(err, context.DeadlineExceeded) },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := customizerstest.NewServer(customizerstest.WithoutSocket(), customizerstest.WithSeed(2))
				defer srv.Close()
				tt.fault.Operation = customizerstest.List
				if tt.fault.Status != 0 || tt.fault.Delay != 0 || tt.fault.Cut || tt.fault.TruncateAt != 0 {
					srv.Inject(tt.fault)
				}
				ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(tt.within, time.Hour))
				defer cancel()
				start := time.Now()
				p, err := srv.Client(tt.opts...).List(ctx, customizers.ListOptions{})
				assert.GreaterOrEqual(t, time.Since(start), tt.took)
				if tt.failed != nil {
					require.Error(t, err)
					assert.True(t, tt.failed(err), err)
					return
				}
				require.NoError(t, err)
				assert.Len(t, p.Items, 2)
			})
		})
	}
}

// A tenant that is closed is as one whose host is down, with a socket and without: what was
// never sent is known not to have been, and what was under way is not.
func TestClosed(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]customizerstest.Option{
		"a socket": nil,
		"none":     {customizerstest.WithoutSocket()},
	} {
		for call, do := range map[string]func(context.Context, *customizers.Client) error{
			"a read": func(ctx context.Context, c *customizers.Client) error {
				_, err := c.List(ctx, customizers.ListOptions{})
				return err
			},
			"a create": func(ctx context.Context, c *customizers.Client) error {
				_, err := c.Create(ctx, customizers.CreateRequest{Name: "hr-feed"})
				return err
			},
			"an upload": func(ctx context.Context, c *customizers.Client) error {
				_, err := c.CreateVersion(ctx, "an-id", strings.NewReader("PK"))
				return err
			},
		} {
			t.Run(name+"/"+call, func(t *testing.T) {
				t.Parallel()
				srv := customizerstest.NewServer(opts...)
				defer srv.Close()
				var tries atomic.Int32
				client := srv.Client(
					customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 3, MinBackoff: time.Millisecond}),
					customizers.WithObserver(customizers.Observer{Attempt: func(context.Context, customizers.Attempt) { tries.Add(1) }}),
				)
				_, err := client.List(t.Context(), customizers.ListOptions{}) // has its token
				require.NoError(t, err)
				srv.Close()
				sent := len(srv.Requests())
				tries.Store(0)
				for _, c := range []*customizers.Client{client, srv.Client(customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))} {
					err = do(t.Context(), c)
					var op *net.OpError
					require.ErrorAs(t, err, &op)
					assert.Equal(t, "dial", op.Op)
					assert.ErrorIs(t, err, syscall.ECONNREFUSED)
					assert.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
				}
				assert.EqualValues(t, 3, tries.Load(), "it is sent again, whatever it is")
				assert.Len(t, srv.Requests(), sent)
			})
		}
	}
}

// What a tenant does while it is closed is done, but nobody hears of it.
func TestClosedMeanwhile(t *testing.T) {
	t.Parallel()
	var srv *customizerstest.Server
	srv = customizerstest.NewServer(customizerstest.WithoutSocket(), customizerstest.WithRequestHook(func(r customizerstest.Request) {
		if r.Operation == customizerstest.Create {
			srv.Close()
		}
	}))
	_, err := srv.Client().Create(t.Context(), customizers.CreateRequest{Name: "hr-feed"})
	require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	assert.Len(t, srv.Customizers(), 1)
}
