package customizers

import (
	"context"
	"reflect"
)

// An ended is the end of a call's context. It is the context's error, and its cause by
// identity only: what a cause wraps, such as the failure of another call, is not what
// happened to this one.
type ended struct{ err, cause error }

func endOf(ctx context.Context) error { return &ended{ctx.Err(), context.Cause(ctx)} }

func (e *ended) Error() string {
	if e.cause.Error() == e.err.Error() {
		return e.err.Error()
	}
	return e.err.Error() + ": " + e.cause.Error()
}

func (e *ended) Unwrap() error { return e.err }

func (e *ended) Is(target error) bool {
	return reflect.TypeOf(target).Comparable() && target == e.cause
}
