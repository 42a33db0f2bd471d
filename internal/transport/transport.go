// Package transport sends a client's requests. A [Call] passes through a chain of handlers
// with one concern each. [New] assembles the chain.
package transport

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// A Handler makes a call, or one attempt of it. From the handler of the status upward, the
// error of a request that was sent is an [*Error].
type Handler interface {
	Do(*Call) (*Response, error)
}

type handlerFunc func(*Call) (*Response, error)

func (f handlerFunc) Do(c *Call) (*Response, error) { return f(c) }

// A Call is a request and the facts that its handlers need.
type Call struct {
	Context    context.Context //nolint:containedctx // the caller's; each attempt derives its own
	Operation  string          // for errors, logs and observers
	Request    *http.Request   // retried only if it has no body or a GetBody
	Idempotent bool            // whether repeating the request is safe
	Streamed   bool            // whether the body is not in memory

	// The handlers set these for each attempt.
	Attempt   int    // counts from 1
	Previous  *Error // failure of the previous attempt, or nil
	Token     string // access token of the attempt
	sent      bool
	bodyRead  bool      // whether reading the request's body began; unknown if it is in memory
	announced time.Time // end of the last wait that OnWait was called for
}

// A Response is an HTTP response whose body has been read into Data.
type Response struct {
	*http.Response

	Data     []byte
	Call     *Call // attempt that got it
	Attempts int   // number of requests sent
}

// Options configure a chain.
type Options struct {
	HTTP    http.RoundTripper
	Timeout time.Duration // of an attempt; 0 for none
	Retry   Policy
	Window  *Window // nil for no rate limit
	Limiter Limiter // replaces Window unless nil
	Hooks   Hooks
	Fetch   TokenFetcher
}

// A TokenFetcher fetches an access token. It sends its requests through the handler.
type TokenFetcher func(context.Context, Handler) (*oauth2.Token, error)

// New assembles two chains. A client's calls go through
//
//	retry → limit → authorize → observe → status → wire
//
// and its token requests, which carry no token and don't count against the rate limit, through
//
//	retry → pause → observe → status → wire
//
// A call waits for its slot before it gets its token, because a token could expire in the
// queue. The chains share the gate, so a Retry-After pauses both, and the
// budget of retries.
func New(o Options) Handler {
	gate, budget := newGate(o), &budget{}
	send := observe(status(wire(o.HTTP, o.Timeout)), o.Hooks)

	tokenChain := retry(pause(send, gate), gate, budget, o)
	tokens := &tokens{fetch: func(ctx context.Context) (*oauth2.Token, error) { return o.Fetch(ctx, tokenChain) }}

	return retry(limit(authorize(send, tokens, gate), gate), gate, budget, o)
}

// Hooks observe calls. Each may be nil.
type Hooks struct {
	// OnAttempt is called after each attempt, with its duration. The error is nil if it
	// succeeded. The response is nil if none was received.
	OnAttempt func(*Call, *Response, *Error, time.Duration)
	// OnWait is called before each wait, with the number of the attempt that follows and
	// the failure of the previous one, or nil.
	OnWait func(c *Call, attempt int, last *Error, reason Reason, wait time.Duration)
	// OnRetry is called before each retry, with the failure and the wait.
	OnRetry func(*Error, time.Duration)
}

// A Reason is the reason for a wait.
type Reason string

// The reasons for a wait.
const (
	Backoff    Reason = "backoff"
	RetryAfter Reason = "retry_after"
	RateLimit  Reason = "rate_limit"
)

// announce calls OnWait, unless it was called for a wait that ends at the same time or later.
func (h *Hooks) announce(c *Call, attempt int, last *Error, reason Reason, wait time.Duration) {
	const slack = 10 * time.Millisecond // two measurements of the same wait may differ by it
	if h.OnWait == nil || wait <= 0 {
		return
	}
	if until := time.Now().Add(wait); until.After(c.announced.Add(slack)) {
		c.announced = until
		h.OnWait(c, attempt, last, reason, wait)
	}
}
