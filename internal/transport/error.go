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

// An Error is the failure of a call after a request was sent or was due to be.
type Error struct {
	Call       *Call
	Response   *Response // last response; nil if none came
	Err        error     // why no usable response came; nil if the status says it all
	NotSent    bool      // whether Err kept the request from being sent
	RetryAfter time.Duration
	Attempts   int // number of requests sent

	Reason         string // why the call was not retried, unless that is plain
	Stopped        error  // ended the wait for the next attempt
	OutcomeUnknown bool   // whether the service may have done what must not be done twice
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
	for _, err := range []error{e.Err, e.Stopped} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Status returns the status of the response, or 0 if none came.
func (e *Error) Status() int {
	if e.Response == nil {
		return 0
	}
	return e.Response.StatusCode
}

// A WaitError reports an attempt that was not sent, because its wait was longer than
// allowed or was ended by the context.
type WaitError struct {
	Wait   time.Duration // rest of the wait; 0 if unknown
	reason string
	cause  error // nil if the policy does not allow the wait
}

const (
	noSlot = "the rate limit has no slot free"
	paused = "the service asked for a pause that is not over"
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

// A ConnectionError reports that no whole response came.
type ConnectionError struct{ err error }

// Error returns the cause.
func (e *ConnectionError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *ConnectionError) Unwrap() error { return e.err }

// A ProxyError reports that a proxy refused to connect to the tenant.
type ProxyError struct {
	URL    *url.URL // may hold a password
	Status string   // such as "403 Forbidden"
	Code   int
}

// Error returns the proxy, without its password, and its status.
func (e *ProxyError) Error() string {
	return fmt.Sprintf("the proxy %s refused to connect: %s", e.Proxy(), e.Status)
}

// Proxy returns the proxy's address without its password.
func (e *ProxyError) Proxy() string { return e.URL.Scheme + "://" + e.URL.Host }

// A ContextError reports that a call's context ended. It matches the context's cause, but
// not what the cause wraps: the failure of another call is not the failure of this one.
type ContextError struct{ err, cause error }

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

// failureOf returns the failure of an attempt of c that err reports, or nil if err reports
// something else.
func failureOf(c *Call, err error) *Error {
	var e *Error
	if errors.As(err, &e) && e.Call == c {
		return e
	}
	return nil
}
