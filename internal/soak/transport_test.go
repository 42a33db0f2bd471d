package soak

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// tagHeader carries the tag of the call that a request is for, so that the tenant's
// log tells the tries of each call.
const tagHeader = "X-Soak-Call"

// A call is one call of the SDK, as its transport sees it. Requests for tokens are
// left out.
type call struct {
	tag string

	mu       sync.Mutex
	start    time.Time
	sent     int // tries
	answered int // tries for which the header of an answer came
	trace    []string
}

type callKey struct{}

func newCall(ctx context.Context, tag string) (context.Context, *call) {
	c := &call{tag: tag, start: time.Now()}
	return context.WithValue(ctx, callKey{}, c), c
}

func (c *call) note(format string, args ...any) {
	c.trace = append(c.trace, fmt.Sprintf("%v ", time.Since(c.start).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func (c *call) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	c.note("sent")
}

func (c *call) end(resp *http.Response, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.note("%v", err)
		return
	}
	c.answered++
	c.note("answer %d", resp.StatusCode)
}

func (c *call) tries() (sent, answered int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.answered
}

func (c *call) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tag + " [" + strings.Join(c.trace, "; ") + "]"
}

// A tagger tags requests with their call, and counts bodies that are not closed.
type tagger struct {
	next   *http.Transport
	bodies *atomic.Int64
}

func (t *tagger) CloseIdleConnections() { t.next.CloseIdleConnections() }

func (t *tagger) RoundTrip(req *http.Request) (*http.Response, error) {
	c, _ := req.Context().Value(callKey{}).(*call)
	if strings.HasPrefix(req.URL.Path, "/oauth/") {
		c = nil
	}
	if c != nil {
		req = req.Clone(req.Context())
		req.Header.Set(tagHeader, c.tag)
		c.begin()
	}
	resp, err := t.next.RoundTrip(req)
	if c != nil {
		c.end(resp, err)
	}
	if err == nil {
		t.bodies.Add(1)
		resp.Body = &body{ReadCloser: resp.Body, closed: sync.OnceFunc(func() { t.bodies.Add(-1) })}
	}
	return resp, err
}

type body struct {
	io.ReadCloser
	closed func()
}

func (b *body) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}
