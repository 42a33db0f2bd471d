package acceptance

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/connector-customizers/customizers/customizerstest"
)

// A gate is a tenant that blocks chosen requests until the test calls open.
type gate struct {
	tenant *customizerstest.Server
	env    []string // of a user of the tenant

	blocked   chan struct{} // closed once a request is blocked
	opened    chan struct{}
	blockOnce sync.Once
	openOnce  sync.Once
}

// newGate starts a gate. It passes every request to intercept first, which may call wait to
// block the request until open is called.
func newGate(t *testing.T, intercept func(r *http.Request, wait func()), opts ...customizerstest.Option) *gate {
	t.Helper()
	g := &gate{blocked: make(chan struct{}), opened: make(chan struct{})}
	opts = append(opts, customizerstest.WithoutSocket(), customizerstest.WithRateLimit(0, 0))
	g.tenant = customizerstest.NewServer(opts...)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		intercept(r, g.wait)
		g.tenant.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		g.open()
		srv.Close()
		g.tenant.Close()
	})
	g.tenant.URL = srv.URL
	g.env = environ(t.TempDir(), "SAIL_BASE_URL="+srv.URL,
		"SAIL_CLIENT_ID="+g.tenant.ClientID, "SAIL_CLIENT_SECRET="+g.tenant.ClientSecret)
	return g
}

func (g *gate) wait() {
	g.blockOnce.Do(func() { close(g.blocked) })
	<-g.opened
}

func (g *gate) open() { g.openOnce.Do(func() { close(g.opened) }) }

// blockThirdPage returns a function for newGate that blocks the third page of a list.
func blockThirdPage() func(*http.Request, func()) {
	var lists atomic.Int32
	return func(r *http.Request, wait func()) {
		if r.Method == http.MethodGet && lists.Add(1) == 3 {
			wait()
		}
	}
}

// A splitBody returns the first left bytes of a body, and the rest after wait.
type splitBody struct {
	io.ReadCloser
	left int64
	wait func()
}

func (h *splitBody) Read(p []byte) (int, error) {
	if h.left <= 0 {
		h.wait()
		return h.ReadCloser.Read(p)
	}
	n, err := h.ReadCloser.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}
