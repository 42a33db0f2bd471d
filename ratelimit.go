package customizers

import (
	"context"
	"sync"
	"time"
)

// A gate lets requests through so that no window of length per, wherever it begins,
// has more than n of them, and none while a pause that the service asked for lasts.
//
// It has n slots. A request takes one when it starts and gives it back when its
// response has come; the slot is free again a period after that, so that the limit
// holds by the service's clock too, however long the way there takes. A request that
// is longer under way than a period counts as having arrived within one.
type gate struct {
	per  time.Duration
	turn chan struct{} // held by the one caller that waits for a slot; others queue on it
	wake chan struct{} // tells that caller to look again

	mu     sync.Mutex
	slots  []*lease  // the last lease of each, nil before the first
	paused time.Time // nothing goes out before it
}

// A lease is one request's hold of a slot.
type lease struct {
	free time.Time // when the slot is free again
	busy bool      // the request is under way: free may come earlier yet
}

func newGate(n int, per time.Duration) *gate {
	return &gate{per: per, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), slots: make([]*lease, n)}
}

// A waitError says that a wait would be longer than is allowed.
type waitError struct {
	wait   time.Duration
	reason string
	cause  error // context.DeadlineExceeded, or nil when the policy does not allow it
}

func (e *waitError) Error() string { return e.reason }
func (e *waitError) Unwrap() error { return e.cause }

// acquire waits for a slot, in the order of the calls; the lease is nil when the rate
// is not bounded. A pause of over maxWait, or a wait that must outlast the deadline of
// ctx, gives a *waitError at once.
func (g *gate) acquire(ctx context.Context, maxWait time.Duration) (*lease, error) {
	if err := g.waitPause(ctx, maxWait); err != nil {
		return nil, err
	}
	if len(g.slots) == 0 {
		return nil, nil
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-g.turn }()
	for {
		if err := g.waitPause(ctx, maxWait); err != nil {
			return nil, err
		}
		l, wait, atLeast := g.take(time.Now())
		if l != nil {
			return l, nil
		}
		if err := fits(ctx, atLeast, "the rate limit has no slot free before the deadline"); err != nil {
			return nil, err
		}
		if err := sleep(ctx, wait, g.wake); err != nil {
			return nil, err
		}
	}
}

// take leases a slot that is free at now, or tells how long until one is: as it looks
// now, and at the earliest.
func (g *gate) take(now time.Time) (l *lease, wait, atLeast time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.paused.Sub(now); wait > 0 {
		return nil, wait, 0 // it began just now; the next round looks at it
	}
	var first, earliest time.Time
	for i, s := range g.slots {
		if s == nil || !s.free.After(now) {
			l = &lease{free: now.Add(2 * g.per), busy: true}
			g.slots[i] = l
			return l, 0, 0
		}
		if first.IsZero() || s.free.Before(first) {
			first = s.free
		}
		free := s.free
		if done := now.Add(g.per); s.busy && done.Before(free) {
			free = done
		}
		if earliest.IsZero() || free.Before(earliest) {
			earliest = free
		}
	}
	return nil, first.Sub(now), earliest.Sub(now)
}

// release ends a lease; sent says whether the service may have counted a request.
func (g *gate) release(l *lease, sent bool) {
	if l == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	free := time.Now()
	if sent {
		free = free.Add(g.per)
	}
	if free.Before(l.free) {
		l.free = free
	}
	l.busy = false
	g.signal()
}

// pause lets nothing through for the time d from now.
func (g *gate) pause(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.paused) {
		g.paused = until
		g.signal()
	}
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
		left := g.pauseLeft()
		if left <= 0 {
			return context.Cause(ctx)
		}
		const reason = "the service asked for a pause that is not over"
		if left > maxWait {
			return &waitError{wait: left, reason: reason}
		}
		if err := fits(ctx, left, reason); err != nil {
			return err
		}
		if err := sleep(ctx, left, nil); err != nil {
			return err
		}
	}
}

// fits returns a *waitError when the deadline of ctx comes before wait is over.
func fits(ctx context.Context, wait time.Duration, reason string) error {
	if deadline, ok := ctx.Deadline(); ok && wait > time.Until(deadline) {
		return &waitError{wait: wait, reason: reason, cause: context.DeadlineExceeded}
	}
	return nil
}

// sleep waits for d to pass or for wake, and ends with the context's cause.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
