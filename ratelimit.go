package customizers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A gate lets requests through when the limiter has a slot for them, and none while a
// pause that the service asked for lasts.
type gate struct {
	limiter RateLimiter // nil when the rate is not bounded
	wake    place       // tells the first of the queue to look again

	mu     sync.Mutex
	queue  []place       // in the order of the calls; the first asks the limiter
	told   int           // how many of them know of full
	full   time.Time     // no slot is free before, as the first of them was told
	paused time.Time     // nothing goes out before it
	began  chan struct{} // closed when a pause begins
}

// A place in the queue tells the call that has it to look again.
type place chan struct{}

func newGate(limiter RateLimiter) *gate {
	return &gate{
		limiter: limiter,
		wake:    make(place, 1),
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

// acquire waits for a slot, in the order of the calls. A pause of over maxWait, or a wait
// that must outlast the deadline of ctx, gives a *waitError at once.
func (g *gate) acquire(ctx context.Context, maxWait time.Duration) (Slot, error) {
	if g.limiter == nil {
		return Slot{}, g.waitPause(ctx, maxWait)
	}
	p, first := g.join()
	defer g.leave(p) // even when the limiter or an observer panics
	noteQueued(ctx)
	for !first {
		began := g.pauseBegan()
		if err := g.waitPause(ctx, maxWait); err != nil {
			return Slot{}, err
		}
		var full time.Duration
		if first, full = g.look(p); first {
			break
		}
		if err := fits(ctx, full, whySlot); err != nil {
			return Slot{}, err
		}
		noteWait(ctx, WaitRateLimit, full)
		select {
		case <-p:
		case <-began:
		case <-ctx.Done():
			return Slot{}, &waitError{reason: whySlot, cause: endOf(ctx)}
		}
	}
	return g.next(ctx, maxWait)
}

// next waits for a slot at the head of the queue.
func (g *gate) next(ctx context.Context, maxWait time.Duration) (Slot, error) {
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
		full := time.Now().Add(s.Wait)
		g.tell(full)
		noteWait(ctx, WaitRateLimit, s.Wait)
		if err := sleep(ctx, time.Until(full), g.wake); err != nil {
			return Slot{}, &waitError{wait: time.Until(full), reason: whySlot, cause: err}
		}
	}
}

type queuedKey struct{}

// noteQueued tells a prefetch that the request of ctx has its place in the queue.
func noteQueued(ctx context.Context) {
	if queued, ok := ctx.Value(queuedKey{}).(func()); ok {
		queued()
	}
}

// join takes the last place, which may be the first.
func (g *gate) join() (p place, first bool) {
	p = make(place, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, p)
	return p, len(g.queue) == 1
}

// leave gives a place up, and has the next one asked for when it was the first.
func (g *gate) leave(p place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, p)
	g.queue = slices.Delete(g.queue, i, i+1)
	if i < g.told {
		g.told--
	}
	if i > 0 {
		return
	}
	g.full = time.Time{}
	if len(g.queue) > 0 {
		g.queue[0].tell()
	}
}

// look tells whether a place is the first, and how long no slot will be free, as far as
// is known.
func (g *gate) look(p place) (first bool, full time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return p == g.queue[0], max(0, time.Until(g.full))
}

// tell tells those in the queue who don't know it yet when a slot will be free.
func (g *gate) tell(full time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.full = full
	for _, p := range g.queue[max(1, g.told):] {
		p.tell()
	}
	g.told = len(g.queue)
}

func (p place) tell() {
	select {
	case p <- struct{}{}:
	default:
	}
}

// release gives a slot back; sent says whether the service may have counted a request.
func (g *gate) release(s Slot, sent bool) {
	s.done(sent)
	if !sent {
		g.wake.tell()
	}
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
		g.wake.tell()
	}
}

func (g *gate) pauseBegan() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.began
}

// pauseLeft is how long the pause still lasts, 0 or less when there is none.
func (g *gate) pauseLeft() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused.IsZero() {
		return 0
	}
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
