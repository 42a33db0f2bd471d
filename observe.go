package customizers

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An Observer is told what a client does inside its calls, to count tries, waits and
// refusals, or to show them: see [WithObserver]. Either function may be nil. They are
// called by the goroutine of the call, with its context, or for a request for a token
// with that of the call that needed it first, so by many at once. They hold the call up
// while they run, and Wait those too that queue for the rate limit behind it. They must
// not call the client. A panic is the caller's: of a page that is fetched ahead, the loop's, and
// while a token is fetched, an error of the calls that need it.
type Observer struct {
	// Try is called after each try of a request, those for tokens included.
	Try func(context.Context, Try)
	// Wait is called before each wait, when its length is known, and again when the wait
	// turns out longer, as when another call is refused meanwhile. A call that queues for
	// the rate limit is told until when no slot is free, and again when it is the first of
	// the queue and the next slot is its own.
	Wait func(context.Context, Wait)
}

// A Try is one sending of a request.
type Try struct {
	Operation  string        // the method of Client without its receiver, or Token
	Method     string        // GET, POST, PUT or DELETE
	Path       string        // with the version and the ID, without the tenant
	Attempt    int           // from 1
	StatusCode int           // 0 when there was no response
	Duration   time.Duration // until the answer was read, or the failure
	RequestID  string        // what the service calls the request; may be empty
	Deprecated bool          // the response has X-Deprecated
	Err        error         // an *Error when it failed; never ErrOutcomeUnknown, which is decided afterwards
}

// A Wait is a time during which a call sends nothing.
type Wait struct {
	Operation string // the method of Client without its receiver, or Token
	Attempt   int    // the try that follows, from 1
	Reason    WaitReason
	Duration  time.Duration
	Err       error // of the try before; nil before the first
}

// A WaitReason says why a call waits.
type WaitReason string

// The reasons to wait.
const (
	WaitBackoff    WaitReason = "backoff"     // between tries, as the policy says
	WaitRetryAfter WaitReason = "retry_after" // as the service said, to this call or another
	WaitRateLimit  WaitReason = "rate_limit"  // for the client's own rate limit
)

// operation is the method of Client that makes a request, or Token.
func operation(method, path string) string {
	switch method {
	case http.MethodPut:
		return "Update"
	case http.MethodDelete:
		return "Delete"
	case http.MethodGet:
		if version, id, _ := strings.Cut(path, collection); id == "" || version == "" && id == "/"+string(V1) {
			return "List"
		}
		return "Get"
	}
	switch {
	case strings.HasSuffix(path, tokenPath):
		return "Token"
	case strings.HasSuffix(path, "/versions"):
		return "CreateVersion"
	}
	return "Create"
}

func (c *call) operation() string { return operation(c.req.Method, c.req.URL.Path) }

// noteTry tells the observer and the log of a try, and once per operation that its
// endpoint is deprecated.
func (c *call) noteTry(resp *http.Response, e *Error, took time.Duration) {
	deprecated := resp != nil && isTrue(resp.Header.Get("X-Deprecated"))
	if deprecated {
		c.deprecations.note(c)
	}
	c.waiting = time.Time{}
	if c.observer.Try != nil {
		t := Try{
			Operation: c.operation(), Method: c.req.Method, Path: c.req.URL.Path,
			Attempt: c.sent, Duration: took, Deprecated: deprecated,
		}
		if resp != nil {
			t.StatusCode, t.RequestID = resp.StatusCode, requestID(resp)
		}
		if e != nil {
			t.Err = e.told()
		}
		c.observer.Try(c.req.Context(), t)
	}
	c.logTry(resp, e, took)
}

// told is e as it is now, for an observer to keep: what follows is added to e.
func (e *Error) told() *Error {
	now := *e
	now.wraps = slices.Clip(now.wraps)
	return &now
}

func isTrue(s string) bool {
	ok, err := strconv.ParseBool(strings.TrimSpace(s))
	return ok && err == nil
}

// requestID is what the service calls a request. The header is not in its specification;
// clients in use print it.
func requestID(resp *http.Response) string { return resp.Header.Get("SLPT-Request-ID") }

type callKey struct{}

// observed gives the request a context by which its waits are told to the observer.
func (c *call) observed() {
	if c.observer.Wait != nil {
		c.req = c.req.WithContext(context.WithValue(c.req.Context(), callKey{}, c))
	}
}

// noteWait tells the observer of the call that ctx belongs to of a wait.
func noteWait(ctx context.Context, reason WaitReason, d time.Duration) {
	c, ok := ctx.Value(callKey{}).(*call)
	until := time.Now().Add(d)
	const slack = 10 * time.Millisecond // for the time that passes between two looks at the same wait
	if !ok || d <= 0 || !until.After(c.waiting.Add(slack)) {
		return
	}
	c.waiting = until
	w := Wait{Operation: c.operation(), Attempt: c.sent + 1, Reason: reason, Duration: d}
	if c.last != nil {
		w.Err = c.last.told()
	}
	c.observer.Wait(ctx, w)
}

func (c *call) logTry(resp *http.Response, e *Error, took time.Duration) {
	ctx := c.req.Context()
	if !c.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := append(c.attrs(), slog.Int("attempt", c.sent), slog.Duration("duration", took))
	if resp != nil {
		attrs = append(attrs, slog.Int("status", resp.StatusCode))
		if id := requestID(resp); id != "" {
			attrs = append(attrs, slog.String("request_id", id))
		}
	}
	if e != nil {
		attrs = append(attrs, slog.String("error", e.Error()))
		if e.TrackingID != "" {
			attrs = append(attrs, slog.String("tracking_id", e.TrackingID))
		}
	}
	c.log.LogAttrs(ctx, slog.LevelDebug, "customizers: request sent", attrs...)
}

func (c *call) logRetry(e *Error, wait time.Duration) {
	c.log.LogAttrs(c.req.Context(), slog.LevelWarn, "customizers: request will be sent again", append(c.attrs(),
		slog.Int("attempt", c.sent), slog.Duration("wait", wait), slog.String("error", e.Error()))...)
}

func (c *call) attrs() []slog.Attr {
	return []slog.Attr{
		slog.String("operation", c.operation()),
		slog.String("method", c.req.Method),
		slog.String("path", c.req.URL.Path),
	}
}

// deprecations are the operations whose endpoints the log has called deprecated.
type deprecations struct{ noted sync.Map }

func (d *deprecations) note(c *call) {
	if _, known := d.noted.LoadOrStore(c.operation(), true); !known {
		c.log.LogAttrs(c.req.Context(), slog.LevelWarn, "customizers: the endpoint is deprecated; see WithAPIVersion", c.attrs()...)
	}
}
