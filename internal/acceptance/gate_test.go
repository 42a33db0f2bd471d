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

// A gate is a tenant that holds requests up until a test lets them go.
type gate struct {
	tenant *customizerstest.Server
	env    []string // of a user of the tenant

	held    chan struct{} // closed when a request is held up
	opened  chan struct{}
	holdOne sync.Once
	openOne sync.Once
}

// newGate starts a tenant before which hold stands. It calls wait to hold a request up.
func newGate(t *testing.T, hold func(r *http.Request, wait func()), opts ...customizerstest.Option) *gate {
	t.Helper()
	g := &gate{held: make(chan struct{}), opened: make(chan struct{})}
	opts = append(opts, customizerstest.WithoutSocket(), customizerstest.WithRateLimit(0, 0))
	g.tenant = customizerstest.NewServer(opts...)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hold(r, g.wait)
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
	g.holdOne.Do(func() { close(g.held) })
	<-g.opened
}

func (g *gate) open() { g.openOne.Do(func() { close(g.opened) }) }

// holdThirdList holds up the third page of a list.
func holdThirdList() func(*http.Request, func()) {
	var lists atomic.Int32
	return func(r *http.Request, wait func()) {
		if r.Method == http.MethodGet && lists.Add(1) == 3 {
			wait()
		}
	}
}

// halfway reads half of a body, and the rest after wait.
type halfway struct {
	io.ReadCloser
	left int64
	wait func()
}

func (h *halfway) Read(p []byte) (int, error) {
	if h.left <= 0 {
		h.wait()
		return h.ReadCloser.Read(p)
	}
	n, err := h.ReadCloser.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}
