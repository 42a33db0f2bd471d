// Package transport sends a client's requests. A [Call] goes down a chain of handlers, one
// concern each, and its response comes back up. [New] assembles the chain.
package transport

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// A Handler makes a call, or one attempt of it. Its error is an [*Error] if a request was
// sent, and otherwise says why none was.
type Handler interface {
	Do(*Call) (*Response, error)
}

type handlerFunc func(*Call) (*Response, error)

func (f handlerFunc) Do(c *Call) (*Response, error) { return f(c) }

// A Call is a request and what its handlers need to know about it.
type Call struct {
	Context    context.Context //nolint:containedctx // of the call; its request gets one for each attempt
	Operation  string          // for errors, logs and observers
	Request    *http.Request   // GetBody replays its body, if it has one
	Idempotent bool            // whether the effect of two requests is that of one
	Streamed   bool            // whether the body is read from elsewhere than memory

	// The handlers set these for each attempt.
	Attempt   int    // counts from 1
	Previous  *Error // failure of the previous attempt
	Token     string // access token of the attempt
	sent      bool
	announced time.Time // end of the wait last reported to the hooks
}

// A Response is an HTTP response whose body has been read into Data.
type Response struct {
	*http.Response

	Data     []byte
	Call     *Call // attempt that it answers
	Attempts int
}

// Options configure a chain.
type Options struct {
	HTTP    http.RoundTripper
	Timeout time.Duration // of an attempt; 0 for none
	Retry   Policy
	Window  *Window // nil for no rate limit, or with Limiter
	Limiter Limiter // nil unless it replaces Window
	Hooks   Hooks
	Fetch   TokenFetcher
}

// A TokenFetcher fetches an access token. It sends any request of its own through the handler.
type TokenFetcher func(context.Context, Handler) (*oauth2.Token, error)

// New assembles the chain of a client's calls:
//
//	retry → limit → authorize → observe → status → wire
//
// and that of its token requests, which carry no token and don't count against the rate limit:
//
//	retry → pause → observe → status → wire
//
// The slot comes before the token: a token fetched first could expire while the call
// queues. Both chains share the gate, so a Retry-After holds for each.
func New(o Options) Handler {
	gate := newGate(o)
	send := observe(status(wire(o.HTTP, o.Timeout)), o.Hooks)

	forTokens := retry(pause(send, gate), gate, o)
	tokens := &tokens{fetch: func(ctx context.Context) (*oauth2.Token, error) { return o.Fetch(ctx, forTokens) }}

	return retry(limit(authorize(send, tokens, gate), gate), gate, o)
}

// Hooks observe calls. Each may be nil.
type Hooks struct {
	// Attempted is called after each attempt. The error is nil if it succeeded, the
	// response if none came.
	Attempted func(*Call, *Response, *Error, time.Duration)
	// Waiting is called before each wait of a call whose next attempt is the given one,
	// with the failure before it, or nil.
	Waiting func(c *Call, attempt int, last *Error, reason Reason, wait time.Duration)
	// Retrying is called after a failure, before the call is retried.
	Retrying func(*Error, time.Duration)
}

// A Reason says why a call waits.
type Reason string

// The reasons to wait.
const (
	Backoff    Reason = "backoff"
	RetryAfter Reason = "retry_after"
	RateLimit  Reason = "rate_limit"
)

// waiting announces a wait before an attempt, unless a wait as long has been announced.
func (h *Hooks) waiting(c *Call, reason Reason, wait time.Duration) {
	h.announce(c, c.Attempt, c.Previous, reason, wait)
}

func (h *Hooks) announce(c *Call, attempt int, last *Error, reason Reason, wait time.Duration) {
	const slack = 10 * time.Millisecond // passes between two looks at the same wait
	if h.Waiting == nil || wait <= 0 {
		return
	}
	if until := time.Now().Add(wait); until.After(c.announced.Add(slack)) {
		c.announced = until
		h.Waiting(c, attempt, last, reason, wait)
	}
}
