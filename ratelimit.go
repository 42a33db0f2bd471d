package customizers

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A gate lets requests through when the limiter has a slot for them, and none while a
// pause that the service asked for lasts.
type gate struct {
	limiter RateLimiter   // nil when the rate is not bounded
	turn    chan struct{} // held by the one caller that waits for a slot; others queue on it
	wake    chan struct{} // tells that caller to look again

	mu     sync.Mutex
	full   time.Time     // that caller waits until then
	paused time.Time     // nothing goes out before it
	began  chan struct{} // closed when a pause begins
}

func newGate(limiter RateLimiter) *gate {
	return &gate{
		limiter: limiter,
		turn:    make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		began:   make(chan struct{}),
	}
}

const (
	whySlot  = "the rate limit has no slot free"
	whyPause = "the service asked for a pause that is not over"
)

// A waitError says that a request is held back, because a wait would be longer than is
// allowed or was ended by the context.
type waitError struct {
	wait   time.Duration // what is left of it; 0 when not known
	reason string
	cause  error // the context's end, or nil when the policy does not allow the wait
}

func (e *waitError) Error() string {
	if e.cause != nil {
		return e.reason + ": " + e.cause.Error()
	}
	return e.reason
}

func (e *waitError) Unwrap() error { return e.cause }

// acquire waits for a slot, in the order of the calls while there is no pause. A pause of over maxWait, or a
// wait that must outlast the deadline of ctx, gives a *waitError at once.
func (g *gate) acquire(ctx context.Context, maxWait time.Duration) (Slot, error) {
	for {
		began := g.pauseBegan()
		if err := g.waitPause(ctx, maxWait); err != nil || g.limiter == nil {
			return Slot{}, err
		}
		full := g.fullFor()
		if err := fits(ctx, full, whySlot); err != nil {
			return Slot{}, err
		}
		noteWait(ctx, WaitRateLimit, full)
		select {
		case g.turn <- struct{}{}:
			return g.next(ctx, maxWait)
		case <-began:
		case <-ctx.Done():
			return Slot{}, &waitError{reason: whySlot, cause: endOf(ctx)}
		}
	}
}

// next waits for a slot when it is this caller's turn, and ends the turn, even when the
// limiter or an observer panics.
func (g *gate) next(ctx context.Context, maxWait time.Duration) (Slot, error) {
	defer func() { <-g.turn }()
	for {
		if err := g.waitPause(ctx, maxWait); err != nil {
			return Slot{}, err
		}
		s, err := g.limiter.Take(ctx)
		switch {
		case ctx.Err() != nil:
			s.done(false)
			return Slot{}, &waitError{reason: whySlot, cause: endOf(ctx)}
		case err != nil:
			return Slot{}, fmt.Errorf("the rate limiter failed: %w", err)
		case s.Wait <= 0 && g.pauseLeft() <= 0:
			return s, nil
		case s.Wait <= 0: // the pause began just now
			s.done(false)
			continue
		case s.Paused:
			g.pause(s.Wait)
			continue
		}
		if err := fits(ctx, s.Wait, whySlot); err != nil {
			return Slot{}, err
		}
		noteWait(ctx, WaitRateLimit, s.Wait)
		g.fillUntil(time.Now().Add(s.Wait))
		err = sleep(ctx, s.Wait, g.wake)
		g.fillUntil(time.Time{})
		if err != nil {
			return Slot{}, &waitError{wait: s.Wait, reason: whySlot, cause: err}
		}
	}
}

func (g *gate) fillUntil(t time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.full = t
}

// fullFor is how long no slot will be free, as far as is known.
func (g *gate) fullFor() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.full))
}

// release gives a slot back; sent says whether the service may have counted a request.
func (g *gate) release(s Slot, sent bool) {
	s.done(sent)
	g.signal()
}

// refused keeps a pause that the service asked for, and tells the limiter of it.
func (g *gate) refused(ctx context.Context, d time.Duration) {
	d = min(d, longestPause)
	g.pause(d)
	if g.limiter != nil {
		g.limiter.Refused(context.WithoutCancel(ctx), d) // others are to learn of it, whatever becomes of the call
	}
}

// longestPause bounds a pause, lest a service that names a time for a wait silences a
// client for good. The service's longest is twenty minutes.
const longestPause = time.Hour

// pause lets nothing through for the time d from now.
func (g *gate) pause(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(min(d, longestPause)); until.After(g.paused) {
		g.paused = until
		close(g.began)
		g.began = make(chan struct{})
		g.signal()
	}
}

func (g *gate) pauseBegan() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.began
}

func (g *gate) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// pauseLeft is how long the pause still lasts, 0 or less when there is none.
func (g *gate) pauseLeft() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.paused)
}

// waitPause waits while a pause lasts.
func (g *gate) waitPause(ctx context.Context, maxWait time.Duration) error {
	for {
		if ctx.Err() != nil {
			return endOf(ctx)
		}
		left := g.pauseLeft()
		if left <= 0 {
			return nil
		}
		if left > maxWait {
			return &waitError{wait: left, reason: whyPause}
		}
		if err := fits(ctx, left, whyPause); err != nil {
			return err
		}
		noteWait(ctx, WaitRetryAfter, left)
		if err := sleep(ctx, left, g.pauseBegan()); err != nil {
			return &waitError{wait: g.pauseLeft(), reason: whyPause, cause: err}
		}
	}
}

// fits returns a *waitError when the deadline of ctx comes before wait is over.
func fits(ctx context.Context, wait time.Duration, reason string) error {
	if deadline, ok := ctx.Deadline(); ok && wait > max(0, time.Until(deadline)) {
		return &waitError{wait: wait, reason: reason, cause: context.DeadlineExceeded}
	}
	return nil
}

// sleep waits for d to pass or for wake, and ends with the context.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-wake:
		return nil
	case <-ctx.Done():
		return endOf(ctx)
	}
}
