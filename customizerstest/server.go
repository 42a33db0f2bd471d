// Package customizerstest provides a fake SailPoint tenant for tests, as net/http/httptest
// provides a fake web server. It has the six operations on connector customizers, connector
// instances and their logs, the token endpoint and oauth/info.
//
//	srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(3))
//	defer srv.Close()
//	client := srv.Client()
//
// Responses follow the contract, openapi.yaml, and the service's documentation, errors
// included. Any number of servers can run at once.
//
// # Faults
//
// [Server.Inject] makes requests fail like an unreliable network or service. In this example,
// the second page of a list fails once, so that the client retries it:
//
//	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Skip: 1, Status: 503})
//
// [WithRateLimit], [WithTokenLifetime] and [WithScopes] add the limits of the service.
// [WithTLS] serves over TLS, as the service does.
//
// # Time
//
// A tenant created with [WithoutSocket] runs in a bubble of [testing/synctest], where waiting
// for a Retry-After of one minute takes no time.
//
// # Assertions
//
// [Server.Requests] returns the requests so far. [Server.Customizers], [Server.Versions] and
// [Server.Instances] return the tenant's content. [Server.Faults] returns the faults that are
// not used up.
package customizerstest

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest/internal/server"
)

// A Server is a fake tenant. It listens on a loopback address unless [WithoutSocket] is set.
type Server struct {
	URL          string // of the tenant, without a trailing slash
	ClientID     string // the credentials that the token endpoint accepts
	ClientSecret string

	config  config
	tenant  *tenant
	issuer  *issuer
	limiter *limiter
	handler http.Handler     // generated from the contract
	http    *httptest.Server // nil without a socket
	client  *http.Client     // used by the clients of Client
	closing chan struct{}
	once    sync.Once

	mu       sync.Mutex
	faults   []*Fault
	requests []Request
}

// NewServer starts a tenant. Like [httptest.NewServer], it panics if it can't listen.
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
	if c.clientID != "" {
		s.ClientID, s.ClientSecret = c.clientID, c.clientSecret
	}
	s.handler = server.HandlerWithOptions(
		server.NewStrictHandlerWithOptions(s.tenant, nil, server.StrictHTTPServerOptions{
			RequestErrorHandlerFunc:  badRequest,
			ResponseErrorHandlerFunc: handleError,
		}),
		server.StdHTTPServerOptions{ErrorHandlerFunc: badRequest},
	)
	if c.noSocket {
		s.URL, s.client.Transport = urlWithoutSocket, memoryTransport{s}
		return s
	}
	s.http = httptest.NewUnstartedServer(s)
	if c.listener != nil {
		_ = s.http.Listener.Close()
		s.http.Listener = c.listener
	}
	if c.tls {
		s.http.EnableHTTP2 = true
		s.http.StartTLS()
		roots := x509.NewCertPool()
		roots.AddCert(s.http.Certificate())
		s.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	} else {
		s.http.Start()
	}
	s.URL = s.http.URL
	return s
}

// Close stops the tenant and closes its connections. Later requests fail like requests to a
// host that is down. Calling Close again has no effect.
func (s *Server) Close() {
	s.once.Do(func() { close(s.closing) })
	s.client.CloseIdleConnections()
	if s.http == nil {
		return
	}
	s.http.CloseClientConnections()
	s.http.Close()
}

func (s *Server) isClosed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// Certificate returns the certificate of a tenant created with [WithTLS], for the RootCAs of an
// HTTP client. It returns nil without TLS.
func (s *Server) Certificate() *x509.Certificate {
	if s.http == nil {
		return nil
	}
	return s.http.Certificate()
}

// Client returns a client of the tenant with the tenant's credentials. The client has no rate
// limit unless an option sets one. Client panics if an option is invalid.
func (s *Server) Client(opts ...customizers.Option) *customizers.Client {
	c, err := customizers.New(s.URL, customizers.ClientCredentials(s.ClientID, s.ClientSecret), slices.Concat([]customizers.Option{
		customizers.WithHTTPClient(s.client),
		customizers.WithoutRateLimit(),
	}, opts)...)
	if err != nil {
		panic(fmt.Sprintf("customizerstest: %v", err))
	}
	return c
}

// Customizers returns the tenant's customizers, oldest first.
func (s *Server) Customizers() []customizers.Customizer { return s.tenant.all() }

// Versions returns the versions of a customizer, oldest first. It returns none for an unknown ID.
func (s *Server) Versions(id string) []Version { return s.tenant.versionsOf(id) }

// A Version is a version of a customizer, with the size and digests of its archive. The
// digests are in hexadecimal. Without an archive, they are empty and the size is 0.
type Version struct {
	customizers.Version

	ArchiveSize   int64  `json:"archiveSize,omitzero"` // in bytes
	ArchiveSHA256 string `json:"archiveSHA256,omitzero"`

	// ContentSHA256 is the digest of a deploy.Result. It is empty for an archive that package
	// deploy rejects, or whose files are larger than 256 MiB.
	ContentSHA256 string `json:"contentSHA256,omitzero"`
}

// Add creates customizers with the given names, and returns them.
func (s *Server) Add(names ...string) []customizers.Customizer {
	var out []customizers.Customizer
	for _, name := range names {
		out = append(out, s.tenant.create(name))
	}
	return out
}

// ExpireTokens expires all tokens that the tenant has issued.
func (s *Server) ExpireTokens() { s.issuer.expireAll() }

// A Request describes a request that the tenant received.
type Request struct {
	Time      time.Time // of arrival
	Operation Operation // empty for an unknown path or method
	Method    string
	Path      string // as sent
	Query     string // as sent
	Header    http.Header
	Body      string        // the first 1,024 bytes read from the body
	BodySize  int64         // number of bytes read from the body
	Status    int           // of the response; 0 if the connection was reset instead
	Injected  bool          // a Fault applied
	Duration  time.Duration // until the response was ready
}

const (
	logSize  = 100_000 // least number of requests that a tenant remembers
	bodyKept = 1024    // bytes of a body that a Request keeps
)

// Requests returns the requests of the given operations, or all requests if none is given, in
// the order of arrival. The tenant remembers at least the last 100,000.
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

// record adds a request to the log.
func (s *Server) record(r Request) {
	r.Duration = time.Since(r.Time)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) >= 2*logSize {
		s.requests = append(s.requests[:0], s.requests[logSize:]...)
	}
	s.requests = append(s.requests, r)
}

// An Option configures a [Server]. The order of options has no effect. If an option is
// repeated, the last one wins, except for [WithCustomizers] and [WithInstances].
type Option func(*config)

type config struct {
	clientID, clientSecret string
	customizers            []customizers.Customizer
	count                  int
	instances              []Instance
	instanceCount          int
	tokenLifetime          time.Duration
	scopes                 []string
	limit                  int
	per                    time.Duration
	createStatus           int
	listener               net.Listener
	tls                    bool
	noSocket               bool
}

// WithCustomizers adds customizers. Empty IDs, tenant IDs and times are filled in. If the
// option is repeated, all of them are added.
func WithCustomizers(c ...customizers.Customizer) Option {
	return func(cfg *config) { cfg.customizers = append(cfg.customizers, c...) }
}

// WithCustomizerCount adds n customizers, named customizer-000001 and so on.
func WithCustomizerCount(n int) Option { return func(c *config) { c.count = n } }

// WithCredentials sets the client ID and secret. By default they are random.
func WithCredentials(clientID, clientSecret string) Option {
	return func(c *config) { c.clientID, c.clientSecret = clientID, clientSecret }
}

// WithTokenLifetime sets the lifetime of tokens. The default is 749 seconds, which is typical
// of the service.
func WithTokenLifetime(d time.Duration) Option { return func(c *config) { c.tokenLifetime = d } }

// WithScopes sets the scopes of tokens. The default is sp:connector:read and
// sp:connector:manage. An operation without its scope fails with 403.
func WithScopes(scopes ...string) Option { return func(c *config) { c.scopes = scopes } }

// WithRateLimit allows n requests in any period of length per, for each client ID and API
// version. Further requests fail with 429. The service allows 100 in 10 seconds; by default
// a Server has no limit.
func WithRateLimit(n int, per time.Duration) Option {
	return func(c *config) { c.limit, c.per = n, per }
}

// WithCreateStatus sets the status of a successful create, 200 or 201. The default is 201,
// as in the contract, or 200 under /beta.
func WithCreateStatus(status int) Option { return func(c *config) { c.createStatus = status } }

// WithListener serves on l instead of a free loopback port. It has no effect with
// [WithoutSocket].
func WithListener(l net.Listener) Option { return func(c *config) { c.listener = l } }

// WithTLS serves HTTPS, and offers HTTP/2 like the service. The clients of [Server.Client] trust
// the certificate and speak HTTP/1.1, as a client of [customizers.New] does. Other clients must
// trust [Server.Certificate], which is for 127.0.0.1, ::1 and example.com. WithTLS has no effect
// with [WithoutSocket].
func WithTLS() Option { return func(c *config) { c.tls = true } }
