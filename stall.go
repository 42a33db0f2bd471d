package customizers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// stallAfter is how long a try may go without a byte taken of its body or received.
	stallAfter = 2 * time.Minute
	// explainWithin is the same for a body that only explains an error.
	explainWithin = 5 * time.Second
)

var errStalled = fmt.Errorf("nothing came for %v", stallAfter)

// A watch cuts a try that stalls, without a bound on how long one may take that goes
// on: it ends the try's context when neither body has moved for stallAfter.
type watch struct {
	timer    *time.Timer
	stop     context.CancelCauseFunc
	ctx      context.Context //nolint:containedctx // of the one try that it watches
	response moving          // its body
}

// watched returns req as it is to be sent, and the watch over it.
func watched(req *http.Request) (*http.Request, *watch) {
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{ctx: ctx, stop: cancel}
	w.timer = time.AfterFunc(stallAfter, func() { cancel(errStalled) })
	req = req.WithContext(ctx)
	// net/http sends a body that is in memory in one write with the header, when it can
	// tell that it is one.
	if archive, ok := req.Body.(archiveBody); ok {
		req.Body = &moving{archive, w, stallAfter}
		if open := req.GetBody; open != nil { // net/http does, when an idle connection turns out to be closed
			req.GetBody = func() (io.ReadCloser, error) {
				body, err := open()
				return &moving{body, w, stallAfter}, err
			}
		}
	}
	return req, w
}

// over is body as it is to be read, with how long it may go without a byte.
func (w *watch) over(body io.ReadCloser, after time.Duration) *moving {
	w.timer.Reset(after)
	w.response = moving{body, w, after}
	return &w.response
}

// end ends the watch, and what is left of the try with it.
func (w *watch) end() {
	w.timer.Stop()
	w.stop(nil)
}

// cause is err, or what ended the try: the end of the call's context, or a stall.
func (w *watch) cause(err error) error {
	switch {
	case err == nil || w.ctx.Err() == nil:
		return err
	case context.Cause(w.ctx) == errStalled: //nolint:errorlint // not one that a caller's cause wraps
		return errStalled
	}
	return endOf(w.ctx)
}

// moving is a body whose reads tell the watch that the try goes on. When that is over
// it reads no more: net/http may still be sending, and the archive is the caller's again.
type moving struct {
	io.ReadCloser
	w     *watch
	after time.Duration
}

func (m *moving) Read(p []byte) (int, error) {
	if m.w.ctx.Err() != nil {
		return 0, context.Cause(m.w.ctx)
	}
	n, err := m.ReadCloser.Read(p)
	if n > 0 && m.w.ctx.Err() == nil {
		m.w.timer.Reset(m.after)
	}
	return n, err
}
