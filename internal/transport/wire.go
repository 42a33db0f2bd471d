package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// observe reports each attempt to the hooks.
func observe(next Handler, hooks Hooks) Handler {
	if hooks.OnAttempt == nil {
		return next
	}
	return handlerFunc(func(c *Call) (*Response, error) {
		start := time.Now()
		resp, err := next.Do(c)
		hooks.OnAttempt(c, resp, failureOf(c, err), time.Since(start))
		return resp, err
	})
}

// status turns a failed attempt, or a response that is not 2xx, into an [*Error].
func status(next Handler) Handler {
	return handlerFunc(func(c *Call) (*Response, error) {
		resp, err := next.Do(c)
		if err == nil && resp.StatusCode/100 == 2 {
			return resp, nil
		}
		if err == nil {
			return resp, StatusError(c, resp)
		}
		return resp, &Error{Call: c, Response: resp, Err: err, Attempts: c.Attempt}
	})
}

// StatusError returns the error for a response that is not 2xx.
func StatusError(c *Call, resp *Response) *Error {
	return &Error{Call: c, Response: resp, Attempts: c.Attempt, RetryAfter: retryAfter(resp.Header, time.Now())}
}

// MaxErrorBody is the maximum number of bytes read from the body of a response that is not 2xx.
const MaxErrorBody = 64 << 10

const (
	maxBody = 16 << 20 // a page of 250 records has about 60 KiB

	silentAfter      = 60 * time.Second // without any response, if the request can be repeated
	stallAfter       = 2 * time.Minute  // without a byte in either direction
	errorBodyTimeout = 5 * time.Second  // for all of an error's body, which matters less than its status
)

// Errors that end an attempt.
var (
	errTimeout  = errors.New("the attempt took longer than the Timeout of the HTTP client")
	errReplayed = errors.New("the connection failed after the request was sent")
	errStale    = errors.New("the idle connection was closed")
)

// A stallError is how long no byte has moved.
type stallError time.Duration

func (e stallError) Error() string {
	return fmt.Sprintf("no data was sent or received for %v", time.Duration(e))
}

var errTooLarge = fmt.Errorf("the body is larger than %d MiB", maxBody>>20)

// wire sends a request and reads the response, whatever its status, up to a maximum size.
// If the body can't be read, it returns both the response and an error.
//
// It uses the transport, because an http.Client would follow redirects and keep cookies.
func wire(transport http.RoundTripper, timeout time.Duration) Handler {
	http1 := onlyHTTP1(transport)
	return handlerFunc(func(c *Call) (*Response, error) {
		if c.Context.Err() != nil { // it ended between the wait for a slot or a token and here
			return nil, &ContextError{err: c.Context.Err(), cause: context.Cause(c.Context), notSent: true}
		}
		w := newWatchdog(c, http1)
		defer w.stop()
		if timeout > 0 {
			defer time.AfterFunc(timeout, func() { w.cancel(errTimeout) }).Stop()
		}
		c.sent = true
		resp, err := w.roundTrip(transport) //nolint:bodyclose // closed below
		if err == nil && resp == nil {
			err = errors.New("the transport returned neither a response nor an error")
		}
		if err != nil {
			return nil, w.failure(err)
		}
		body := resp.Body
		if body == nil { // net/http's transport never returns nil, but another may
			body = http.NoBody
		}
		defer func() { _ = body.Close() }()
		r := &Response{Response: resp, Call: c, Attempts: c.Attempt}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols: // its body is the connection, and has no end
			return r, nil
		case resp.StatusCode/100 != 2:
			defer time.AfterFunc(errorBodyTimeout, w.stall).Stop() // not the timer, which an upload that goes on restarts
			r.Data, _ = io.ReadAll(io.LimitReader(body, MaxErrorBody))
			return r, nil // the status is enough
		}
		length := resp.ContentLength
		if c.Request.Method == http.MethodHead {
			length = 0
		}
		r.Data, err = readBounded(w.guardResponse(body), length)
		if err != nil && !errors.Is(err, errTooLarge) {
			err = w.failure(fmt.Errorf("reading the body failed after %d bytes: %w", len(r.Data), err))
		}
		return r, err
	})
}

// readBounded reads a body of at most maxBody bytes; length is its length, or -1. It reads to
// EOF, so that net/http can reuse the connection.
func readBounded(body io.Reader, length int64) ([]byte, error) {
	if length > maxBody {
		return nil, errTooLarge
	}
	var b bytes.Buffer
	b.Grow(int(max(length, 0)) + bytes.MinRead)
	_, err := b.ReadFrom(io.LimitReader(body, maxBody+1))
	if err == nil && b.Len() > maxBody {
		err = errTooLarge
	}
	return b.Bytes(), err
}

// A watchdog follows an attempt on the wire. It cancels an attempt once no byte has moved for
// stallAfter, or once a request that can be repeated has had no response for silentAfter. An
// attempt that makes progress may take any time.
type watchdog struct {
	call     *Call
	http1    bool            // see onlyHTTP1
	ctx      context.Context //nolint:containedctx // of a single attempt
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	trace    httptrace.ClientTrace
	upload   *upload // nil if the body is in memory
	response guardedBody

	mu      sync.Mutex
	limit   time.Duration // of the timer
	addr    string        // of the tenant or its proxy, once a connection was asked for
	got     bool          // whether there is a connection
	writes  int           // how often a header was written
	repeats int           // how often since the address changed
}

func newWatchdog(c *Call, http1 bool) *watchdog {
	w := &watchdog{call: c, http1: http1, limit: stallAfter}
	w.trace = httptrace.ClientTrace{GetConn: w.getConn, GotConn: w.gotConn, WroteHeaders: w.wroteHeaders}
	if c.Idempotent && !c.Streamed {
		w.limit = silentAfter
		w.trace.GotFirstResponseByte = w.gotResponse
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancelCause(c.Context)
	w.ctx = httptrace.WithClientTrace(ctx, &w.trace)
	w.timer = time.AfterFunc(w.limit, w.stall)
	return w
}

func (w *watchdog) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel(stallError(w.limit))
}

// getConn is also called for a request that the caller's transport makes with the same context,
// for example to get a token. That goes to another address.
func (w *watchdog) getConn(addr string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if addr != w.addr {
		w.repeats = 0
	}
	w.addr, w.got = addr, w.writes > 0
}

// gotConn ends the attempt if net/http is about to send the request again. HTTP/2 does so
// after errors that prove nothing, and without end. HTTP/1.1 does so if an idle connection was
// closed, and only if the request may be repeated or nothing was written.
func (w *watchdog) gotConn(httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = true
	switch {
	case w.http1 && w.repeats > 0 && !w.call.Idempotent:
		w.writes, w.repeats = 0, 0
	case w.repeats > 1, w.repeats > 0 && !w.call.Idempotent:
		w.cancel(errReplayed)
	}
	w.restart(w.limit)
}

func (w *watchdog) wroteHeaders() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	w.repeats++
}

// gotResponse notes a response, which proves that the request was sent: over HTTP/2 it may come
// before wroteHeaders is called.
func (w *watchdog) gotResponse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got, w.writes = true, max(w.writes, 1)
	w.limit = stallAfter
	w.restart(w.limit)
}

// restart restarts the timer, unless the attempt has ended.
func (w *watchdog) restart(limit time.Duration) {
	if w.ctx.Err() == nil {
		w.timer.Reset(limit)
	}
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
	if w.upload != nil {
		w.call.bodyRead = w.upload.stop()
	}
}

// request returns the call's request with the watchdog's context. A body is guarded unless it
// is in memory: net/http sends that in one write with the header.
//
// Its GetBody returns no body, because net/http would send the request again without being asked.
func (w *watchdog) request() *http.Request {
	req := w.call.Request.WithContext(w.ctx)
	if hasBody(req) && (w.call.Streamed || req.GetBody == nil || req.Header.Get("Expect") != "") {
		w.upload = newUpload(req.Body, req.GetBody == nil, w)
		req.Body = w.upload
	}
	req.GetBody = nil
	if w.http1 && !w.call.Idempotent {
		req.GetBody = w.nothingWritten
	}
	return req
}

// nothingWritten is the GetBody of a request that HTTP/1.1 may repeat only if it wrote nothing.
func (w *watchdog) nothingWritten() (io.ReadCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = 0 // WroteHeaders means a buffer
	return nil, errStale
}

// onlyHTTP1 reports whether transport is net/http's and speaks only HTTP/1.1. That repeats a
// request that is not idempotent only if it has written nothing to an idle connection.
func onlyHTTP1(transport http.RoundTripper) bool {
	t, ok := transport.(*http.Transport)
	return ok && t.Protocols != nil && !t.Protocols.HTTP2() && !t.Protocols.UnencryptedHTTP2() && len(t.TLSNextProto) == 0
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// guardResponse wraps the body of a response.
func (w *watchdog) guardResponse(body io.Reader) io.Reader {
	w.gotResponse()
	w.response = guardedBody{body, w}
	return &w.response
}

// failure returns the error of an attempt that failed with err.
func (w *watchdog) failure(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	traced, ended := w.addr != "", w.ctx.Err() != nil
	if ended {
		cause := context.Cause(w.ctx)
		if _, stalled := cause.(stallError); !stalled && cause != errTimeout && cause != errReplayed { //nolint:errorlint // the caller's cause may wrap one
			return &ContextError{err: w.ctx.Err(), cause: cause, notSent: traced && !w.got}
		}
		err = cause
	} else if readErr := w.upload.failure(); readErr != nil {
		return fmt.Errorf("reading the request's body failed: %w", readErr)
	}
	f := &ConnectionError{err: err, sent: w.writes > 0}
	// After the end of its context, net/http may return before it has noted that it wrote the header.
	f.notSent = traced && (!w.got || !f.sent && !ended)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		f.err = foreignError{err}
	}
	var refused *ProxyError
	if f.notSent && w.addr != HostPort(w.call.Request.URL) && !errors.As(err, &refused) {
		f.err = fmt.Errorf("no connection through the proxy %s: %w", w.addr, f.err)
	}
	return f
}

// HostPort returns the host and port of a URL.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// A guardedBody restarts the watchdog's timer with each read.
type guardedBody struct {
	io.Reader

	watchdog *watchdog
}

func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if n > 0 && err == nil {
		b.watchdog.restart(stallAfter)
	}
	return n, err
}
