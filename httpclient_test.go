package customizers_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func TestDefaultTransport(t *testing.T) {
	t.Parallel()
	transport, ok := customizers.DefaultTransport().(*http.Transport)
	require.True(t, ok)
	assert.GreaterOrEqual(t, transport.TLSClientConfig.MinVersion, uint16(tls.VersionTLS12))
	assert.Equal(t, int64(1<<20), transport.MaxResponseHeaderBytes)
	assert.NotNil(t, transport.Proxy)
	assert.Positive(t, transport.ExpectContinueTimeout)
	assert.LessOrEqual(t, transport.IdleConnTimeout, 30*time.Second)
	assert.Equal(t, transport.MaxIdleConns, transport.MaxIdleConnsPerHost)
	assert.NotSame(t, http.DefaultTransport, transport)
	assert.Same(t, transport, customizers.DefaultTransport(), "shared")
}

// Whatever http.DefaultTransport is when a client is made is used: a mock, another transport, or
// again the first one.
func TestDefaultTransportIsTheUsers(t *testing.T) { // not parallel: it changes http.DefaultTransport
	original, own := http.DefaultTransport, customizers.DefaultTransport()
	t.Cleanup(func() { http.DefaultTransport = original })

	wire := newScript(respond(200, "[]"))
	http.DefaultTransport = wire
	require.NoError(t, list(t.Context(), newClient(t, "acme", customizers.TokenSource(static("t")))))
	assert.Len(t, wire.requests, 1)

	another := &http.Transport{IdleConnTimeout: time.Second, MaxIdleConnsPerHost: 7, Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("its own proxy") }}
	http.DefaultTransport = another
	require.ErrorContains(t, list(t.Context(), newClient(t, "acme", customizers.TokenSource(static("t")), quick)), "its own proxy")
	copied := customizers.DefaultTransport()
	assert.NotSame(t, own, copied)
	assert.Same(t, copied, customizers.DefaultTransport(), "shared")
	assert.Equal(t, time.Second, copied.(*http.Transport).IdleConnTimeout)
	assert.Equal(t, 7, copied.(*http.Transport).MaxIdleConnsPerHost)

	http.DefaultTransport = original
	assert.Same(t, own, customizers.DefaultTransport())
}

// DefaultTransport never speaks HTTP/2, even if it copies a transport that has done so.
func TestDefaultTransportSpeaksHTTP1(t *testing.T) { // not parallel: it changes http.DefaultTransport
	var protocols []string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols = append(protocols, r.Proto)
		_, _ = io.WriteString(w, "[]")
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	original := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = original })
	for _, used := range []bool{false, true} {
		users := original.(*http.Transport).Clone()
		users.TLSClientConfig = &tls.Config{RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
		t.Cleanup(users.CloseIdleConnections)
		http.DefaultTransport, protocols = users, nil
		want := []string{"HTTP/1.1", "HTTP/1.1"}
		if used {
			resp, err := http.Get(srv.URL)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			want = append([]string{"HTTP/2.0"}, want...)
		}
		for _, opt := range []customizers.Option{quick, customizers.WithHTTPClient(&http.Client{Timeout: time.Minute})} {
			require.NoError(t, list(testContext(t), newClient(t, srv.URL, customizers.TokenSource(static("t")), opt)))
		}
		assert.Equal(t, want, protocols)
		customizers.DefaultTransport().(*http.Transport).CloseIdleConnections()
	}
}

// A dialer of http.DefaultTransport's own negotiates the protocol, so that is the one to speak.
func TestDefaultTransportWithATLSDialer(t *testing.T) { // not parallel: it changes http.DefaultTransport
	original := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = original })
	for _, want := range []string{"h2", "http/1.1"} {
		srv := newServer(t, withOne(), customizerstest.WithTLS())
		config := &tls.Config{RootCAs: x509.NewCertPool(), NextProtos: []string{want}}
		config.RootCAs.AddCert(srv.Certificate())
		http.DefaultTransport = &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: (&tls.Dialer{Config: config}).DialContext}
		c := newClient(t, srv.URL, customizers.ClientCredentials(srv.ClientID, srv.ClientSecret), quick)
		require.NoError(t, operations[0].call(testContext(t), c), want)
		require.NoError(t, operations[4].call(testContext(t), c), want)
		customizers.DefaultTransport().(*http.Transport).CloseIdleConnections()
	}
}

func TestCallersHTTPClientIsNotChanged(t *testing.T) {
	t.Parallel()
	h := &http.Client{}
	newClient(t, "acme", customizers.TokenSource(static("t")), customizers.WithHTTPClient(h))
	assert.Equal(t, &http.Client{}, h)
}

// The Timeout limits each attempt. If it ends a create, the outcome is unknown.
func TestHTTPClientTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := newScript(hang, respond(200, "[]"))
		c := newClient(t, "acme", customizers.TokenSource(static("t")), customizers.WithHTTPClient(&http.Client{Transport: wire, Timeout: time.Second}))
		require.NoError(t, list(t.Context(), c))
		assert.Len(t, wire.requests, 2)

		wire = newScript(hang)
		c = newClient(t, "acme", customizers.TokenSource(static("t")), customizers.WithHTTPClient(&http.Client{Transport: wire, Timeout: time.Second}))
		_, err := c.Create(t.Context(), customizers.CreateRequest{Name: "n"})
		requireFailure(t, err, customizers.ErrConnection, customizers.ErrOutcomeUnknown)
		assert.Len(t, wire.requests, 1)
	})
}

// No connection is made with less than TLS 1.2.
func TestTLS(t *testing.T) {
	t.Parallel()
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
		srv.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
		srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		transport := customizers.DefaultTransport().(*http.Transport).Clone()
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AddCert(srv.Certificate())
		t.Cleanup(transport.CloseIdleConnections)
		c := newClient(t, srv.URL, customizers.TokenSource(static("token")), quick, customizers.WithHTTPClient(&http.Client{Transport: transport}))
		err := list(testContext(t), c)
		if ok {
			require.NoError(t, err)
		} else {
			requireFailure(t, err, customizers.ErrConnection)
		}
	}
}

// If a proxy refuses to connect, the error names it and its status. The tenant received
// nothing, so the outcome of a create is known. A status of 500 or above is retried.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	for status, attempts := range map[int]int32{400: 1, 403: 1, 404: 1, 407: 1, 500: 4, 502: 4, 503: 4, 504: 4} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			var connects atomic.Int32
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, http.MethodConnect, r.Method)
				connects.Add(1)
				w.WriteHeader(status)
			}))
			t.Cleanup(proxy.Close)
			address, err := url.Parse(proxy.URL)
			require.NoError(t, err)
			address.User = url.UserPassword("user", "hush-hush")
			transport := customizers.DefaultTransport().(*http.Transport).Clone()
			transport.Proxy = http.ProxyURL(address)
			for name, auth := range map[string]customizers.Auth{"token": customizers.ClientCredentials("id", "secret"), "create": customizers.TokenSource(static("token"))} {
				connects.Store(0)
				c := newClient(t, "acme", auth, quick, customizers.WithHTTPClient(&http.Client{Transport: transport}))
				_, err = c.Create(testContext(t), customizers.CreateRequest{Name: "n"})
				requireFailure(t, err, customizers.ErrConnection)
				require.ErrorContains(t, err, fmt.Sprintf("the proxy %s refused to connect: %d", proxy.URL, status), name)
				assert.NotContains(t, err.Error(), "hush-hush")
				assert.Equal(t, attempts, connects.Load(), name)
			}
		})
	}
}

// listen calls serve for each connection that is made to the returned address, and closes it
// afterwards, or when the test ends.
func listen(t *testing.T, serve func(*net.TCPConn)) (address string, connections *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	connections = new(atomic.Int32)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				defer context.AfterFunc(t.Context(), func() { _ = conn.Close() })()
				serve(conn.(*net.TCPConn)) //nolint:forcetypeassert // of a TCP listener
			})
		}
	})
	return l.Addr().String(), connections
}

// readSome reads what has been sent, such as a ClientHello or a CONNECT.
func readSome(c *net.TCPConn) { _, _ = c.Read(make([]byte, 64<<10)) }

func reset(c *net.TCPConn) { _ = c.SetLinger(0) }

func write(s string) func(*net.TCPConn) { return func(c *net.TCPConn) { _, _ = io.WriteString(c, s) } }

// A request for which there was no connection was not sent. It is retried, whatever the error
// and the operation, and its outcome is known.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	const alert = "\x15\x03\x03\x00\x02\x02\x50" // internal_error
	tenant := map[string]func(*net.TCPConn){
		"EOF": func(*net.TCPConn) {}, "reset": reset, "alert": write(alert),
		"silence": func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) },
	}
	proxy := map[string]func(*net.TCPConn){
		"EOF": func(*net.TCPConn) {}, "reset": reset, "half a line": write("HTTP/1.1 2"), "another protocol": write("SSH-2.0-OpenSSH_9.6\r\n"),
		"large header": write("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n"),
		"200, EOF":     write("HTTP/1.1 200 OK\r\n\r\n"),
		"200, alert":   write("HTTP/1.1 200 OK\r\n\r\n" + alert),
		"200, reset":   func(c *net.TCPConn) { write("HTTP/1.1 200 OK\r\n\r\n")(c); readSome(c); reset(c) },
	}
	socks := map[string]func(*net.TCPConn){
		"EOF": func(*net.TCPConn) {},
		"tunnel, EOF": func(c *net.TCPConn) {
			write("\x05\x00")(c)
			readSome(c)
			write("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")(c)
			readSome(c)
		},
		"tunnel, lost": func(c *net.TCPConn) { write("\x05\x00")(c); readSome(c) },
	}
	transports := map[string]func(*http.Transport) http.RoundTripper{
		"default": func(t *http.Transport) http.RoundTripper { return t },
		"wrapped": func(t *http.Transport) http.RoundTripper { return roundTripper(t.RoundTrip) },
		"plain": func(t *http.Transport) http.RoundTripper {
			return &http.Transport{Proxy: t.Proxy, TLSHandshakeTimeout: t.TLSHandshakeTimeout}
		},
	}
	for scheme, faults := range map[string]map[string]func(*net.TCPConn){"": tenant, "http": proxy, "socks5": socks} {
		for fault, serve := range faults {
			for name, wrap := range transports {
				if name != "default" && fault != "EOF" {
					continue
				}
				t.Run(scheme+" "+fault+" "+name, func(t *testing.T) {
					t.Parallel()
					address, connections := listen(t, func(c *net.TCPConn) {
						readSome(c)
						serve(c)
					})
					next := customizers.DefaultTransport().(*http.Transport).Clone()
					next.TLSHandshakeTimeout = 10 * time.Millisecond
					target := "https://" + address
					if scheme != "" {
						target = "acme"
						next.Proxy = http.ProxyURL(&url.URL{Scheme: scheme, Host: address, User: url.UserPassword("user", "hush-hush")})
					}
					c := newClient(t, target, customizers.TokenSource(static("token")), quick, customizers.WithHTTPClient(&http.Client{Transport: wrap(next)}))
					for _, call := range []func() error{
						func() error { return operations[4].call(testContext(t), c) },
						func() error {
							_, err := c.CreateVersion(testContext(t), "one", io.MultiReader(strings.NewReader("once")))
							return err
						},
						func() error {
							req, err := http.NewRequestWithContext(testContext(t), http.MethodPatch, "/beta/x", io.NopCloser(strings.NewReader("once")))
							require.NoError(t, err)
							_, err = c.Do(req)
							return err
						},
					} {
						connections.Store(0)
						err := call()
						e := failure(t, err, customizers.ErrConnection)
						assert.Equal(t, 4, e.Attempts, err)
						assert.EqualValues(t, 4, connections.Load())
						require.NotErrorIs(t, err, context.DeadlineExceeded)
						if scheme != "" {
							require.ErrorContains(t, err, "no connection through the proxy "+address)
							require.NotContains(t, err.Error(), "hush-hush")
						}
					}
				})
			}
		}
	}
}

// What does not speak TLS, or has a certificate that can't be used, fails at once.
func TestNotTLS(t *testing.T) {
	t.Parallel()
	for want, serve := range map[string]func(*net.TCPConn){
		"does not look like a TLS handshake": write("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"negative serial number": func(c *net.TCPConn) {
			cert := certificate(t, big.NewInt(-1))
			_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
		},
		"failed to verify certificate": func(c *net.TCPConn) {
			cert := certificate(t, big.NewInt(1))
			_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			address, connections := listen(t, serve)
			c := newClient(t, "https://"+address, customizers.TokenSource(static("token")), quick)
			err := operations[4].call(testContext(t), c)
			requireFailure(t, err, customizers.ErrConnection)
			require.ErrorContains(t, err, want)
			assert.EqualValues(t, 1, connections.Load())
		})
	}
}

// certificate returns a certificate with a serial number. It is signed by hand if x509 would
// not make it.
func certificate(t *testing.T, serial *big.Int) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	positive := new(big.Int).Abs(serial)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: positive}, &x509.Certificate{}, key.Public(), key)
	require.NoError(t, err)
	if serial.Sign() < 0 { // the signature is not checked
		der = bytes.Replace(der, []byte{2, 1, 1}, []byte{2, 1, 0xff}, 1)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A caller who stops while the connection is being made has sent nothing.
func TestCanceledBeforeTheConnection(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"", "http"} {
		ctx, cancel := context.WithCancel(testContext(t))
		address, _ := listen(t, func(c *net.TCPConn) {
			readSome(c)
			cancel()
			_, _ = io.Copy(io.Discard, c)
		})
		transport := customizers.DefaultTransport().(*http.Transport).Clone()
		target := "https://" + address
		if scheme != "" {
			target, transport.Proxy = "acme", http.ProxyURL(&url.URL{Scheme: scheme, Host: address})
		}
		c := newClient(t, target, customizers.TokenSource(static("token")), quick, customizers.WithHTTPClient(&http.Client{Transport: transport}))
		err := operations[4].call(ctx, c)
		requireFailure(t, err)
		require.ErrorIs(t, err, context.Canceled)
	}
}

// A CONNECT that is never answered is not the end of the caller's context.
func TestProxyThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for op, took := range map[int]time.Duration{0: time.Minute, 4: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			transport := customizers.DefaultTransport().(*http.Transport).Clone()
			transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128", User: url.UserPassword("user", "hush-hush")})
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				conn, silent := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, silent) }()
				return conn, nil
			}
			start := time.Now()
			err := operations[op].call(t.Context(), newClient(t, "acme", customizers.TokenSource(static("token")), noRetry,
				customizers.WithHTTPClient(&http.Client{Transport: transport})))
			requireFailure(t, err, customizers.ErrConnection)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "no connection through the proxy proxy.example:3128: ")
			require.NotContains(t, err.Error(), "hush-hush")
			assert.Equal(t, took, time.Since(start))
		})
	}
}

// dialPipe returns a transport whose connections are pipes, each served by the next of serve, in
// virtual time.
func dialPipe(t *testing.T, serve ...func(net.Conn)) *http.Transport {
	t.Helper()
	transport := customizers.DefaultTransport().(*http.Transport).Clone()
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		if len(serve) == 0 {
			return nil, errors.New("no more connections")
		}
		client, server := net.Pipe()
		go serve[0](server)
		serve = serve[1:]
		return client, nil
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// A connection that dies without a sign costs a call that can be repeated a minute. The retry
// has another connection.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	serve := func(requests int) func(net.Conn) { // the connection dies after so many
		return func(c net.Conn) {
			defer func() { _ = c.Close() }()
			r := bufio.NewReader(c)
			for range requests {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n[{\"id\":\"1\"}]")
			}
			_, _ = io.Copy(io.Discard, r)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, "http://127.0.0.1:1", customizers.TokenSource(static("token")), quick,
			customizers.WithHTTPClient(&http.Client{Transport: dialPipe(t, serve(1), serve(2), serve(2))}))
		require.NoError(t, list(t.Context(), c))
		start := time.Now()
		require.NoError(t, list(t.Context(), c))
		assert.WithinDuration(t, start.Add(time.Minute), time.Now(), time.Second)

		require.NoError(t, list(t.Context(), c))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.ErrorIs(t, list(ctx, c), context.DeadlineExceeded)
		require.NoError(t, list(t.Context(), c), "the end of a call closes its connection")
	})
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, "http://127.0.0.1:1", customizers.TokenSource(static("token")), quick,
			customizers.WithHTTPClient(&http.Client{Transport: dialPipe(t, serve(0), serve(1))}))
		start := time.Now()
		_, err := c.Create(t.Context(), customizers.CreateRequest{Name: "n"})
		requireFailure(t, err, customizers.ErrConnection, customizers.ErrOutcomeUnknown)
		assert.Equal(t, 2*time.Minute, time.Since(start))
	})
}

// A brokenConn breaks as a connection does that the peer has reset: nothing can be written, and
// a read may fail first.
type brokenConn struct {
	net.Conn
	broken, readFails *atomic.Bool
}

func (c brokenConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.broken.Load() {
		err = syscall.ECONNRESET
	}
	return n, err
}

func (c brokenConn) Write(p []byte) (int, error) {
	if !c.broken.Load() {
		return c.Conn.Write(p)
	}
	if c.readFails.Load() {
		_ = c.SetReadDeadline(time.Now())
		time.Sleep(10 * time.Millisecond) // the order does not matter to the test
	}
	return 0, syscall.EPIPE
}

// A request of which nothing could be written to an idle connection was not sent. It is sent
// over another connection, whatever the operation.
func TestIdleConnectionThatIsClosed(t *testing.T) {
	t.Parallel()
	upload := func(archive func() io.Reader) operation {
		return operation{name: customizerstest.CreateVersion, call: func(ctx context.Context, c *customizers.Client) error {
			_, err := c.CreateVersion(ctx, "one", archive())
			return err
		}}
	}
	archive := zipArchive(t)
	ops := append(slices.Clone(allOperations),
		upload(func() io.Reader { return bytes.NewReader(archive) }), upload(func() io.Reader { return io.MultiReader(bytes.NewReader(archive)) }))
	for _, n := range []network{networks[0], networks[1], networks[3]} {
		for i, op := range ops {
			for _, readFails := range []bool{false, true} {
				t.Run(fmt.Sprint(n.name, " ", i, op, readFails), func(t *testing.T) {
					t.Parallel()
					srv := n.newServer(t, withOne())
					transport := n.transport(t, srv.Certificate(), new(atomic.Int64))
					broken, fails := new(atomic.Bool), new(atomic.Bool)
					transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
						conn, err := new(net.Dialer).DialContext(ctx, network, address)
						if broken.Load() {
							return conn, err
						}
						return brokenConn{Conn: conn, broken: broken, readFails: fails}, err
					}
					c := srv.Client(quick, customizers.WithHTTPClient(&http.Client{Transport: transport}))
					_, err := c.Get(testContext(t), "one")
					require.NoError(t, err)
					before := len(srv.Requests())
					fails.Store(readFails)
					broken.Store(true)
					require.NoError(t, op.call(testContext(t), c))
					assert.Len(t, srv.Requests(), before+1)
				})
			}
		}
	}
}

// A transport that makes a request of its own with the same context, for example to get a token,
// does not look like one that repeats the request.
func TestTransportWithRequestsOfItsOwn(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(other.Close)
	for _, n := range networks {
		for _, op := range allOperations {
			t.Run(n.name+" "+op.String(), func(t *testing.T) {
				t.Parallel()
				srv := n.newServer(t, withOne())
				next := n.client(t, srv.Certificate()).Transport
				c := srv.Client(noRetry, customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					own, err := http.NewRequestWithContext(req.Context(), http.MethodGet, other.URL, nil)
					require.NoError(t, err)
					resp, err := other.Client().Transport.RoundTrip(own)
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
					return next.RoundTrip(req)
				})}))
				require.NoError(t, op.call(testContext(t), c))
			})
		}
	}
}

// A response that comes late and byte by byte, its header too, is not a dead connection.
func TestSlowConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const response = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n[{\"id\":\"1\"}]"
		c := newClient(t, "http://127.0.0.1:1", customizers.TokenSource(static("token")), customizers.WithHTTPClient(&http.Client{
			Transport: dialPipe(t, func(c net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(c))
				time.Sleep(40 * time.Second)
				for _, b := range []byte(response) {
					time.Sleep(time.Second)
					_, _ = c.Write([]byte{b})
				}
			}),
		}))
		start := time.Now()
		require.NoError(t, list(t.Context(), c))
		assert.Equal(t, 40*time.Second+time.Duration(len(response))*time.Second, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, "http://127.0.0.1:1", customizers.TokenSource(static("token")), customizers.WithHTTPClient(&http.Client{
			Transport: dialPipe(t, func(c net.Conn) {
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				for err == nil {
					time.Sleep(30 * time.Second)
					_, err = io.CopyN(io.Discard, req.Body, 64<<10)
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"version\":1}")
			}),
		}))
		start := time.Now()
		_, err := c.CreateVersion(t.Context(), "one", bytes.NewReader(make([]byte, 1<<19)))
		require.NoError(t, err)
		assert.Greater(t, time.Since(start), 4*time.Minute)
	})
}

// An http2Server carries out each request that it gets over a connection, and then calls respond
// to write a frame. It is written by hand, because net/http's server does none of this.
func http2Server(t *testing.T, tlsConfig *tls.Config, respond func(w io.Writer, stream []byte)) (address string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	address, _ = listen(t, func(c *net.TCPConn) {
		conn := tls.Server(c, tlsConfig)
		_, _ = io.WriteString(conn, "\x00\x00\x00\x04\x00\x00\x00\x00\x00") // SETTINGS
		if _, err := io.ReadFull(conn, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
			return
		}
		for {
			var header [9]byte
			if _, err := io.ReadFull(conn, header[:]); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, conn, int64(header[1])<<8|int64(header[2])); err != nil {
				return
			}
			if kind, flags := header[3], header[4]; kind <= 1 && flags&1 != 0 { // END_STREAM of DATA or HEADERS
				requests.Add(1)
				respond(conn, header[5:9])
			}
		}
	})
	return address, requests
}

// Over HTTP/2 too an attempt sends a request once, whatever net/http would do: what can't be
// repeated is never sent again, and nothing is sent without end.
func TestHTTP2SendsOnce(t *testing.T) {
	t.Parallel()
	rst := func(code string) func(io.Writer, []byte) {
		return func(w io.Writer, stream []byte) {
			_, _ = io.WriteString(w, "\x00\x00\x04\x03\x00"+string(stream)+"\x00\x00\x00"+code)
		}
	}
	goAway := func(w io.Writer, _ []byte) {
		_, _ = io.WriteString(w, "\x00\x00\x08\x07\x00\x00\x00\x00\x00"+"\x00\x00\x00\x00"+"\x00\x00\x00\x00")
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t, big.NewInt(1))}, NextProtos: []string{"h2"}}
	for name, respond := range map[string]func(io.Writer, []byte){
		"RST_STREAM(PROTOCOL_ERROR)": rst("\x01"), "RST_STREAM(REFUSED_STREAM)": rst("\x07"), "RST_STREAM(INTERNAL_ERROR)": rst("\x02"), "GOAWAY": goAway,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, requests := http2Server(t, config, respond)
			transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			transport.Protocols.SetHTTP2(true)
			t.Cleanup(transport.CloseIdleConnections)
			c := newClient(t, "https://"+address, customizers.TokenSource(static("token")), quick, customizers.WithHTTPClient(&http.Client{Transport: transport}))
			for _, call := range []func() error{
				func() error { return operations[4].call(testContext(t), c) },
				func() error { return operations[5].call(testContext(t), c) },
				func() error {
					_, err := c.CreateVersion(testContext(t), "one", bytes.NewReader(make([]byte, 100)))
					return err
				},
			} {
				requests.Store(0)
				e := failure(t, call(), customizers.ErrConnection, customizers.ErrOutcomeUnknown)
				assert.Equal(t, 1, e.Attempts)
				assert.EqualValues(t, 1, requests.Load())
			}
			requests.Store(0)
			c = newClient(t, "https://"+address, customizers.TokenSource(static("token")), noRetry, customizers.WithHTTPClient(&http.Client{Transport: transport}))
			requireFailure(t, list(testContext(t), c), customizers.ErrConnection)
			assert.LessOrEqual(t, requests.Load(), int32(2), "net/http may repeat it once")
		})
	}
}

// A request that was sent as a whole may have been carried out, however the connection ends.
func TestConnectionEndsAfterTheRequest(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*net.TCPConn){"EOF": func(*net.TCPConn) {}, "reset": reset} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, connections := listen(t, func(c *net.TCPConn) {
				readSome(c)
				end(c)
			})
			c := newClient(t, "http://"+address, customizers.TokenSource(static("token")), quick)
			for i, op := range operations[4:] {
				requireFailure(t, op.call(testContext(t), c), customizers.ErrConnection, customizers.ErrOutcomeUnknown)
				assert.EqualValues(t, i+1, connections.Load())
			}
		})
	}
}
