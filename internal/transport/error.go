package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"time"
)

// An Error is the failure of a call, even if no request was sent.
type Error struct {
	Call       *Call
	Response   *Response // last response; nil if none was received
	Err        error     // why there is no usable response; nil if the status is the failure
	NotSent    bool      // whether Err prevented the request
	RetryAfter time.Duration
	Attempts   int // number of requests sent

	Reason         string // why the call was not retried; empty if obvious
	StopCause      error  // error that ended the retries, or of the token source
	OutcomeUnknown bool   // whether the service may have carried out a call that is not idempotent
}

// Error returns the cause, or the text of the status.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return http.StatusText(e.Status())
}

// Unwrap returns the causes.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Err, e.StopCause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Status returns the status of the response, or 0 if none was received.
func (e *Error) Status() int {
	if e.Response == nil {
		return 0
	}
	return e.Response.StatusCode
}

// A WaitError reports an attempt that was not sent, because its wait was too long or the
// context ended first.
type WaitError struct {
	Wait   time.Duration // rest of the wait; 0 if unknown
	reason string
	cause  error // nil if the wait exceeds the policy's maximum
}

const (
	noSlot = "the rate limit has no free slot"
	paused = "a Retry-After of the service is in effect"
)

// Error returns the reason and the cause.
func (e *WaitError) Error() string {
	if e.cause != nil {
		return e.reason + ": " + e.cause.Error()
	}
	return e.reason
}

// Unwrap returns the cause.
func (e *WaitError) Unwrap() error { return e.cause }

// A ConnectionError reports that no complete response was received. Neither sent nor notSent is
// set if the transport does not tell.
type ConnectionError struct {
	err     error
	sent    bool // whether the header was written
	notSent bool // whether the service has received nothing that it could act on
}

// Error returns the cause.
func (e *ConnectionError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *ConnectionError) Unwrap() error { return e.err }

// A foreignError is an error that matches the error of a context which is not the caller's.
// It does not match that.
type foreignError struct{ err error }

// Error returns the error's text.
func (e foreignError) Error() string { return e.err.Error() }

// As finds the error's types.
func (e foreignError) As(target any) bool { return errors.As(e.err, target) }

// A ProxyError reports that a proxy refused to connect to the tenant.
type ProxyError struct {
	URL    *url.URL // may hold a password
	Status string   // such as "403 Forbidden"
	Code   int
}

// Error returns the proxy's address, without a password, and its status.
func (e *ProxyError) Error() string {
	return fmt.Sprintf("the proxy %s refused to connect: %s", e.Proxy(), e.Status)
}

// Proxy returns the proxy's address without a password.
func (e *ProxyError) Proxy() string { return e.URL.Scheme + "://" + e.URL.Host }

// A ContextError reports that a call's context ended. It matches the context's cause, but no
// error that the cause wraps: that may be the failure of another call.
type ContextError struct {
	err, cause error
	notSent    bool // whether the attempt had no connection yet
}

func contextError(ctx context.Context) error {
	return &ContextError{err: ctx.Err(), cause: context.Cause(ctx)}
}

// Error returns the context's error and its cause.
func (e *ContextError) Error() string {
	if e.cause.Error() == e.err.Error() {
		return e.err.Error()
	}
	return e.err.Error() + ": " + e.cause.Error()
}

// Unwrap returns the context's error.
func (e *ContextError) Unwrap() error { return e.err }

// Is reports whether target is the context's cause.
func (e *ContextError) Is(target error) bool {
	return reflect.TypeOf(target).Comparable() && target == e.cause
}

// failureOf returns the [*Error] in err if it is that of attempt c, and otherwise nil.
func failureOf(c *Call, err error) *Error {
	var e *Error
	if errors.As(err, &e) && e.Call == c {
		return e
	}
	return nil
}
