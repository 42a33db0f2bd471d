package transport

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// A Policy limits retries.
type Policy struct {
	MaxAttempts            int
	MinBackoff, MaxBackoff time.Duration
	MaxWait                time.Duration
}

// backoff returns the wait after an attempt, given a random number in [0, 1).
func (p *Policy) backoff(attempt int, random float64) time.Duration {
	ceiling := float64(p.MinBackoff) * math.Pow(2, float64(attempt-1))
	return time.Duration(random * min(ceiling, float64(p.MaxBackoff)))
}

// retry makes attempts until one succeeds or the policy allows no more.
func retry(next Handler, gate *gate, budget *budget, o Options) Handler {
	return &retrier{next: next, gate: gate, policy: o.Retry, hooks: o.Hooks, budget: budget}
}

type retrier struct {
	next   Handler
	gate   *gate
	policy Policy
	hooks  Hooks
	budget *budget
}

// Do makes the attempts of a call. Its error is always an [*Error].
func (r *retrier) Do(c *Call) (*Response, error) {
	h := history{retrier: r, req: c.Request}
	attempt := c
	attempt.Attempt = 1
	for {
		resp, err := r.next.Do(attempt)
		if err == nil {
			r.budget.credit(h.charged)
			resp.Attempts = attempt.Attempt
			return resp, nil
		}
		e := failureOf(attempt, err)
		if e == nil {
			return nil, notSent(attempt, err)
		}
		if h.deletedBefore(e) {
			return e.Response, nil
		}
		wait, ok := h.decide(e)
		if !ok {
			return nil, e
		}
		if r.hooks.OnRetry != nil {
			r.hooks.OnRetry(e, wait)
		}
		reason := Backoff
		if wait == e.RetryAfter {
			reason = RetryAfter
		}
		r.hooks.announce(attempt, attempt.Attempt+1, e, reason, wait)
		if attempt, err = h.newAttempt(attempt, e); err != nil {
			return nil, notSent(attempt, err)
		}
		if err := sleep(c.Context, wait, nil); err != nil {
			return nil, notSent(attempt, err)
		}
	}
}

// A history holds what later attempts of a call need to know about the failed ones.
type history struct {
	*retrier

	req          *http.Request
	counted      int  // attempts that count against MaxAttempts
	charged      bool // whether a retry was charged to the budget
	renewed      bool // whether a refused token was replaced
	mayHaveActed bool // whether the service may have carried out an attempt
}

// newAttempt returns the attempt after last, which failed with e, with the body rewound.
func (h *history) newAttempt(last *Call, e *Error) (*Call, error) {
	c := &Call{
		Context: last.Context, Operation: last.Operation, Idempotent: last.Idempotent, Streamed: last.Streamed,
		Request: h.req.Clone(last.Context), Attempt: last.Attempt + 1, Previous: e,
	}
	var err error
	if h.req.GetBody != nil {
		c.Request.Body, err = h.req.GetBody()
	}
	return c, err
}

// deletedBefore reports whether e is the 404 of a delete that an earlier attempt may have
// carried out.
func (h *history) deletedBefore(e *Error) bool {
	return h.mayHaveActed && e.Status() == http.StatusNotFound && h.req.Method == http.MethodDelete
}

// decide reports whether to retry after e, and returns the wait. If there is no retry, it
// sets the reason in e.
func (h *history) decide(e *Error) (wait time.Duration, retry bool) {
	h.counted++
	v := classify(e.Call.Idempotent, e.Status(), e.Err)
	stop := func(reason string, err error) (time.Duration, bool) {
		e.Reason, e.StopCause = reason, err
		e.OutcomeUnknown = v.mayHaveActed && !e.Call.Idempotent
		return 0, false
	}
	wait = max(h.policy.backoff(h.counted, rand.Float64()), e.RetryAfter)
	if e.Status() == http.StatusTooManyRequests {
		h.gate.pause(wait) // for all calls of the client
	}
	ctx := e.Call.Context
	if ctx.Err() != nil {
		return stop("", contextError(ctx))
	}
	switch {
	case e.Status() == http.StatusUnauthorized && e.Call.Token != "" && !h.renewed:
		h.renewed, v.retry, wait = true, true, 0
		h.counted-- // the token failed, not the request
	case e.Status() == http.StatusExpectationFailed && h.req.Header.Get("Expect") != "" && hasBody(h.req) && !e.Call.bodyRead:
		h.req = h.req.Clone(ctx)
		h.req.Header.Del("Expect")
		v.retry, wait = true, 0
		h.counted--
	}
	switch {
	case !v.retry, h.counted >= h.policy.MaxAttempts:
		return stop("", nil)
	case e.Call.bodyRead && h.req.GetBody == nil:
		return stop("not retried: the body can be read only once", nil)
	case e.RetryAfter > h.policy.MaxWait:
		return stop(fmt.Sprintf("not retried: the wait exceeds the maximum of %v", h.policy.MaxWait), nil)
	case checkDeadline(ctx, wait, "") != nil:
		return stop(fmt.Sprintf("not retried: the wait of %v would end after the deadline", wait.Round(time.Millisecond)),
			context.DeadlineExceeded)
	case v.charged && !h.budget.take():
		return stop("not retried: too many of the client's requests fail", nil)
	}
	h.charged = h.charged || v.charged
	h.mayHaveActed = h.mayHaveActed || v.mayHaveActed
	return wait, true
}

// notSent returns the error of a call whose attempt c was not sent because of err. That is
// the failure of the previous attempt, if there was one.
func notSent(c *Call, err error) *Error {
	if c.Previous != nil && c.Request.Body != nil {
		_ = c.Request.Body.Close() // of newAttempt
	}
	var e *Error
	if errors.As(err, &e) {
		return e // of the token request, or of the previous attempt with the same token
	}
	if e = c.Previous; e == nil {
		e = &Error{Call: c, Err: err, NotSent: true}
	} else {
		e.Reason, e.StopCause = "not retried: "+err.Error(), err
	}
	var w *WaitError
	if errors.As(err, &w) {
		e.RetryAfter = max(e.RetryAfter, w.Wait)
	}
	return e
}

// The budget of the AWS SDKs' standard mode: 100 retries, and one more for every five
// successes.
const (
	budgetFull    = 500
	budgetRetry   = 5
	budgetSuccess = 1
)

// A budget limits a client's retries, so that they don't make an outage worse.
type budget struct {
	mu    sync.Mutex
	spent int
}

// take charges a retry, and reports whether one was left.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent+budgetRetry > budgetFull {
		return false
	}
	b.spent += budgetRetry
	return true
}

// credit records a success: it refunds a retry if one was charged to the call.
func (b *budget) credit(charged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	amount := budgetSuccess
	if charged {
		amount = budgetRetry
	}
	b.spent = max(0, b.spent-amount)
}
