package customizers

import (
	"context"
	"sync"
	"time"
)

// A RateLimiter says when a client may send its requests: see [WithRateLimiter]. The one
// of [WithRateLimit] knows only the requests of its client; one that several processes
// share lets them spend the service's limit together.
//
// It never waits itself. The client waits as long as it says, in the order of the calls,
// ends a wait with the context of its call, and after a 429 sends nothing while the
// Retry-After lasts, whatever the limiter says.
type RateLimiter interface {
	// Take takes a slot for one request, or tells how long to wait before it is asked
	// again. An error fails the call, and nothing is sent. A client asks for one call at a
	// time.
	Take(ctx context.Context) (Slot, error)

	// Refused tells that the service answered 429, and for how long nothing is to be sent.
	// It may be called by many goroutines.
	Refused(ctx context.Context, retryAfter time.Duration)
}

// A Slot is a [RateLimiter]'s leave to send one request, or its refusal.
type Slot struct {
	// Wait is how long to wait before asking again, and 0 when the slot was taken.
	Wait time.Duration
	// Paused says that Wait is what is left of a Retry-After that another client was told
	// of. It then holds for every call of this one, and one over RetryPolicy.MaxWait is
	// not waited for.
	Paused bool
	// Done, when it is not nil, is called once with a slot that was taken: when the
	// response has come or is given up, with sent true, or with false when nothing was sent
	// after all. The service counts a request at some moment before that, so a slot is free
	// again one period after Done. The call does not return before it: it should not take long.
	Done func(sent bool)
}

func (s Slot) done(sent bool) {
	if s.Done != nil {
		s.Done(sent)
	}
}

// A window is the RateLimiter of one client: it lets through at most n requests in any
// period, wherever that begins.
//
// It has n slots. A request takes one before it is sent and gives it back when its
// response has come; the slot is free again a period after that, so that the limit
// holds by the service's clock too, however long the way there takes.
type window struct {
	per  time.Duration
	done func(sent bool) // release, made once

	mu      sync.Mutex
	free    int
	resting []time.Time // a ring of when the slots that were used are free again
	oldest  int         // of those, the one that is free first
	used    int         // how many they are
}

// newWindow makes the limiter of n requests in a period; nil, for no limit, when n is 0.
func newWindow(n int, per time.Duration) RateLimiter {
	if n == 0 {
		return nil
	}
	w := &window{per: per, free: n, resting: make([]time.Time, n)}
	w.done = w.release
	return w
}

// Take takes a slot that is free, or tells the least time until one is.
func (w *window) Take(context.Context) (Slot, error) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.used > 0 && !w.resting[w.oldest].After(now) {
		w.oldest = (w.oldest + 1) % len(w.resting)
		w.used--
		w.free++
	}
	switch {
	case w.free > 0:
		w.free--
		return Slot{Done: w.done}, nil
	case w.used > 0:
		return Slot{Wait: w.resting[w.oldest].Sub(now)}, nil
	}
	return Slot{Wait: w.per}, nil // all are under way, and one may end now
}

// Refused has nothing to do: the client itself keeps the pause.
func (*window) Refused(context.Context, time.Duration) {}

func (w *window) release(sent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !sent {
		w.free++
		return
	}
	w.resting[(w.oldest+w.used)%len(w.resting)] = time.Now().Add(w.per)
	w.used++
}
