package customizers

import "context"

// A RateLimiter decides when a client may send a request: see [WithRateLimiter].
// *rate.Limiter of golang.org/x/time/rate is one.
type RateLimiter interface {
	// Wait blocks until the client may send a request. It must return when ctx ends. Any
	// other error fails the call, which matches the error and [ErrRateLimited]; nothing
	// was sent. A client calls Wait for one request at a time, in the order of its calls,
	// unless a Retry-After begins while they queue.
	Wait(ctx context.Context) error
}
