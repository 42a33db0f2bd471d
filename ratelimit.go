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
	wake    bell        // tells the first of the queue to look again

	mu     sync.Mutex
	queue  []*place      // in the order of the calls; the first asks the limiter
	calls  uint64        // how many calls have had a place
	told   int           // how many of the queue know of full
	full   time.Time     // no slot is free before, as the first of them was told
	paused time.Time     // nothing goes out before it
	began  chan struct{} // closed when a pause begins
}

// A place is that of a call in the queue. A call that is sent again comes before those
// that came after it, but for the one that is at the head.
type place struct {
	number uint64 // of the call, from 1; 0 before it has had a place
	wake   bell   // tells the call to look again
}

// A bell is rung for one who may not be listening yet.
type bell chan struct{}

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

func newGate(limiter RateLimiter) *gate {
	return &gate{
		limiter: limiter,
		wake:    make(bell, 1),
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
// that must outlast the deadline of ctx, gives a *waitError as soon as it is known to.
func (g *gate) acquire(ctx context.Context, p *place, maxWait time.Duration) (Slot, error) {
	if g.limiter == nil {
		noteQueued(ctx)
		return Slot{}, g.waitPause(ctx, maxWait)
	}
	first := g.join(p)
	defer g.leave(p) // even when the limiter or an observer panics
	noteQueued(ctx)
	for !first {
		_, began := g.pausing()
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
		case <-p.wake:
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
			if err == nil && s.Wait <= 0 {
				s.done(false)
			}
			return Slot{}, &waitError{reason: whySlot, cause: endOf(ctx)}
		case err != nil:
			return Slot{}, fmt.Errorf("the rate limiter failed: %w", err)
		case s.Wait <= 0:
			if left, _ := g.pausing(); left > 0 { // the pause began just now
				s.done(false)
				continue
			}
			return s, nil
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

// join puts a place into the queue, and tells whether it is the first.
func (g *gate) join(p *place) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.number == 0 {
		g.calls++
		p.number, p.wake = g.calls, make(bell, 1)
	}
	i := len(g.queue)
	for i > 1 && g.queue[i-1].number > p.number {
		i--
	}
	g.queue = slices.Insert(g.queue, i, p)
	if i < g.told {
		g.told++ // it looks next
	}
	return i == 0
}

// leave gives a place up, and has the next one asked for when it was the first.
func (g *gate) leave(p *place) {
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
		g.queue[0].wake.ring()
	}
}

// look tells whether a place is the first, and how long no slot will be free, as far as
// is known.
func (g *gate) look(p *place) (first bool, full time.Duration) {
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
		p.wake.ring()
	}
	g.told = len(g.queue)
}

// release gives a slot back; sent says whether the service may have counted a request.
func (g *gate) release(s Slot, sent bool) {
	s.done(sent)
	if !sent {
		g.wake.ring()
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
		g.wake.ring()
	}
}

// pausing is how long the pause still lasts, 0 or less when there is none, and what is
// closed when a longer one begins.
func (g *gate) pausing() (left time.Duration, began <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.paused.IsZero() {
		left = time.Until(g.paused)
	}
	return left, g.began
}

// waitPause waits while a pause lasts.
func (g *gate) waitPause(ctx context.Context, maxWait time.Duration) error {
	for {
		if ctx.Err() != nil {
			return endOf(ctx)
		}
		left, began := g.pausing()
		if left <= 0 {
			return nil
		}
		if left > maxWait {
			return &waitError{wait: left, reason: whyPause}
		}
		if err := fits(ctx, left, whyPause); err != nil {
			return err
		}
		until := time.Now().Add(left)
		noteWait(ctx, WaitRetryAfter, left)
		if err := sleep(ctx, time.Until(until), began); err != nil {
			left, _ = g.pausing()
			return &waitError{wait: left, reason: whyPause, cause: err}
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
