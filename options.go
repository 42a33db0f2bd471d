package customizers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/connector-customizers/customizers/internal/transport"
)

// An Option configures a client. If an option is repeated, the last one wins. [New] and
// [NewFromEnv] return [ErrInvalidArgument] if any option is invalid.
type Option func(*settings) error

// An APIVersion is a version of the service's API. The versions differ only in their paths.
type APIVersion string

// The versions of the API. Paths of the yearly versions begin with the version, for example
// /v2024/connector-customizers. SailPoint supports the yearly versions until the second
// quarter of 2028 and shuts them down in the first quarter of 2029. In the newer scheme each
// service has its own versions: APIVersionV1 is /connector-customizers/v1.
const (
	APIVersion2024 APIVersion = "v2024" // the default
	APIVersion2025 APIVersion = "v2025"
	APIVersion2026 APIVersion = "v2026"
	APIVersionV1   APIVersion = "v1"
)

// settings are the values that options set.
type settings struct {
	version   APIVersion
	transport http.RoundTripper
	timeout   time.Duration
	retry     RetryPolicy
	window    *transport.Window // nil for no limit
	limiter   RateLimiter       // replaces window unless nil
	log       *slog.Logger      // nil for none
	observer  Observer
	userAgent string
}

func newSettings(opts []Option) (*settings, error) {
	s := &settings{
		version:   APIVersion2024,
		transport: DefaultTransport(),
		window:    transport.NewWindow(100, 10*time.Second),
		userAgent: userAgent(),
	}
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("%w: option %d of %d is nil", ErrInvalidArgument, i+1, len(opts))
		}
		if err := opt(s); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
		}
	}
	return s, nil
}

// WithAPIVersion selects the version of the API; the default is [APIVersion2024].
func WithAPIVersion(v APIVersion) Option {
	return func(s *settings) error {
		switch v {
		case APIVersion2024, APIVersion2025, APIVersion2026, APIVersionV1:
			s.version = v
			return nil
		}
		return fmt.Errorf("unknown API version %q (want v2024, v2025, v2026 or v1)", string(v))
	}
}

// WithHTTPClient sends all requests, including token requests, through the Transport of c, or
// through [DefaultTransport] if that is nil. The Timeout of c limits each attempt, including
// uploads; use contexts to limit whole calls. The Jar and CheckRedirect of c are ignored: the
// client keeps no cookies and follows no redirects. A custom [http.Transport] should set
// ExpectContinueTimeout, as [http.DefaultTransport] does. Without it, a large upload doesn't
// wait for 100 Continue, and an early rejection can be lost with the connection.
//
// The default is a client with [DefaultTransport] and no Timeout. Whatever the client, an
// attempt is canceled if no data is sent or received for two minutes. An attempt that can be
// repeated and is not an upload is canceled if it has no response after 60 seconds, and retried.
//
// The Transport gets no GetBody, so that it can't repeat a request on its own. Retries are up to
// the client, which knows whether a create may be repeated. A failed connection proves that
// nothing was sent only if the Transport supports [net/http/httptrace], as [http.Transport] and
// wrappers of it do. With any other Transport, the client relies on the type of the error.
//
// [DefaultTransport] speaks HTTP/1.1 only, for the reasons given there. A Transport that speaks
// HTTP/2 should detect dead connections with pings, for example with SendPingTimeout set to 30
// seconds and PingTimeout to a minute in [http.Transport.HTTP2]. Otherwise it sends retries on
// a connection that has died silently. Because a ping waits behind the data of an upload, a
// short PingTimeout ends slow but healthy uploads.
func WithHTTPClient(c *http.Client) Option {
	return func(s *settings) error {
		if c == nil {
			return errors.New("the HTTP client is nil")
		}
		s.transport, s.timeout = c.Transport, c.Timeout
		if c.Transport == nil {
			s.transport = DefaultTransport()
		}
		return nil
	}
}

// WithRetry replaces the retry policy.
//
// A client also has a budget of 100 retries, so that retries don't make an outage worse. A
// successful retry is refunded; every five successful requests add one. Retries after a
// 429 are free, because its Retry-After paces them.
func WithRetry(p RetryPolicy) Option {
	return func(s *settings) error {
		s.retry = p
		return p.check()
	}
}

// A RetryPolicy limits retries. Which failures are retried is fixed: see the package
// documentation. A zero field takes its default.
//
// The wait before attempt n+1 is random between zero and MinBackoff·2ⁿ⁻¹ or, if that is less,
// MaxBackoff. It is never shorter than the service's Retry-After.
type RetryPolicy struct {
	MaxAttempts int           // includes the first attempt; default 4; 1 turns retries off
	MinBackoff  time.Duration // maximum backoff before the second attempt; default 0.5 s
	MaxBackoff  time.Duration // maximum backoff before any attempt; default 20 s, or MinBackoff if that is longer
	// MaxWait is the longest Retry-After that a call waits for; default 60 s. If the service
	// asks for more, the call fails at once, and Error.RetryAfter holds the wait. The error
	// matches the sentinel of the status, or [ErrRateLimited] if nothing was sent.
	MaxWait time.Duration
}

func (p RetryPolicy) withDefaults() transport.Policy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = 4
	}
	if p.MinBackoff == 0 {
		p.MinBackoff = 500 * time.Millisecond
	}
	if p.MaxBackoff == 0 {
		p.MaxBackoff = max(20*time.Second, p.MinBackoff)
	}
	if p.MaxWait == 0 {
		p.MaxWait = 60 * time.Second
	}
	return transport.Policy(p)
}

func (p RetryPolicy) check() error {
	if p.MaxAttempts < 0 {
		return fmt.Errorf("RetryPolicy.MaxAttempts is %d (want 1 or more, or 0 for the default)", p.MaxAttempts)
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"MinBackoff", p.MinBackoff}, {"MaxBackoff", p.MaxBackoff}, {"MaxWait", p.MaxWait}} {
		if f.value < 0 {
			return fmt.Errorf("RetryPolicy.%s is %v (want a positive duration, or 0 for the default)", f.name, f.value)
		}
	}
	if p.MaxBackoff != 0 && p.MinBackoff > p.MaxBackoff {
		return fmt.Errorf("RetryPolicy.MinBackoff is %v (want at most MaxBackoff, %v)", p.MinBackoff, p.MaxBackoff)
	}
	return nil
}

// WithRateLimit limits the client to n requests in any period of length per. The default is
// the service's own limit, 100 in 10 seconds. Programs with the same client ID share that
// limit, so give each of them a part. Token requests are not counted. See also
// [WithoutRateLimit] and [WithRateLimiter]; of the three, the last one wins.
//
// A call waits for a free slot. It fails with [ErrRateLimited] if its context ends first. When it
// is first in the queue, it fails at once if its deadline is before the next slot.
func WithRateLimit(n int, per time.Duration) Option {
	return func(s *settings) error {
		switch {
		case n < 1:
			return fmt.Errorf("the rate limit is %d requests (want 1 or more, or WithoutRateLimit)", n)
		case per <= 0:
			return fmt.Errorf("the period of the rate limit is %v (want more than 0)", per)
		}
		s.window, s.limiter = transport.NewWindow(n, per), nil
		return nil
	}
}

// WithoutRateLimit removes the client's own rate limit. A Retry-After of the service still
// pauses every call of the client.
func WithoutRateLimit() Option {
	return func(s *settings) error {
		s.window, s.limiter = nil, nil
		return nil
	}
}

// A RateLimiter decides when a client may send a request: see [WithRateLimiter].
// *rate.Limiter of golang.org/x/time/rate implements it.
type RateLimiter interface {
	// Wait blocks until the client may send a request. It must return when ctx ends. If it
	// returns an error, nothing is sent, and the call's error matches [ErrRateLimited] and the
	// returned error, or the error of ctx if that has ended. A client calls Wait for one
	// request at a time, in the order of its calls.
	Wait(ctx context.Context) error
}

// WithRateLimiter replaces the client's own rate limit with l, which several processes may
// share, as in examples/redis. Of WithRateLimiter and [WithRateLimit], the last one wins.
// Token requests are not counted.
func WithRateLimiter(l RateLimiter) Option {
	return func(s *settings) error {
		if l == nil {
			return errors.New("the rate limiter is nil (want WithoutRateLimit() for no limit)")
		}
		s.window, s.limiter = nil, l
		return nil
	}
}

// WithLogger logs to l. The default logs nothing. No token, secret or body is ever logged.
// These messages and attributes are stable:
//
//   - "customizers: request sent", at level Debug, after every attempt: operation (the
//     method of [Client], or Token), method, path, attempt (from 1), duration, and if known
//     status, request_id, error and tracking_id;
//   - "customizers: request will be retried", at level Warn: operation, method, path,
//     attempt, wait and error;
//   - "customizers: endpoint is deprecated; see WithAPIVersion", at level Warn, once per
//     operation after a response that reports a deprecation: operation, method, path, and if
//     sent x_deprecated, deprecation, sunset and link.
func WithLogger(l *slog.Logger) Option {
	return func(s *settings) error {
		if l == nil {
			return errors.New("the logger is nil")
		}
		s.log = l
		return nil
	}
}

// WithObserver notifies o of every attempt and every wait of the client, for metrics or
// progress. See examples/otel for OpenTelemetry.
func WithObserver(o Observer) Option {
	return func(s *settings) error {
		s.observer = o
		return nil
	}
}

// WithUserAgent puts product, for example "acme-sync/1.4", in front of the client's own name
// in the User-Agent header.
func WithUserAgent(product string) Option {
	return func(s *settings) error {
		for _, r := range product {
			if r < ' ' || r > '~' {
				return fmt.Errorf("the user agent %q has characters that are invalid in a header", product)
			}
		}
		if strings.TrimSpace(product) == "" {
			return errors.New("the user agent is blank")
		}
		s.userAgent = strings.TrimSpace(product) + " " + userAgent()
		return nil
	}
}

const modulePath = "github.com/connector-customizers/customizers"

// userAgent returns the name and version of this module, the Go version and the system.
var userAgent = sync.OnceValue(func() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
				version = m.Version
			}
		}
	}
	return "connector-customizers-go/" + version + " (" + runtime.Version() + "; " + runtime.GOOS + ")"
})
