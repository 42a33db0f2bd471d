package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func canceledBy(t *testing.T, cause error) error {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	return contextError(ctx)
}

// A group of calls is often cancelled with the failure of one call as the cause. The errors of
// the others match that cause, but nothing that it wraps.
func TestContextErrorMatchesItsCauseByIdentity(t *testing.T) {
	t.Parallel()
	inner := &net.DNSError{}
	cause := fmt.Errorf("another call: %w", &Error{Err: inner})
	err := canceledBy(t, cause)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	require.NotErrorIs(t, err, inner)
	var e *Error
	var dns *net.DNSError
	assert.NotErrorAs(t, err, &e)
	assert.NotErrorAs(t, err, &dns)

	uncomparable := joined{errors.New("a")}
	err = canceledBy(t, uncomparable)
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, uncomparable, "no panic")
}

type joined []error

func (j joined) Error() string { return errors.Join(j...).Error() }

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	expired, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	<-expired.Done()
	response := &Response{Response: &http.Response{StatusCode: 503}}
	for want, err := range map[string]error{
		"Service Unavailable":       &Error{Response: response},
		"broken":                    &Error{Response: response, Err: errors.New("broken")},
		"EOF":                       &ConnectionError{err: io.EOF},
		"no slot":                   &WaitError{reason: "no slot"},
		"no slot: failed":           &WaitError{reason: "no slot", cause: errors.New("failed")},
		"context canceled":          canceledBy(t, nil),
		"context canceled: enough":  canceledBy(t, errors.New("enough")),
		"context deadline exceeded": contextError(expired),
	} {
		assert.EqualError(t, err, want)
	}
}

func TestErrorMatchesItsCauses(t *testing.T) {
	t.Parallel()
	stopped := errors.New("stopped")
	e := &Error{Err: &ConnectionError{err: io.EOF}, StopCause: &WaitError{cause: stopped}}
	require.ErrorIs(t, e, io.EOF)
	require.ErrorIs(t, e, stopped)
	assert.Empty(t, (&Error{}).Unwrap())
}

// The error of another attempt, such as the previous one, is not a failure of this one.
func TestFailureOf(t *testing.T) {
	t.Parallel()
	c := &Call{}
	e := &Error{Call: c}
	assert.Same(t, e, failureOf(c, e))
	assert.Same(t, e, failureOf(c, fmt.Errorf("wrapped: %w", e)))
	assert.Nil(t, failureOf(&Call{}, e))
	assert.Nil(t, failureOf(c, io.EOF))
	assert.Nil(t, failureOf(c, nil))
}
