// Package customizerstest has a fake tenant of SailPoint Identity Security Cloud for
// tests, as net/http/httptest has a fake web server: the six operations on connector
// customizers, the token endpoint and oauth/info, over a real socket.
//
//	srv := customizerstest.NewServer(customizerstest.WithSeed(3))
//	defer srv.Close()
//	client := srv.Client()
//
// It answers as the contract, openapi.yaml, and the service's documentation say, in
// the service's error shapes. Any number of servers may run at once.
//
// # Failures
//
// [Server.Inject] makes it fail in the ways that networks and services do. Here the second
// page of a list fails once, and is read by a retry:
//
//	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Skip: 1, Status: 503})
//
// [WithRateLimit], [WithTokenLifetime] and [WithScopes] make it as strict as the service.
//
// # Time
//
// A tenant made [WithoutSocket] runs in a bubble of [testing/synctest], where a Retry-After of a
// minute takes no time.
//
// # What came of it
//
// [Server.Requests] tells what was sent, [Server.Customizers] and [Server.Versions] what the
// tenant has, and [Server.Faults] which faults were not met.
package customizerstest

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/internal/server"
)

// A Server is a fake tenant that listens on a loopback address.
type Server struct {
	URL          string // of the tenant, without a final slash
	ClientID     string // the credentials that the token endpoint accepts
	ClientSecret string

	config  config
	tenant  *tenant
	issuer  *issuer
	limiter *limiter
	handler http.Handler     // generated from the contract
	http    *httptest.Server // nil without a socket
	client  *http.Client     // of the clients of Client
	closing chan struct{}
	once    sync.Once

	mu       sync.Mutex
	faults   []*Fault
	requests []Request
}

// NewServer starts a tenant. It panics when it can't listen on a loopback address, as
// [httptest.NewServer] does.
func NewServer(opts ...Option) *Server {
	c := config{
		tokenLifetime: 749 * time.Second,
		scopes:        []string{scopeRead, scopeManage},
	}
	for _, opt := range opts {
		opt(&c)
	}
	s := &Server{
		ClientID:     "sandbox-" + strings.ToLower(rand.Text()[:8]),
		ClientSecret: strings.ToLower(rand.Text()),
		config:       c,
		tenant:       newTenant(c),
		issuer:       newIssuer(c.tokenLifetime, c.scopes),
		limiter:      newLimiter(c.limit, c.per),
		closing:      make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost:   100,
			ExpectContinueTimeout: time.Second,
		}},
	}
	switch {
	case c.clientID != "":
		s.ClientID, s.ClientSecret = c.clientID, c.clientSecret
	case c.state.ClientID != "":
		s.ClientID, s.ClientSecret = c.state.ClientID, c.state.ClientSecret
	}
	s.handler = server.HandlerWithOptions(
		server.NewStrictHandlerWithOptions(s.tenant, nil, server.StrictHTTPServerOptions{
			RequestErrorHandlerFunc:  badRequest,
			ResponseErrorHandlerFunc: failed,
		}),
		server.StdHTTPServerOptions{ErrorHandlerFunc: badRequest},
	)
	if c.noSocket {
		s.URL, s.client.Transport = urlWithoutSocket, memory{s}
		return s
	}
	s.http = httptest.NewUnstartedServer(s)
	if c.listener != nil {
		_ = s.http.Listener.Close()
		s.http.Listener = c.listener
	}
	s.http.Start()
	s.URL = s.http.URL
	return s
}

// Close stops the tenant and cuts the connections to it: its clients are refused from then
// on, with a socket or without. It may be called again.
func (s *Server) Close() {
	s.once.Do(func() { close(s.closing) })
	s.client.CloseIdleConnections()
	if s.http == nil {
		return
	}
	s.http.CloseClientConnections()
	s.http.Close()
}

func (s *Server) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// Client returns a client of the tenant, with its credentials and without a rate limit,
// unless an option sets one. It panics if an option can't be used.
func (s *Server) Client(opts ...customizers.Option) *customizers.Client {
	c, err := customizers.New(s.URL, customizers.ClientCredentials(s.ClientID, s.ClientSecret), slices.Concat([]customizers.Option{
		customizers.WithHTTPClient(s.client),
		customizers.WithRateLimit(0, 0),
	}, opts)...)
	if err != nil {
		panic(fmt.Sprintf("customizerstest: %v", err))
	}
	return c
}

// Customizers returns the tenant's customizers, oldest first.
func (s *Server) Customizers() []customizers.Customizer { return s.tenant.all() }

// Versions returns the versions of a customizer, oldest first; none when there is no
// such customizer.
func (s *Server) Versions(id string) []Version { return s.tenant.versionsOf(id) }

// A Version is a version as the tenant keeps it.
type Version struct {
	customizers.Version

	ArchiveSize   int64  `json:"archiveSize,omitzero"`   // in bytes; 0 when none was sent
	ArchiveSHA256 string `json:"archiveSHA256,omitzero"` // in hexadecimal; empty when none was sent
}

// Add creates customizers with the given names and returns them.
func (s *Server) Add(names ...string) []customizers.Customizer {
	var out []customizers.Customizer
	for _, name := range names {
		out = append(out, s.tenant.create(name))
	}
	return out
}

// ExpireTokens makes the tenant refuse every token that it has issued, as if its
// lifetime were over.
func (s *Server) ExpireTokens() { s.issuer.expireAll() }

// A Request is what the tenant noted of one request.
type Request struct {
	Time      time.Time // of its arrival
	Operation Operation // empty for an address that the tenant doesn't have
	Method    string
	Path      string // as sent
	Query     string // as sent
	Header    http.Header
	BodySize  int64         // bytes of the body that were read
	Status    int           // of the answer; 0 when the connection was cut instead
	Injected  bool          // a Fault hit it
	Duration  time.Duration // until the answer was known
}

// logged is how many requests a tenant remembers.
const logged = 100_000

// Requests returns the requests so far in the order of their arrival, at most the last
// 100,000, those of operations only when any are named.
func (s *Server) Requests(operations ...Operation) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Request
	for _, r := range s.requests {
		if len(operations) == 0 || slices.Contains(operations, r.Operation) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b Request) int { return a.Time.Compare(b.Time) })
	return out
}

// record adds a request to the log and calls the hook.
func (s *Server) record(r Request) {
	r.Duration = time.Since(r.Time)
	s.mu.Lock()
	if len(s.requests) >= 2*logged {
		s.requests = append(s.requests[:0], s.requests[logged:]...)
	}
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	if s.config.hook != nil {
		s.config.hook(r)
	}
}

// An Option changes what [NewServer] starts. Options may come in any order; of two of the
// same kind the later one holds, but for [WithCustomizers].
type Option func(*config)

type config struct {
	clientID, clientSecret string
	customizers            []customizers.Customizer
	seed                   int
	instances              int
	tokenLifetime          time.Duration
	scopes                 []string
	limit                  int
	per                    time.Duration
	createStatus           int
	listener               net.Listener
	noSocket               bool
	state                  State
	hook                   func(Request)
}

// WithCustomizers starts with the given customizers; such options add up. Empty IDs and
// times are filled in.
func WithCustomizers(c ...customizers.Customizer) Option {
	return func(cfg *config) { cfg.customizers = append(cfg.customizers, c...) }
}

// WithSeed starts with n customizers, named customizer-000001 and so on.
func WithSeed(n int) Option { return func(c *config) { c.seed = n } }

// WithCredentials sets the client ID and secret, which are random otherwise.
func WithCredentials(clientID, clientSecret string) Option {
	return func(c *config) { c.clientID, c.clientSecret = clientID, clientSecret }
}

// WithTokenLifetime sets how long a token is good; the default is the 749 seconds
// that are typical of the service.
func WithTokenLifetime(d time.Duration) Option { return func(c *config) { c.tokenLifetime = d } }

// WithScopes sets the scopes of the tokens; the default is sp:connector:read and
// sp:connector:manage. An operation without its scope answers 403.
func WithScopes(scopes ...string) Option { return func(c *config) { c.scopes = scopes } }

// WithRateLimit answers 429 to what exceeds n requests in any period of length per,
// for each client ID and API version. The service's own limit is 100 in 10 seconds;
// the default is none.
func WithRateLimit(n int, per time.Duration) Option {
	return func(c *config) { c.limit, c.per = n, per }
}

// WithCreateStatus sets the status of a successful create, 200 or 201. The default is 201,
// which is specified, and 200 under /beta.
func WithCreateStatus(status int) Option { return func(c *config) { c.createStatus = status } }

// WithRequestHook calls f with each request when its answer is known, and before it is
// sent. It is called by as many goroutines as there are requests.
func WithRequestHook(f func(Request)) Option { return func(c *config) { c.hook = f } }

// WithListener serves on l instead of a loopback port of the system's choice. It has no
// effect with [WithoutSocket].
func WithListener(l net.Listener) Option { return func(c *config) { c.listener = l } }
