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

// tagHeader has the tag of the call that a request belongs to. It identifies the attempts of a
// call in the tenant's log.
const tagHeader = "X-Soak-Call"

// A call records the attempts of one call of the SDK, without token requests.
type call struct {
	tag string

	mu        sync.Mutex
	start     time.Time
	sent      int // attempts
	responses int // attempts with a response header
	trace     []string
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
	c.responses++
	c.note("response %d", resp.StatusCode)
}

func (c *call) attempts() (sent, responses int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.responses
}

func (c *call) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tag + " [" + strings.Join(c.trace, "; ") + "]"
}

// A tagger adds the tag of their call to requests and counts open response bodies.
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
		resp.Body = &body{ReadCloser: resp.Body, onClose: sync.OnceFunc(func() { t.bodies.Add(-1) })}
	}
	return resp, err
}

type body struct {
	io.ReadCloser
	onClose func()
}

func (b *body) Close() error {
	b.onClose()
	return b.ReadCloser.Close()
}
