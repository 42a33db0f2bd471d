package customizers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// stallAfter is how long a try may go without a byte sent or received.
const stallAfter = 2 * time.Minute

var errStalled = fmt.Errorf("nothing came for %v", stallAfter)

// A watch cuts a try that stalls, without a bound on how long one may take that goes
// on: it ends the try's context when neither body has moved for stallAfter.
type watch struct {
	timer *time.Timer
	stop  context.CancelFunc
	ctx   context.Context //nolint:containedctx // of the one try that it watches
}

// watched returns req as it is to be sent, and the watch over it.
func watched(req *http.Request) (*http.Request, *watch) {
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{ctx: ctx, stop: func() { cancel(context.Canceled) }}
	w.timer = time.AfterFunc(stallAfter, func() { cancel(errStalled) })
	req = req.WithContext(ctx)
	if req.Body != nil {
		req.Body = &moving{req.Body, w}
	}
	return req, w
}

// end ends the watch, and what is left of the try with it.
func (w *watch) end() {
	w.timer.Stop()
	w.stop()
}

// cause is err, or errStalled when that is what ended the try.
func (w *watch) cause(err error) error {
	if err != nil && context.Cause(w.ctx) == errStalled { //nolint:errorlint // it is not wrapped
		return errStalled
	}
	return err
}

// moving is a body whose reads tell the watch that the try goes on. When that is over
// it reads no more: net/http may still be sending, and the archive is the caller's again.
type moving struct {
	io.ReadCloser
	w *watch
}

func (m *moving) Read(p []byte) (int, error) {
	if m.w.ctx.Err() != nil {
		return 0, context.Cause(m.w.ctx)
	}
	n, err := m.ReadCloser.Read(p)
	if n > 0 {
		m.w.timer.Reset(stallAfter)
	}
	return n, err
}
