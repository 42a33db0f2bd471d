package customizers_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// A group of calls is often cancelled with the failure of one as the cause. What
// happened to that one is not what happened to the others.
func TestCauseOfAnotherCall(t *testing.T) {
	t.Parallel()
	notFound := &net.OpError{Op: "dial", Err: customizers.ErrNotFound}
	srv := sandbox(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "one"}))

	t.Run("while waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := overMemory(t, srv, customizers.WithRateLimit(1, time.Hour))
			failing := answering503Then404(t)
			_, cause := failing.Update(t.Context(), "one", customizers.UpdateRequest{Name: "n"})
			require.ErrorIs(t, cause, customizers.ErrNotFound)
			_, err := c.List(t.Context(), customizers.ListOptions{})
			require.NoError(t, err)
			for _, cause := range []error{cause, notFound} {
				for op, call := range calls(c, "one") {
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(time.Second, func() { cancel(cause) })
					err := call(ctx)
					require.ErrorIs(t, err, context.Canceled, op)
					require.ErrorIs(t, err, cause, "by identity")
					require.NotErrorIs(t, err, customizers.ErrNotFound, op)
					require.NotErrorIs(t, err, customizers.ErrOutcomeUnknown, op)
				}
			}
		})
		assert.Len(t, srv.Customizers(), 1)
	})

	t.Run("while a create is under way", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := answering(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			cancel(notFound) // looks like proof that nothing was sent
			<-r.Context().Done()
		})
		_, err := c.Create(ctx, customizers.CreateRequest{Name: "n"})
		require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, customizers.ErrNotFound)
	})
}

// answering503Then404 makes a client whose first try may have acted and whose second
// finds nothing.
func answering503Then404(t *testing.T) *customizers.Client {
	n := 0
	return newClient(t, "acme", customizers.TokenSource(static("token")), customizers.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			n++
			resp, _ := fixed(nil)(req)
			resp.StatusCode = map[bool]int{true: 503, false: 404}[n == 1]
			return resp, nil
		}),
	}))
}

func TestCauseThatCannotBeCompared(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(uncomparable{"a"})
	_, err := newClient(t, "acme", customizers.TokenSource(static("token"))).List(ctx, customizers.ListOptions{})
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, uncomparable{"a"})
}

type uncomparable []string

func (u uncomparable) Error() string { return u[0] }

// The answer to a create may be what is not TLS.
func TestCreateAnsweredWithoutTLS(t *testing.T) {
	t.Parallel()
	_, err := newClient(t, "acme", customizers.TokenSource(static("token")), customizers.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, http.ErrSchemeMismatch }),
	})).Create(t.Context(), customizers.CreateRequest{Name: "n"})
	require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 1, e.Attempts)
}
