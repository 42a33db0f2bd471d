package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// An attempt that ends waits so long for a read in progress. The caller may use the reader
// again afterwards, but a read that blocks must not delay the end of the call.
const maxReadWait = 10 * time.Millisecond

// An upload is the body of a request. Each read restarts the watchdog's timer. After the
// attempt, reads fail.
type upload struct {
	body     io.ReadCloser
	once     bool // whether the body can't be opened again
	watchdog *watchdog
	turn     chan struct{} // held during a read

	mu      sync.Mutex
	started bool
	err     error // of the body, other than io.EOF
}

func newUpload(body io.ReadCloser, once bool, w *watchdog) *upload {
	return &upload{body: body, once: once, watchdog: w, turn: make(chan struct{}, 1)}
}

func (u *upload) Read(p []byte) (int, error) {
	ctx := u.watchdog.ctx
	select {
	case u.turn <- struct{}{}:
		defer func() { <-u.turn }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	u.note(nil)
	n, err := read(u.body, p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.note(err)
	}
	if n > 0 {
		u.watchdog.restart(stallAfter)
	}
	return n, err
}

// note notes that reading has begun, and its first error.
func (u *upload) note(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.started, u.err = true, cmp.Or(u.err, err)
}

// read reads into p. A panic is an error, because it would end the program: nothing above
// recovers from it.
func read(r io.Reader, p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil { // of a user's reader, or its n is out of range
			n, err = 0, fmt.Errorf("the reader panicked: %v", v)
		}
	}()
	n, err = r.Read(p)
	return len(p[:n]), err
}

// Close does nothing, because the body may be needed for a retry: see stop.
func (u *upload) Close() error { return nil }

// stop closes the body, unless it was not read and can't be opened again: a retry may read it.
// It is called after the watchdog's context has ended. It reports whether the body was read.
func (u *upload) stop() bool {
	timer := time.NewTimer(maxReadWait)
	defer timer.Stop()
	select {
	case u.turn <- struct{}{}: // and no read begins any more
	case <-timer.C:
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.started || !u.once {
		_ = u.body.Close()
	}
	return u.started
}

// failure returns the error of the body, or nil.
func (u *upload) failure() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// roundTrip sends the request. With an upload, it does so in a goroutine of its own and returns
// when the context ends: net/http would wait for a read of the body, which may block.
func (w *watchdog) roundTrip(transport http.RoundTripper) (*http.Response, error) {
	req := w.request()
	if w.upload == nil {
		return transport.RoundTrip(req)
	}
	type result struct {
		resp     *http.Response
		err      error
		panicked any
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			r.panicked = recover()
			done <- r
		}()
		r.resp, r.err = transport.RoundTrip(req) //nolint:bodyclose // the caller's
	}()
	var r result
	select {
	case r = <-done:
	case <-w.ctx.Done():
		timer := time.NewTimer(maxReadWait)
		defer timer.Stop()
		select {
		case r = <-done:
		case <-timer.C:
			go func() {
				if late := <-done; late.resp != nil && late.resp.Body != nil {
					_ = late.resp.Body.Close()
				}
			}()
			return nil, context.Cause(w.ctx)
		}
	}
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.resp, r.err
}
