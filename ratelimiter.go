package customizers

import "context"

// A RateLimiter decides when a client may send a request: see [WithRateLimiter].
// *rate.Limiter of golang.org/x/time/rate implements it.
type RateLimiter interface {
	// Wait blocks until the client may send a request. It must return when ctx ends. If it
	// returns an error, nothing is sent, and the call's error matches [ErrRateLimited] and the
	// returned error, or the error of ctx if that has ended. A client calls Wait for one
	// request at a time, in the order of its calls.
	Wait(ctx context.Context) error
}
