package customizers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

const (
	maxBody      = 16 << 20 // a page of 250 records is some 60 KiB
	maxErrorBody = 64 << 10 // what is read of a body that only explains an error
)

var acceptJSON = []string{"application/json"}

var errTooLarge = fmt.Errorf("the body is larger than %d MiB", maxBody>>20)

// A sender sends what the generated client builds. Each try goes through the rate
// gate, gets the token and a fresh body, and is read to its end.
type sender struct {
	http      *http.Client
	retry     RetryPolicy
	budget    budget
	gate      *gate
	tokens    *tokens
	log       *slog.Logger
	observer  Observer
	userAgent []string
	secret    string // the client secret, to keep it out of errors

	deprecations deprecations
}

// Do sends req until it succeeds or should not be sent again. The response is a
// success with its body in memory; anything else is an *Error.
func (s *sender) Do(req *http.Request) (*http.Response, error) {
	return s.send(req, s.tokens)
}

// send is Do, and with tokens nil it sends a request for a token, which carries none
// and does not count against the rate limit.
func (s *sender) send(req *http.Request, tokens *tokens) (*http.Response, error) {
	req.Header["Accept"] = acceptJSON
	req.Header["User-Agent"] = s.userAgent
	c := &call{
		sender:     s,
		tokens:     tokens,
		req:        req,
		repeatable: tokens == nil || isRepeatable(req.Method),
		replayable: req.Body == nil || req.GetBody != nil,
	}
	c.observed()
	for {
		out, slot, err := c.prepare()
		if err != nil {
			return nil, c.heldBack(err)
		}
		resp, v, e := c.try(out, slot)
		if e == nil {
			return resp, nil
		}
		wait, again := c.next(e, v)
		if !again {
			return nil, e
		}
		reason := WaitBackoff
		if wait == e.RetryAfter {
			reason = WaitRetryAfter
		}
		ctx := c.req.Context()
		noteWait(ctx, reason, wait)
		if err := sleep(ctx, wait, nil); err != nil {
			return nil, c.heldBack(err)
		}
	}
}

// A call is a request and its tries.
type call struct {
	*sender
	tokens     *tokens
	req        *http.Request
	repeatable bool // carrying it out twice has the effect of once
	replayable bool // its body can be read again

	place   place         // in the queue for the rate limit
	sent    int           // how many tries have been sent
	charged int           // how many of them count against the policy's MaxAttempts
	token   *oauth2.Token // of this try
	refused *oauth2.Token // of the try that the service answered 401
	last    *Error        // of the try before
	acted   bool          // the service may have acted on an earlier try
	waiting time.Time     // until when the observer knows it to wait
}

// prepare waits until the next try may be sent, and makes its request.
func (c *call) prepare() (*http.Request, Slot, error) {
	slot, err := c.admit()
	if err != nil {
		return nil, Slot{}, err
	}
	out := c.req
	switch {
	case c.refused != nil && c.token.AccessToken == c.refused.AccessToken:
		err = c.last // there is no other token to be had
	case c.sent > 0:
		out = c.req.Clone(c.req.Context())
		if c.req.GetBody != nil {
			out.Body, err = c.req.GetBody()
		}
	}
	if err != nil {
		c.gate.release(slot, false)
		return nil, Slot{}, err
	}
	if c.token != nil {
		c.token.SetAuthHeader(out)
	}
	c.sent++
	c.charged++
	return out, slot, nil
}

// try sends the request once. When it fails, the verdict says what that means.
func (c *call) try(out *http.Request, slot Slot) (*http.Response, verdict, *Error) {
	resp, body, took, err := c.exchangeIn(slot, out)
	if err == nil && resp.StatusCode/100 == 2 {
		c.noteTry(resp, nil, took)
		resp.Body.(*inMemory).call = c
		c.budget.give(c.charged > 1)
		return resp, verdict{}, nil
	}
	e := c.failure(resp, body, err)
	c.noteTry(resp, e, took)
	return nil, judge(c.repeatable, e.StatusCode, err), e
}

// exchangeIn is exchange in a slot, which is given back even when a transport panics.
func (c *call) exchangeIn(slot Slot, out *http.Request) (resp *http.Response, body []byte, took time.Duration, err error) {
	defer c.gate.release(slot, true)
	start := time.Now()
	resp, body, err = c.exchange(out)
	return resp, body, time.Since(start), err
}

// admit waits until a try may be sent and has its token.
func (c *call) admit() (Slot, error) {
	ctx := c.req.Context()
	if c.tokens == nil {
		return Slot{}, c.gate.waitPause(ctx, c.retry.MaxWait)
	}
	slot, err := c.gate.acquire(ctx, &c.place, c.retry.MaxWait)
	if err != nil {
		return Slot{}, err
	}
	for {
		if c.token, err = c.tokens.get(ctx); err == nil {
			if left, _ := c.gate.pausing(); left <= 0 {
				return slot, nil
			}
			err = c.gate.waitPause(ctx, c.retry.MaxWait) // it began while the token was fetched
		}
		if err != nil {
			c.gate.release(slot, false)
			return Slot{}, err
		}
	}
}

// next decides what follows a failed try: how long to wait before the next one, or
// none, and then e is complete.
func (c *call) next(e *Error, v verdict) (time.Duration, bool) {
	stop := func(reason string, wraps ...error) (time.Duration, bool) {
		e.reason = reason
		e.wrap(wraps...)
		if v.mayHaveActed && !c.repeatable {
			e.wrap(ErrOutcomeUnknown)
		}
		return 0, false
	}
	ctx := c.req.Context()
	wait := max(c.retry.backoff(c.charged, rand.Float64()), e.RetryAfter)
	switch {
	case e.StatusCode != http.StatusTooManyRequests:
	case c.tokens == nil: // not by the limit that others share
		c.gate.pause(wait)
	default:
		c.gate.refused(ctx, wait)
	}
	if ctx.Err() != nil {
		return stop("", endOf(ctx))
	}
	switch {
	case e.StatusCode == http.StatusUnauthorized && c.token != nil && c.refused == nil:
		c.tokens.refuse(c.token)
		c.refused, v.retry, wait = c.token, true, 0
		c.charged-- // the token failed, not the request
	case e.StatusCode == http.StatusExpectationFailed && c.req.Header.Get("Expect") != "":
		c.req = c.req.Clone(ctx)
		c.req.Header.Del("Expect")
		v.retry, wait = true, 0
		c.charged--
	}
	switch {
	case !v.retry:
		return stop("")
	case !c.replayable:
		return stop("not sent again, as its body can be read only once")
	case c.charged >= c.retry.MaxAttempts:
		return stop("")
	case e.RetryAfter > c.retry.MaxWait:
		return stop(fmt.Sprintf("not waited for, as that is longer than the policy's %v", c.retry.MaxWait))
	}
	if err := fits(ctx, wait, ""); err != nil {
		return stop(fmt.Sprintf("not sent again, as the deadline comes before the wait of %v is over",
			wait.Round(time.Millisecond)), context.DeadlineExceeded)
	}
	if v.charged && !c.budget.take() {
		return stop("not sent again, as too many of the client's requests fail")
	}
	c.logRetry(e, wait)
	c.last, c.acted = e, c.acted || v.mayHaveActed
	return wait, true
}

// exchange sends out and reads the response to its end or its bound. A response whose
// body can't be read is returned with the error and with what was read.
func (s *sender) exchange(out *http.Request) (*http.Response, []byte, error) {
	out, w := watched(out)
	defer w.end()
	resp, err := s.http.Do(out) //nolint:gosec // to the tenant that the caller named
	if err != nil {
		return nil, nil, w.cause(err)
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		s.gate.pause(parseRetryAfter(resp.Header, time.Now())) // before the body, which may take its time
	}
	resp.Request = out // a transport of the user's own may leave it out
	from := resp.Body
	defer func() { _ = from.Close() }()
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(w.over(from, explainWithin), maxErrorBody))
		return resp, body, nil // the status says what matters
	}
	body, err := readBounded(w.over(from, stallAfter), resp.ContentLength)
	kept := &inMemory{data: body}
	kept.Reset(body)
	resp.Body = kept
	return resp, body, w.cause(err)
}

// readBounded reads a body of at most maxBody bytes, of which length says how many
// there are, or -1.
func readBounded(from io.Reader, length int64) ([]byte, error) {
	if length > maxBody {
		return nil, errTooLarge
	}
	var b bytes.Buffer
	if length > 0 {
		b.Grow(int(length) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(from, maxBody+1))
	if n > maxBody {
		err = errTooLarge
	}
	return b.Bytes(), err
}

// inMemory is a response body that has been read.
type inMemory struct {
	bytes.Reader
	data []byte
	call *call // whose answer it is
}

func (*inMemory) Close() error { return nil }
