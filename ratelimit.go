package customizers

import (
	"context"
	"sync"
	"time"
)

// A gate lets requests through so that no window of length per, wherever it begins,
// has more than n of them, and none while a pause that the service asked for lasts.
//
// It has n slots. A request takes one before it is sent and gives it back when its
// response has come; the slot is free again a period after that, so that the limit
// holds by the service's clock too, however long the way there takes.
type gate struct {
	per  time.Duration
	turn chan struct{} // held by the one caller that waits for a slot; others queue on it
	wake chan struct{} // tells that caller to look again

	mu     sync.Mutex
	slots  []*lease      // the last lease of each, nil before the first
	paused time.Time     // nothing goes out before it
	began  chan struct{} // closed when a pause begins
}

// A lease is one request's hold of a slot.
type lease struct {
	busy bool      // the request is under way
	free time.Time // afterwards: when the slot is free again
}

func newGate(n int, per time.Duration) *gate {
	return &gate{
		per:   per,
		turn:  make(chan struct{}, 1),
		wake:  make(chan struct{}, 1),
		slots: make([]*lease, n),
		began: make(chan struct{}),
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

// acquire waits for a slot, in the order of the calls; the lease is nil when the rate
// is not bounded. A pause of over maxWait, or a wait that must outlast the deadline of
// ctx, gives a *waitError at once.
func (g *gate) acquire(ctx context.Context, maxWait time.Duration) (*lease, error) {
	for {
		began := g.pauseBegan()
		if err := g.waitPause(ctx, maxWait); err != nil || len(g.slots) == 0 {
			return nil, err
		}
		_, wait := g.look(time.Now())
		if err := fits(ctx, wait, whySlot); err != nil {
			return nil, err
		}
		select {
		case g.turn <- struct{}{}:
			l, err := g.next(ctx, maxWait)
			<-g.turn
			return l, err
		case <-began:
		case <-ctx.Done():
			return nil, &waitError{reason: whySlot, cause: endOf(ctx)}
		}
	}
}

// next waits for a slot when it is this caller's turn.
func (g *gate) next(ctx context.Context, maxWait time.Duration) (*lease, error) {
	for {
		if err := g.waitPause(ctx, maxWait); err != nil {
			return nil, err
		}
		l, wait := g.take(time.Now())
		if l != nil {
			return l, nil
		}
		if err := fits(ctx, wait, whySlot); err != nil {
			return nil, err
		}
		noteWait(ctx, WaitRateLimit, wait)
		if err := sleep(ctx, wait, g.wake); err != nil {
			return nil, &waitError{wait: wait, reason: whySlot, cause: err}
		}
	}
}

// take leases a slot that is free at now, or tells how long to wait for one.
func (g *gate) take(now time.Time) (*lease, time.Duration) {
	i, wait := g.look(now)
	g.mu.Lock()
	defer g.mu.Unlock()
	if i < 0 {
		return nil, wait
	}
	if g.paused.After(now) {
		return nil, 0 // it began just now; the next round looks at it
	}
	l := &lease{busy: true}
	g.slots[i] = l
	return l, 0
}

// look returns a slot that is free at now, or -1 and the least time until one is. Only
// the caller whose turn it is takes slots, so one that is free remains so for it.
func (g *gate) look(now time.Time) (i int, atLeast time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	atLeast = g.per // of a request under way that ends now
	for i, l := range g.slots {
		switch {
		case l == nil, !l.busy && !l.free.After(now):
			return i, 0
		case !l.busy:
			atLeast = min(atLeast, l.free.Sub(now))
		}
	}
	return -1, atLeast
}

// release ends a lease; sent says whether the service may have counted a request.
func (g *gate) release(l *lease, sent bool) {
	if l == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l.busy, l.free = false, time.Now()
	if sent {
		l.free = l.free.Add(g.per)
	}
	g.signal()
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
