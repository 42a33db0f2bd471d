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
	if hooks.Attempted == nil {
		return next
	}
	return handlerFunc(func(c *Call) (*Response, error) {
		start := time.Now()
		resp, err := next.Do(c)
		hooks.Attempted(c, resp, failureOf(c, err), time.Since(start))
		return resp, err
	})
}

// status makes an error of a response that is not a success, and of a failure to get one.
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

// StatusError returns the error of a response that is not a success.
func StatusError(c *Call, resp *Response) *Error {
	return &Error{Call: c, Response: resp, Attempts: c.Attempt, RetryAfter: retryAfter(resp.Header, time.Now())}
}

// MaxErrorBody bounds the body of a response that is not a success.
const MaxErrorBody = 64 << 10

const (
	maxBody = 16 << 20 // a page of 250 records has some 60 KiB

	stallAfter      = 2 * time.Minute // without a byte in either direction
	errorStallAfter = 5 * time.Second // the same for the body of an error, which the status explains too
)

var (
	errTooLarge = fmt.Errorf("the body is larger than %d MiB", maxBody>>20)
	errStalled  = fmt.Errorf("nothing came for %v", stallAfter)
	errTimeout  = errors.New("the HTTP client's Timeout ended the attempt")
)

// wire sends a request and reads the response, whatever it is, within bounds. A response
// whose body can't be read is returned with the error.
//
// It is the transport's RoundTrip, not an http.Client's Do, because redirects are not
// followed and cookies not kept.
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
		if body == nil { // of a transport that is not net/http's
			body = http.NoBody
		}
		defer func() { _ = body.Close() }()
		r := &Response{Response: resp, Call: c, Attempts: c.Attempt}
		if resp.StatusCode/100 != 2 {
			r.Data, _ = io.ReadAll(io.LimitReader(w.guardResponse(body, errorStallAfter), MaxErrorBody))
			return r, nil // the status says what matters
		}
		length := resp.ContentLength
		if c.Request.Method == http.MethodHead {
			length = 0
		}
		r.Data, err = readBounded(w.guardResponse(body, stallAfter), length)
		if err != nil && !errors.Is(err, errTooLarge) {
			err = w.cause(&ConnectionError{fmt.Errorf("the body broke off after %d bytes: %w", len(r.Data), err)})
		}
		return r, err
	})
}

// readBounded reads a body of at most maxBody bytes; length is its length, or -1. It reads to
// the end, so that net/http can use the connection again.
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
	ctx      context.Context //nolint:containedctx // of the one attempt that it watches
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	response guarded
}

func newWatchdog(ctx context.Context) *watchdog {
	ctx, cancel := context.WithCancelCause(ctx)
	return &watchdog{ctx: ctx, cancel: cancel, timer: time.AfterFunc(stallAfter, func() { cancel(errStalled) })}
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// guardRequest returns the call's request with the watchdog's context. A body in memory
// stays as it is, because net/http then sends it in one write with the header.
func (w *watchdog) guardRequest(c *Call) *http.Request {
	req := c.Request.WithContext(w.ctx)
	if c.Streamed {
		req.Body = &guarded{req.Body, w, stallAfter}
		if open := req.GetBody; open != nil { // for net/http, after an idle connection was closed
			req.GetBody = func() (io.ReadCloser, error) {
				body, err := open()
				return &guarded{body, w, stallAfter}, err
			}
		}
	}
	return req
}

// guardResponse restarts the timer, and returns the body of a response.
func (w *watchdog) guardResponse(body io.ReadCloser, after time.Duration) io.Reader {
	w.timer.Reset(after)
	w.response = guarded{body, w, after}
	return &w.response
}

// cause returns err, or what ended the attempt: the call's context, or a stall.
func (w *watchdog) cause(err error) error {
	switch {
	case w.ctx.Err() == nil:
		return err
	case context.Cause(w.ctx) == errStalled, context.Cause(w.ctx) == errTimeout: //nolint:errorlint // not one that the caller's cause wraps
		return &ConnectionError{context.Cause(w.ctx)}
	}
	return contextError(w.ctx)
}

// guarded is a body whose reads restart the watchdog's timer. Once the attempt is over it
// returns an error: net/http may still be reading, but the archive is the caller's again.
type guarded struct {
	io.ReadCloser

	watchdog *watchdog
	after    time.Duration
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.watchdog.ctx.Err() != nil {
		return 0, context.Cause(g.watchdog.ctx)
	}
	n, err := g.ReadCloser.Read(p)
	if n > 0 && err == nil && g.watchdog.ctx.Err() == nil {
		g.watchdog.timer.Reset(g.after)
	}
	return n, err
}
