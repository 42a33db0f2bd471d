package customizers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/connector-customizers/customizers/internal/transport"
)

// An Observer is notified of a client's attempts and waits: see [WithObserver]. Either
// function may be nil.
//
// The functions run in the goroutine of the call, with its context, so several may run at
// once. A token request has the context of the call that needed it first. The call waits for
// the functions, and calls behind it in the queue for the rate limit may wait too. The
// functions must not call the client. A panic reaches the caller; during a token request, it
// becomes an error of all calls that wait for the token.
type Observer struct {
	// OnAttempt is called after each attempt of a request, token requests included.
	OnAttempt func(context.Context, Attempt)
	// OnWait is called before each wait of a known length, and again if the wait turns out
	// longer. A call that queues for the rate limit reports a wait when it is first in the
	// queue. The client does not know of waits inside a [RateLimiter].
	OnWait func(context.Context, Wait)
}

// An Attempt is one request of a call.
type Attempt struct {
	Operation  string        // method of Client, or Token
	Method     string        // HTTP method
	Path       string        // of the URL, with the API version and the ID
	Number     int           // counts from 1
	StatusCode int           // 0 if no response was received
	Duration   time.Duration // until the body was read or the attempt failed
	RequestID  string        // service's ID of the request; may be empty
	Deprecated bool          // whether the response has X-Deprecated, Deprecation, Sunset or a Link with rel="deprecation"
	Err        error         // nil if it succeeded, otherwise an *Error; never ErrOutcomeUnknown, which is decided later
}

// A Wait is the time that a call waits before an attempt.
type Wait struct {
	Operation string // method of Client, or Token
	Attempt   int    // number of the attempt that follows, from 1
	Reason    WaitReason
	Duration  time.Duration
	Err       error // of the previous attempt, an *Error; nil before the first
}

// A WaitReason is the reason for a [Wait].
type WaitReason string

// The reasons for a wait.
const (
	WaitBackoff    WaitReason = "backoff"     // the retry policy, after a failure
	WaitRetryAfter WaitReason = "retry_after" // a Retry-After, of a response to this call or another
	WaitRateLimit  WaitReason = "rate_limit"  // the client's own rate limit
)

// hooks returns the hooks that log and notify the observer.
func (c *Client) hooks(log *slog.Logger, o Observer) transport.Hooks {
	var h transport.Hooks
	if log != nil {
		h.OnRetry = c.onRetry(log)
	}
	if log != nil || o.OnAttempt != nil {
		h.OnAttempt = c.onAttempt(log, o)
	}
	if o.OnWait != nil {
		h.OnWait = func(call *transport.Call, attempt int, last *transport.Error, reason transport.Reason, d time.Duration) {
			w := Wait{Operation: call.Operation, Attempt: attempt, Reason: WaitReason(reason), Duration: d}
			if last != nil {
				w.Err = c.newError(last)
			}
			o.OnWait(call.Context, w)
		}
	}
	return h
}

func (c *Client) onAttempt(log *slog.Logger, o Observer) func(*transport.Call, *transport.Response, *transport.Error, time.Duration) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var deprecated sync.Map // operations logged as deprecated
	return func(call *transport.Call, resp *transport.Response, failure *transport.Error, d time.Duration) {
		ctx, req := call.Context, call.Request
		a := Attempt{Operation: call.Operation, Method: req.Method, Path: c.secrets.clean(req.URL.Path), Number: call.Attempt, Duration: d}
		if resp != nil {
			a.StatusCode, a.RequestID = resp.StatusCode, c.secrets.clean(requestID(resp))
			notices := c.deprecation(resp.Header)
			if a.Deprecated = len(notices) > 0; a.Deprecated {
				if _, logged := deprecated.LoadOrStore(a.Operation, true); !logged {
					log.LogAttrs(ctx, slog.LevelWarn, "customizers: endpoint is deprecated; see WithAPIVersion", append(c.requestAttrs(call), notices...)...)
				}
			}
		}
		if failure != nil && (o.OnAttempt != nil || log.Enabled(ctx, slog.LevelDebug)) {
			a.Err = c.newError(failure)
		}
		if o.OnAttempt != nil {
			o.OnAttempt(ctx, a)
		}
		if log.Enabled(ctx, slog.LevelDebug) {
			a.log(ctx, log, c.requestAttrs(call))
		}
	}
}

func (a *Attempt) log(ctx context.Context, log *slog.Logger, attrs []slog.Attr) {
	attrs = append(attrs, slog.Int("attempt", a.Number), slog.Duration("duration", a.Duration))
	var text, trackingID string
	if e, ok := errors.AsType[*Error](a.Err); ok {
		text, trackingID = e.Error(), e.TrackingID
	}
	attrs = append(attrs, withoutEmpty(slog.Int("status", a.StatusCode), slog.String("request_id", a.RequestID),
		slog.String("error", text), slog.String("tracking_id", trackingID))...)
	log.LogAttrs(ctx, slog.LevelDebug, "customizers: request sent", attrs...)
}

func (c *Client) onRetry(log *slog.Logger) func(*transport.Error, time.Duration) {
	return func(f *transport.Error, wait time.Duration) {
		log.LogAttrs(f.Call.Context, slog.LevelWarn, "customizers: request will be retried", append(c.requestAttrs(f.Call),
			slog.Int("attempt", f.Call.Attempt), slog.Duration("wait", wait), slog.String("error", c.newError(f).Error()))...)
	}
}

func (c *Client) requestAttrs(call *transport.Call) []slog.Attr {
	return []slog.Attr{
		slog.String("operation", call.Operation),
		slog.String("method", call.Request.Method),
		slog.String("path", c.secrets.clean(call.Request.URL.Path)),
	}
}

// deprecationLink matches a link with the relation of RFC 9745.
var deprecationLink = regexp.MustCompile(`(?i)<([^<>]*)>[^<>]*;\s*rel\s*=\s*(?:"(?:[^"<>]*\s)?deprecation[\s"]|deprecation(?:[\s;,]|$))`)

// deprecation returns what a response says about the end of its endpoint, as attributes.
func (c *Client) deprecation(h http.Header) (notices []slog.Attr) {
	for _, n := range [][2]string{{"x_deprecated", "X-Deprecated"}, {"deprecation", "Deprecation"}, {"sunset", "Sunset"}} {
		value := strings.TrimSpace(h.Get(n[1]))
		deprecated, err := strconv.ParseBool(strings.TrimPrefix(value, "?")) // otherwise it is a date
		if deprecated || err != nil && value != "" {
			notices = append(notices, slog.String(n[0], c.secrets.clean(value)))
		}
	}
	for _, link := range h.Values("Link") {
		if m := deprecationLink.FindStringSubmatch(link); m != nil {
			notices = append(notices, slog.String("link", c.secrets.clean(m[1])))
		}
	}
	return notices
}

// requestID returns the service's ID of a request. The published specification lacks the
// header; existing clients print it.
func requestID(resp *transport.Response) string { return resp.Header.Get(requestIDHeader) }

const requestIDHeader = "Slpt-Request-Id" // in Go's spelling
