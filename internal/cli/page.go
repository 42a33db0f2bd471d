package cli

import (
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/internal/config"
)

//go:embed page.html
var pageHTML string

// handler serves the tenant, and a page for people beside it.
func (s *sandbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.tenant)
	mux.Handle("GET /{$}", onLoopback(s.servePage))
	mux.Handle("GET /_sandbox/state", onLoopback(s.serveState))
	return mux
}

// onLoopback refuses requests for another host name than this machine's: a page from
// elsewhere that has its name point here must not read the credentials.
func onLoopback(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !config.IsLoopback(strings.Trim(host, "[]")) {
			http.Error(w, "The sandbox answers on a loopback address only.", http.StatusForbidden)
			return
		}
		h(w, r)
	})
}

func (s *sandbox) servePage(w http.ResponseWriter, _ *http.Request) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+
		"'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(strings.ReplaceAll(pageHTML, "{{nonce}}", nonce)))
}

// A pageState is what the page shows.
type pageState struct {
	URL          string            `json:"url"`
	ClientID     string            `json:"clientID"`
	ClientSecret string            `json:"clientSecret"`
	Rate         string            `json:"rate"`
	Limited      bool              `json:"limited"`
	Used         int               `json:"used"` // of the rate, in the period that ends now
	Total        int               `json:"total"`
	Customizers  []shownCustomizer `json:"customizers"` // the newest first, at most maxShown
	Requests     []shownRequest    `json:"requests"`    // the newest first
	Faults       []string          `json:"faults"`
}

type shownCustomizer struct {
	customizers.Customizer

	Versions []customizerstest.Version `json:"versions"` // the newest first
}

type shownRequest struct {
	Time     time.Time `json:"time"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	Status   int       `json:"status"`
	Millis   float64   `json:"millis"`
	Injected bool      `json:"injected"`
}

const maxShown = 200

func (s *sandbox) serveState(w http.ResponseWriter, _ *http.Request) {
	all := s.tenant.Customizers()
	st := pageState{
		URL: s.tenant.URL, ClientID: s.tenant.ClientID, ClientSecret: s.tenant.ClientSecret,
		Rate: s.rate(), Limited: s.limit > 0, Total: len(all), Faults: []string{},
		Customizers: []shownCustomizer{},
	}
	for i := len(all) - 1; i >= 0 && len(st.Customizers) < maxShown; i-- {
		shown := shownCustomizer{Customizer: all[i], Versions: []customizerstest.Version{}}
		versions := s.tenant.Versions(all[i].ID)
		for j := len(versions) - 1; j >= 0; j-- {
			shown.Versions = append(shown.Versions, versions[j])
		}
		st.Customizers = append(st.Customizers, shown)
	}
	st.Requests, st.Used = s.recent.shown(s.per)
	for _, f := range s.tenant.Faults() {
		st.Faults = append(st.Faults, faultText(f))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(st) //nolint:gosec // the sandbox's own secret, to paste
}

// recent keeps the last requests.
type recent struct {
	mu   sync.Mutex
	last []customizerstest.Request // oldest first
}

const (
	maxRecent   = 5000 // enough to count those of a period
	shownRecent = 50
)

func (r *recent) add(req customizerstest.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.last) == 2*maxRecent {
		r.last = append(r.last[:0], r.last[maxRecent:]...)
	}
	r.last = append(r.last, req)
}

// shown returns the last requests, the newest first, and how many of those in the
// period that ends now count against the rate limit.
func (r *recent) shown(per time.Duration) (out []shownRequest, used int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out = []shownRequest{}
	for i := len(r.last) - 1; i >= 0; i-- {
		req := r.last[i]
		fresh := time.Since(req.Time) < per
		if len(out) >= shownRecent && !fresh {
			break
		}
		if fresh && req.Operation != customizerstest.Token && req.Operation != customizerstest.Info &&
			req.Status != http.StatusTooManyRequests && req.Status != http.StatusUnauthorized {
			used++
		}
		if len(out) < shownRecent {
			path := req.Path
			if req.Query != "" {
				path += "?" + req.Query
			}
			out = append(out, shownRequest{
				Time: req.Time, Method: req.Method, Path: path, Status: req.Status,
				Millis: float64(req.Duration.Microseconds()) / 1000, Injected: req.Injected,
			})
		}
	}
	return out, used
}
