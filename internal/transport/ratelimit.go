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

// pause sends an attempt once no Retry-After holds it back.
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
	wake    chan struct{} // wakes it early

	mu     sync.Mutex
	slotAt time.Time     // when the next slot frees up, as far as known
	until  time.Time     // end of the pause
	began  chan struct{} // closed when a pause begins or grows
}

func newGate(o Options) *gate {
	return &gate{
		window: o.Window, limiter: o.Limiter, maxWait: o.Retry.MaxWait, hooks: o.Hooks,
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), began: make(chan struct{}),
	}
}

// acquire waits for a slot.
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

// queue waits for the turn to ask for a slot. Go wakes those that wait on a channel in
// order, except that a pause lets them queue anew.
func (g *gate) queue(c *Call) error {
	for {
		select {
		case g.turn <- struct{}{}:
			return nil
		default:
		}
		slotIn, began := g.state()
		if err := g.announceSlot(c, slotIn); err != nil {
			return err
		}
		select {
		case g.turn <- struct{}{}:
			return nil
		case <-began:
			if _, _, err := g.checkPause(c); err != nil {
				return err
			}
		case <-c.Context.Done():
			return &WaitError{reason: noSlot, cause: contextError(c.Context)}
		}
	}
}

// waitLimiter waits for a slot of the user's limiter.
func (g *gate) waitLimiter(c *Call) error {
	err := g.limiter.Wait(c.Context)
	switch {
	case c.Context.Err() != nil:
		return &WaitError{reason: noSlot, cause: contextError(c.Context)}
	case err != nil:
		return &WaitError{reason: "the rate limiter failed", cause: err}
	}
	return g.waitPause(c) // it may have begun meanwhile
}

func (g *gate) release(c *Call) {
	if g.window == nil {
		return
	}
	g.window.release(c.sent)
	if !c.sent {
		g.wakeFirst()
	}
}

func (g *gate) wakeFirst() {
	select {
	case g.wake <- struct{}{}:
	default: // it has been woken
	}
}

// announceSlot announces the wait for a slot, and fails if the deadline comes before it.
func (g *gate) announceSlot(c *Call, wait time.Duration) error {
	if err := checkDeadline(c.Context, wait, noSlot); err != nil {
		return err
	}
	g.hooks.waiting(c, RateLimit, wait)
	return nil
}

func (g *gate) setSlotAt(t time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slotAt = t
}

func (g *gate) state() (slotIn time.Duration, began <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.slotAt)), g.began
}

// longestPause bounds a pause, so that a Retry-After with a date in the far future doesn't
// stop a client for good. The service's longest is twenty minutes.
const longestPause = time.Hour

// pause admits no attempt for the time d from now.
func (g *gate) pause(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(min(d, longestPause)); until.After(g.until) {
		g.until = until
		close(g.began)
		g.began = make(chan struct{})
		g.wakeFirst()
	}
}

// pauseLeft returns the rest of the pause, and a channel that is closed when a longer one
// begins.
func (g *gate) pauseLeft() (left time.Duration, began <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.until)), g.began
}

// waitPause waits while a pause lasts.
func (g *gate) waitPause(c *Call) error {
	for {
		left, began, err := g.checkPause(c)
		if err != nil || left == 0 {
			return err
		}
		if err := sleep(c.Context, left, began); err != nil {
			left, _ = g.pauseLeft()
			return &WaitError{Wait: left, reason: paused, cause: err}
		}
	}
}

// checkPause announces the pause, if there is one, and fails if a call can't wait for its end.
func (g *gate) checkPause(c *Call) (left time.Duration, began <-chan struct{}, err error) {
	if c.Context.Err() != nil {
		return 0, nil, contextError(c.Context)
	}
	left, began = g.pauseLeft()
	if left > g.maxWait {
		return 0, nil, &WaitError{Wait: left, reason: paused}
	}
	if left > 0 {
		err = checkDeadline(c.Context, left, paused)
	}
	if left > 0 && err == nil {
		g.hooks.waiting(c, RetryAfter, left)
	}
	return left, began, err
}

// checkDeadline returns an error if the deadline of ctx comes before a wait is over.
func checkDeadline(ctx context.Context, wait time.Duration, reason string) error {
	if deadline, ok := ctx.Deadline(); ok && wait > max(0, time.Until(deadline)) {
		return &WaitError{Wait: wait, reason: reason, cause: context.DeadlineExceeded}
	}
	return nil
}

// sleep waits until d has passed or wake is ready. It fails if the context ends before.
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

// A Window admits at most n requests in any period. A slot frees up one period after the
// response to its request has come, so that the limit also holds by the service's clock,
// however long the request takes to get there.
type Window struct {
	per time.Duration

	mu   sync.Mutex
	free int
	used []time.Time // when used slots free up, in order
}

// NewWindow returns a window of n requests in a period.
func NewWindow(n int, per time.Duration) *Window { return &Window{per: per, free: n} }

// take takes a slot, or returns the least time until one is free.
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

// release gives back a slot; sent says whether the service may have counted a request.
func (w *Window) release(sent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if sent {
		w.used = append(w.used, time.Now().Add(w.per))
	} else {
		w.free++
	}
}
