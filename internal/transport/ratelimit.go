package transport

import (
	"context"
	"sync"
	"time"
)

// limit sends an attempt once the rate limit grants it a slot.
func limit(next Handler, g *gate) Handler {
	return handlerFunc(func(c *Call) (*Response, error) {
		if err := g.acquire(c); err != nil {
			return nil, err
		}
		defer g.release(c)
		return next.Do(c)
	})
}

// pause sends an attempt once no Retry-After is in effect.
func pause(next Handler, g *gate) Handler {
	return handlerFunc(func(c *Call) (*Response, error) {
		if err := g.wait(c, nil); err != nil {
			return nil, err
		}
		return next.Do(c)
	})
}

// A Limiter grants slots; Wait blocks until the next request may be sent.
type Limiter interface {
	Wait(context.Context) error
}

// A gate admits attempts one by one when the limiter grants a slot. During a Retry-After
// it admits none.
type gate struct {
	window  *Window
	limiter Limiter
	maxWait time.Duration
	hooks   Hooks
	turn    chan struct{} // held by the attempt that is first in the queue

	mu       sync.Mutex
	pauseEnd time.Time     // zero before the first pause
	changed  chan struct{} // closed when a pause begins or is extended, or a slot is returned unused
}

func newGate(o Options) *gate {
	return &gate{
		window: o.Window, limiter: o.Limiter, maxWait: o.Retry.MaxWait, hooks: o.Hooks,
		turn: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// acquire waits for a slot and for the end of any pause. Attempts queue for the turn in order,
// because a channel wakes its senders in order.
func (g *gate) acquire(c *Call) error {
	if err := g.wait(c, nil); err != nil || g.window == nil && g.limiter == nil {
		return err
	}
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-c.Context.Done():
		return &WaitError{reason: noSlot, cause: contextError(c.Context)}
	}
	if g.limiter == nil {
		return g.wait(c, g.window.take)
	}
	err := g.limiter.Wait(c.Context)
	switch {
	case c.Context.Err() != nil:
		return &WaitError{reason: noSlot, cause: contextError(c.Context)}
	case err != nil:
		return &WaitError{reason: "the rate limiter failed", cause: err}
	}
	return g.wait(c, nil) // a pause may have begun meanwhile
}

// wait waits until no pause is in effect and take, unless it is nil, returns no wait. It
// announces each wait. It fails at once if a wait would end after the deadline, or if a pause
// exceeds the maximum.
func (g *gate) wait(c *Call, take func() time.Duration) error {
	for {
		if c.Context.Err() != nil {
			return contextError(c.Context)
		}
		left, changed := g.pauseLeft()
		text, reason := paused, RetryAfter
		if left > g.maxWait {
			return &WaitError{Wait: left, reason: paused}
		}
		if left == 0 && take != nil {
			left, text, reason = take(), noSlot, RateLimit
		}
		if left == 0 {
			return nil
		}
		if err := checkDeadline(c.Context, left, text); err != nil {
			return err
		}
		g.hooks.announce(c, c.Attempt, c.Previous, reason, left)
		end := time.Now().Add(left)
		if err := sleep(c.Context, left, changed); err != nil {
			return &WaitError{Wait: time.Until(end), reason: text, cause: err}
		}
	}
}

// release returns the slot of an attempt.
func (g *gate) release(c *Call) {
	if g.window == nil {
		return
	}
	g.window.release(c.sent)
	if !c.sent {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.wake()
	}
}

// wake makes all attempts that wait look again.
func (g *gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// maxPause limits a pause, so that a Retry-After date in the far future doesn't stop a
// client for good. The service's longest is twenty minutes.
const maxPause = time.Hour

// pause makes the gate admit no attempt for d, at most maxPause.
func (g *gate) pause(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if end := time.Now().Add(min(d, maxPause)); end.After(g.pauseEnd) {
		g.pauseEnd = end
		g.wake()
	}
}

// pauseLeft returns the rest of the pause, and a channel that is closed when an attempt that
// waits should look again.
func (g *gate) pauseLeft() (left time.Duration, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.pauseEnd)), g.changed
}

// checkDeadline returns a [*WaitError] if a wait from now would end after the deadline of ctx.
func checkDeadline(ctx context.Context, wait time.Duration, reason string) error {
	if deadline, ok := ctx.Deadline(); ok && wait > max(0, time.Until(deadline)) {
		return &WaitError{Wait: wait, reason: reason, cause: context.DeadlineExceeded}
	}
	return nil
}

// sleep waits for d, or until wake is ready. It fails if the context ends first.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-wake:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// A Window admits at most n requests in any period. A slot frees up one period after the end
// of the attempt, because the service may count the request at any time during the attempt.
type Window struct {
	per time.Duration

	mu   sync.Mutex
	free int
	used []time.Time // when used slots free up, in order
}

// NewWindow returns a window of n requests in a period.
func NewWindow(n int, per time.Duration) *Window { return &Window{per: per, free: n} }

// take takes a slot and returns 0, or returns the minimum wait for one.
func (w *Window) take() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for len(w.used) > 0 && !w.used[0].After(now) {
		w.used = w.used[1:]
		w.free++
	}
	switch {
	case w.free > 0:
		w.free--
		return 0
	case len(w.used) > 0:
		return w.used[0].Sub(now)
	}
	return w.per // every slot is in use; one may be released now
}

// release returns a slot: at once, or after a period if a request was sent.
func (w *Window) release(sent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if sent {
		w.used = append(w.used, time.Now().Add(w.per))
	} else {
		w.free++
	}
}
