package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
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

	stallAfter      = 2 * time.Minute // without a byte in either direction
	errorStallAfter = 5 * time.Second // without a byte of an error's body, which matters less than its status
)

var (
	errTooLarge = fmt.Errorf("the body is larger than %d MiB", maxBody>>20)
	errStalled  = fmt.Errorf("no data was sent or received for %v", stallAfter)
	errTimeout  = errors.New("the attempt took longer than the Timeout of the HTTP client")
)

// wire sends a request and reads the response, whatever its status, up to a maximum size.
// If the body can't be read, it returns both the response and an error.
//
// It uses the transport, because an http.Client would follow redirects and keep cookies.
func wire(transport http.RoundTripper, timeout time.Duration) Handler {
	return handlerFunc(func(c *Call) (*Response, error) {
		w := newWatchdog(c.Context)
		defer w.stop()
		if timeout > 0 {
			defer time.AfterFunc(timeout, func() { w.cancel(errTimeout) }).Stop()
		}
		c.sent = true
		resp, err := transport.RoundTrip(w.guardRequest(c)) //nolint:bodyclose // closed below
		if err == nil && resp == nil {
			err = errors.New("the transport returned neither a response nor an error")
		}
		if err != nil {
			return nil, w.cause(&ConnectionError{err})
		}
		body := resp.Body
		if body == nil { // net/http's transport never returns nil, but another may
			body = http.NoBody
		}
		defer func() { _ = body.Close() }()
		r := &Response{Response: resp, Call: c, Attempts: c.Attempt}
		if resp.StatusCode/100 != 2 {
			r.Data, _ = io.ReadAll(io.LimitReader(w.guardResponse(body, errorStallAfter), MaxErrorBody))
			return r, nil // the status is enough
		}
		length := resp.ContentLength
		if c.Request.Method == http.MethodHead {
			length = 0
		}
		r.Data, err = readBounded(w.guardResponse(body, stallAfter), length)
		if err != nil && !errors.Is(err, errTooLarge) {
			err = w.cause(&ConnectionError{fmt.Errorf("reading the body failed after %d bytes: %w", len(r.Data), err)})
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
	if length < 0 {
		length = 512
	}
	data := make([]byte, 0, length+1)
	for {
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return data, err
		case len(data) > maxBody:
			return data, errTooLarge
		case len(data) == cap(data):
			data = slices.Grow(data, len(data))
		}
	}
}

// A watchdog cancels an attempt once no byte has moved for stallAfter. An attempt that
// makes progress may take any time.
type watchdog struct {
	ctx      context.Context //nolint:containedctx // of a single attempt
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	response guardedBody
}

func newWatchdog(ctx context.Context) *watchdog {
	ctx, cancel := context.WithCancelCause(ctx)
	return &watchdog{ctx: ctx, cancel: cancel, timer: time.AfterFunc(stallAfter, func() { cancel(errStalled) })}
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// guardRequest returns the call's request with the watchdog's context. It wraps the body
// only if it is streamed: net/http sends a body in memory in one write with the header.
func (w *watchdog) guardRequest(c *Call) *http.Request {
	req := c.Request.WithContext(w.ctx)
	if c.Streamed {
		req.Body = &guardedBody{req.Body, w, stallAfter}
		if open := req.GetBody; open != nil { // net/http calls it if an idle connection was closed
			req.GetBody = func() (io.ReadCloser, error) {
				body, err := open()
				return &guardedBody{body, w, stallAfter}, err
			}
		}
	}
	return req
}

// guardResponse restarts the timer and wraps the body of a response.
func (w *watchdog) guardResponse(body io.ReadCloser, after time.Duration) io.Reader {
	w.timer.Reset(after)
	w.response = guardedBody{body, w, after}
	return &w.response
}

// cause returns the reason if the attempt was cancelled, and otherwise err.
func (w *watchdog) cause(err error) error {
	switch {
	case w.ctx.Err() == nil:
		return err
	case context.Cause(w.ctx) == errStalled, context.Cause(w.ctx) == errTimeout: //nolint:errorlint // the caller's cause may wrap either
		return &ConnectionError{context.Cause(w.ctx)}
	}
	return contextError(w.ctx)
}

// A guardedBody restarts the watchdog's timer with each read. After the attempt, reads fail:
// net/http may still be reading, but the caller may use the archive again.
type guardedBody struct {
	io.ReadCloser

	watchdog *watchdog
	after    time.Duration
}

func (b *guardedBody) Read(p []byte) (int, error) {
	if b.watchdog.ctx.Err() != nil {
		return 0, context.Cause(b.watchdog.ctx)
	}
	n, err := b.ReadCloser.Read(p)
	if n > 0 && err == nil && b.watchdog.ctx.Err() == nil {
		b.watchdog.timer.Reset(b.after)
	}
	return n, err
}
