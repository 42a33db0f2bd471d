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
		if err := g.waitPause(c); err != nil {
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
	turn    chan struct{} // held by the attempt that waits for the next slot
	wake    chan struct{} // wakes that attempt early

	mu       sync.Mutex
	slotAt   time.Time     // when the next slot frees up, as far as known
	pauseEnd time.Time     // zero before the first pause
	extended chan struct{} // closed when a pause begins or is extended
}

func newGate(o Options) *gate {
	return &gate{
		window: o.Window, limiter: o.Limiter, maxWait: o.Retry.MaxWait, hooks: o.Hooks,
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), extended: make(chan struct{}),
	}
}

// acquire waits for a slot and for the end of any pause.
func (g *gate) acquire(c *Call) error {
	if err := g.waitPause(c); err != nil || g.window == nil && g.limiter == nil {
		return err
	}
	if err := g.queue(c); err != nil {
		return err
	}
	defer func() { <-g.turn }()
	if g.limiter != nil {
		return g.waitLimiter(c)
	}
	for {
		if err := g.waitPause(c); err != nil {
			return err
		}
		wait := g.window.take()
		if wait == 0 {
			return nil
		}
		if err := g.announceSlot(c, wait); err != nil {
			return err
		}
		slotAt := time.Now().Add(wait)
		g.setSlotAt(slotAt)
		if err := sleep(c.Context, wait, g.wake); err != nil {
			return &WaitError{Wait: time.Until(slotAt), reason: noSlot, cause: err}
		}
	}
}

// queue waits until the attempt may ask for a slot. A channel wakes its senders in order,
// but after a pause begins they queue again in any order.
func (g *gate) queue(c *Call) error {
	for {
		select {
		case g.turn <- struct{}{}:
			return nil
		default:
		}
		slotIn, extended := g.nextSlot()
		if err := g.announceSlot(c, slotIn); err != nil {
			return err
		}
		select {
		case g.turn <- struct{}{}:
			return nil
		case <-extended:
			if _, _, err := g.checkPause(c); err != nil {
				return err
			}
		case <-c.Context.Done():
			return &WaitError{reason: noSlot, cause: contextError(c.Context)}
		}
	}
}

// waitLimiter waits for the user's limiter.
func (g *gate) waitLimiter(c *Call) error {
	err := g.limiter.Wait(c.Context)
	switch {
	case c.Context.Err() != nil:
		return &WaitError{reason: noSlot, cause: contextError(c.Context)}
	case err != nil:
		return &WaitError{reason: "the rate limiter failed", cause: err}
	}
	return g.waitPause(c) // a pause may have begun meanwhile
}

// release returns the slot of an attempt.
func (g *gate) release(c *Call) {
	if g.window == nil {
		return
	}
	g.window.release(c.sent)
	if !c.sent {
		g.wakeFirst()
	}
}

// wakeFirst wakes the attempt that waits for the next slot.
func (g *gate) wakeFirst() {
	select {
	case g.wake <- struct{}{}:
	default: // already woken
	}
}

// announceSlot announces a wait for a slot. It fails if the wait would end after the deadline.
func (g *gate) announceSlot(c *Call, wait time.Duration) error {
	if err := checkDeadline(c.Context, wait, noSlot); err != nil {
		return err
	}
	g.hooks.announce(c, c.Attempt, c.Previous, RateLimit, wait)
	return nil
}

func (g *gate) setSlotAt(t time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slotAt = t
}

// nextSlot returns the time until the next slot frees up, as far as known, and a channel
// that is closed when a pause begins or is extended.
func (g *gate) nextSlot() (in time.Duration, extended <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.slotAt)), g.extended
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
		close(g.extended)
		g.extended = make(chan struct{})
		g.wakeFirst()
	}
}

// pauseLeft returns the rest of the pause, and a channel that is closed when it is extended.
func (g *gate) pauseLeft() (left time.Duration, extended <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.pauseEnd)), g.extended
}

// waitPause waits until no pause is in effect.
func (g *gate) waitPause(c *Call) error {
	for {
		left, extended, err := g.checkPause(c)
		if err != nil || left == 0 {
			return err
		}
		if err := sleep(c.Context, left, extended); err != nil {
			left, _ = g.pauseLeft()
			return &WaitError{Wait: left, reason: paused, cause: err}
		}
	}
}

// checkPause announces the wait for the end of a pause. It fails if the wait exceeds the
// maximum or would end after the deadline.
func (g *gate) checkPause(c *Call) (left time.Duration, extended <-chan struct{}, err error) {
	if c.Context.Err() != nil {
		return 0, nil, contextError(c.Context)
	}
	left, extended = g.pauseLeft()
	if left > g.maxWait {
		return 0, nil, &WaitError{Wait: left, reason: paused}
	}
	if err := checkDeadline(c.Context, left, paused); err != nil {
		return 0, nil, err
	}
	g.hooks.announce(c, c.Attempt, c.Previous, RetryAfter, left)
	return left, extended, nil
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
