package customizers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers/api"
)

// An Option changes what [New] and [NewFromEnv] make. One that can't be used makes them
// return an error that is [ErrInvalidRequest].
type Option func(*settings) error

// An APIVersion is a version of the service's API. They differ in their addresses only.
type APIVersion string

// The versions of the API. The yearly ones put the version first, as in
// /v2024/connector-customizers; SailPoint has announced their end for the first quarter
// of 2029. V1 is of the newer scheme, in which each service has a version of its own:
// /connector-customizers/v1.
const (
	V2024 APIVersion = "v2024" // the default
	V2025 APIVersion = "v2025"
	V2026 APIVersion = "v2026"
	V1    APIVersion = "v1"
)

// settings is what options write to.
type settings struct {
	clientID, clientSecret string
	source                 oauth2.TokenSource
	version                APIVersion
	http                   *http.Client
	retry                  RetryPolicy
	limiter                RateLimiter // nil for none
	log                    *slog.Logger
	observer               Observer
	userAgent              string
}

func newSettings(opts []Option) (*settings, error) {
	s := &settings{
		version:   V2024,
		retry:     RetryPolicy{}.withDefaults(),
		limiter:   newWindow(100, 10*time.Second),
		log:       slog.New(slog.DiscardHandler),
		userAgent: userAgent(),
	}
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("%w: option %d of %d is nil", ErrInvalidRequest, i+1, len(opts))
		}
		if err := opt(s); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalidRequest, err)
		}
	}
	return s, nil
}

// hasCredentials tells whether an option gave any.
func (s *settings) hasCredentials() bool { return s.source != nil || s.clientID != "" }

// client makes the client of the tenant at base.
func (s *settings) client(base string) (*Client, error) {
	switch {
	case !s.hasCredentials():
		return nil, fmt.Errorf("%w: there are no credentials: use WithClientCredentials, WithTokenSource or NewFromEnv", ErrInvalidRequest)
	case s.source != nil && s.clientID != "":
		return nil, fmt.Errorf("%w: WithClientCredentials and WithTokenSource are both given; use one", ErrInvalidRequest)
	}
	snd := &sender{
		http:      noRedirects(s.http),
		retry:     s.retry,
		gate:      newGate(s.limiter),
		log:       s.log,
		observer:  s.observer,
		userAgent: []string{s.userAgent},
		secret:    s.clientSecret,
	}
	if s.source != nil {
		snd.tokens = newTokens(sourceFetch(s.source))
	} else {
		snd.tokens = newTokens(snd.credentialsFetch(base+tokenPath, s.clientID, s.clientSecret))
	}
	c := &api.Client{Server: base + "/" + string(s.version) + "/", Client: snd}
	if s.version == V1 {
		c.Server = base + "/"
		c.RequestEditors = []api.RequestEditorFn{versionSecond}
	}
	return &Client{api: c}, nil
}

const collection = "/connector-customizers"

// versionSecond turns /connector-customizers/… into /connector-customizers/v1/….
func versionSecond(_ context.Context, req *http.Request) error {
	insert := func(path string) string {
		return strings.Replace(path, collection, collection+"/"+string(V1), 1)
	}
	req.URL.Path = insert(req.URL.Path)
	req.URL.RawPath = insert(req.URL.RawPath)
	return nil
}

// WithClientCredentials authenticates with a client ID and its secret, such as a
// personal access token, by the OAuth 2.0 client-credentials grant at the tenant's
// /oauth/token.
func WithClientCredentials(clientID, clientSecret string) Option {
	return func(s *settings) error {
		for _, v := range []struct{ name, value string }{{"client ID", clientID}, {"client secret", clientSecret}} {
			if v.value == "" {
				return fmt.Errorf("the %s is empty", v.name)
			}
			if v.value != strings.TrimSpace(v.value) {
				return fmt.Errorf("the %s begins or ends with white space", v.name)
			}
		}
		s.clientID, s.clientSecret = clientID, clientSecret
		return nil
	}
}

// WithTokenSource authenticates with the tokens of src. A token is asked for when
// first needed, kept until shortly before its Expiry (for ever when that is zero),
// and asked for again when the service refuses it.
//
// Token takes no context: a call whose context ends while src is busy returns, and
// src is left to finish.
func WithTokenSource(src oauth2.TokenSource) Option {
	return func(s *settings) error {
		if src == nil {
			return errors.New("the token source is nil")
		}
		s.source = src
		return nil
	}
}

// WithAPIVersion selects the version of the API; the default is [V2024].
func WithAPIVersion(v APIVersion) Option {
	return func(s *settings) error {
		switch v {
		case V2024, V2025, V2026, V1:
			s.version = v
			return nil
		}
		return fmt.Errorf("the API version %q is none of V2024, V2025, V2026 and V1", string(v))
	}
}

// WithHTTPClient sends all requests, those for tokens too, through a copy of c that
// refuses redirects. Its Timeout, if any, bounds each try and not the whole call, and
// an upload must fit into it; bound calls by their contexts. A transport of your own
// should have an ExpectContinueTimeout, as net/http's default has: large uploads ask
// before they send, and without it an early refusal can be lost with the connection.
//
// The default has no Timeout, and the transport [DefaultTransport]. With any client, a
// try is cut when for two minutes nothing is taken of the archive nor received, the wait
// for the answer's beginning included.
func WithHTTPClient(c *http.Client) Option {
	return func(s *settings) error {
		if c == nil {
			return errors.New("the HTTP client is nil")
		}
		s.http = c
		return nil
	}
}

// WithRetry replaces the policy of retries. Zero fields take their defaults.
//
// Whatever the policy, an outage is not multiplied: a client has a budget of 100
// retries, which a retry that succeeds gives back and any five successes raise by one.
// Without it each call sends one request. Retries after a 429 are not charged, as its
// Retry-After paces them.
func WithRetry(p RetryPolicy) Option {
	return func(s *settings) error {
		if err := p.check(); err != nil {
			return err
		}
		s.retry = p.withDefaults()
		return nil
	}
}

// WithRateLimit bounds the client to n requests in any period of length per. The
// default is the service's own limit, 100 in 10 seconds. As that one counts for all
// programs that use the same client ID, give each its share. With n 0 there is no
// bound, but a 429's Retry-After is still kept by every call of the client.
//
// A call waits its turn, and fails with [ErrRateLimited] when its context's deadline comes
// before that. Requests for tokens are not counted.
func WithRateLimit(n int, per time.Duration) Option {
	return func(s *settings) error {
		if n < 0 {
			return fmt.Errorf("the rate limit of %d requests is negative", n)
		}
		if n > 1_000_000 {
			return fmt.Errorf("the rate limit of %d requests is over a million; 0 turns it off", n)
		}
		if n > 0 && per <= 0 {
			return fmt.Errorf("the rate limit's period of %v is not positive", per)
		}
		s.limiter = newWindow(n, per)
		return nil
	}
}

// WithRateLimiter has l say when requests may be sent, in place of the client's own
// limit: several processes, on several hosts, can share one, as package examples/redis
// shows. Of this and [WithRateLimit] the later one holds. Requests for tokens are not
// counted.
func WithRateLimiter(l RateLimiter) Option {
	return func(s *settings) error {
		if l == nil {
			return errors.New("the rate limiter is nil; WithRateLimit(0, 0) turns the limit off")
		}
		s.limiter = l
		return nil
	}
}

// WithLogger logs to l, with attributes whose names and meanings stay:
//
//   - "customizers: request sent", at level Debug, after every try of a request:
//     operation (the method of [Client], or Token), method, path, attempt (from 1),
//     duration, and where known status, request_id, error and tracking_id;
//   - "customizers: request will be sent again", at level Warn: operation, method, path,
//     attempt, wait and error;
//   - "customizers: the endpoint is deprecated; see WithAPIVersion", at level Warn, once
//     per client and operation, after a response with X-Deprecated: operation, method
//     and path.
//
// No token, secret or body is ever logged. By default nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return func(s *settings) error {
		if l == nil {
			return errors.New("the logger is nil")
		}
		s.log = l
		return nil
	}
}

// WithObserver tells o of every try and every wait of the client, from which to count
// them: retries are the tries whose Attempt is over 1, and 429s those with that
// StatusCode. See package examples/otel for OpenTelemetry.
func WithObserver(o Observer) Option {
	return func(s *settings) error {
		s.observer = o
		return nil
	}
}

// WithUserAgent puts product, such as "acme-sync/1.4", in front of the client's own
// name in the User-Agent header.
func WithUserAgent(product string) Option {
	return func(s *settings) error {
		for _, r := range product {
			if r < ' ' || r > '~' {
				return fmt.Errorf("the user agent %q has characters that a header can't carry", product)
			}
		}
		if strings.TrimSpace(product) == "" {
			return errors.New("the user agent is blank")
		}
		s.userAgent = strings.TrimSpace(product) + " " + userAgent()
		return nil
	}
}
