package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	chunkSize = 64 << 10
	// An attempt that ends waits so long for a read in progress. The caller may use the reader
	// again afterwards, but a read that blocks must not delay the end of the call.
	maxReadWait = 10 * time.Millisecond
)

// An upload is the body of a request, read in a goroutine of its own: a read may block for
// longer than the attempt, and net/http would wait for it. Each read restarts the watchdog's
// timer. After the attempt, reads fail.
type upload struct {
	body     io.ReadCloser
	once     bool // whether the body can't be opened again
	watchdog *watchdog
	free     chan []byte
	chunks   chan chunk
	done     chan struct{} // closed when the goroutine ends
	current  chunk         // being sent
	sent     int           // number of its bytes

	mu      sync.Mutex
	started bool
	err     error // of the body, other than io.EOF
}

type chunk struct {
	data []byte
	err  error
}

// newUpload returns an upload that reads nothing before it is read itself.
func newUpload(body io.ReadCloser, once bool, w *watchdog) *upload {
	return &upload{body: body, once: once, watchdog: w, free: make(chan []byte, 2), chunks: make(chan chunk, 2), done: make(chan struct{})}
}

func (u *upload) Read(p []byte) (int, error) {
	ctx := u.watchdog.ctx
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	u.start()
	if u.sent == len(u.current.data) {
		if u.current.err != nil {
			return 0, u.current.err
		}
		if u.current.data != nil {
			u.free <- u.current.data[:cap(u.current.data)]
		}
		select {
		case u.current = <-u.chunks:
			u.sent = 0
		case <-ctx.Done():
			u.current = chunk{}
			return 0, context.Cause(ctx)
		}
	}
	n := copy(p, u.current.data[u.sent:])
	if u.sent += n; n > 0 {
		u.watchdog.restart(stallAfter)
	}
	if u.sent == len(u.current.data) {
		return n, u.current.err
	}
	return n, nil
}

// Close does nothing, because the body may be needed for a retry: see stop.
func (u *upload) Close() error { return nil }

// start starts the goroutine, unless it was started. After the attempt, that reads nothing.
func (u *upload) start() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.started {
		u.started = true
		u.free <- make([]byte, chunkSize)
		u.free <- make([]byte, chunkSize)
		go u.readBody()
	}
}

func (u *upload) readBody() {
	defer close(u.done)
	ctx := u.watchdog.ctx
	for {
		var c chunk
		select {
		case c.data = <-u.free:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return
		}
		c.data, c.err = read(u.body, c.data)
		if c.err != nil && !errors.Is(c.err, io.EOF) {
			u.mu.Lock()
			u.err = c.err
			u.mu.Unlock()
		}
		u.chunks <- c // has room for both buffers
		if c.err != nil {
			return
		}
	}
}

// read reads into p and returns the part that was read. A panic is an error, because it would
// end the program: nothing above recovers from it.
func read(r io.Reader, p []byte) (data []byte, err error) {
	defer func() {
		if v := recover(); v != nil { // of a user's reader, or its n is out of range
			err = fmt.Errorf("the reader panicked: %v", v)
		}
	}()
	n, err := r.Read(p)
	return p[:n], err
}

// stop closes the body, unless it was not read and can't be opened again: a retry may read it.
// It is called after the watchdog's context has ended. It reports whether the body was read.
func (u *upload) stop() bool {
	u.mu.Lock()
	started := u.started
	u.mu.Unlock()
	if started {
		timer := time.NewTimer(maxReadWait)
		defer timer.Stop()
		select {
		case <-u.done:
		case <-timer.C:
		}
	}
	if started || !u.once {
		_ = u.body.Close()
	}
	return started
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
