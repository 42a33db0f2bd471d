package cli

import (
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/internal/config"
)

//go:embed page.html
var pageHTML string

// handler serves the tenant's API and a web page.
func (s *sandbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.logged(s.tenant))
	mux.Handle("GET /{$}", onLoopback(s.servePage))
	mux.Handle("GET /_sandbox/state", onLoopback(s.serveState))
	sameOrigin := http.NewCrossOriginProtection()
	mux.Handle("POST /_sandbox/faults", onLoopback(sameOrigin.Handler(http.HandlerFunc(s.addFault)).ServeHTTP))
	mux.Handle("DELETE /_sandbox/faults", onLoopback(sameOrigin.Handler(http.HandlerFunc(s.deleteFault)).ServeHTTP))
	return mux
}

// onLoopback rejects requests whose Host is not a loopback address. Otherwise another site
// could read the credentials through a DNS name that resolves to this machine.
func onLoopback(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !config.IsLoopback((&url.URL{Host: r.Host}).Hostname()) {
			http.Error(w, "The sandbox serves only loopback addresses.", http.StatusForbidden)
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
	_, _ = strings.NewReplacer("{{nonce}}", nonce, "{{effects}}", html.EscapeString(faultEffects),
		"{{operations}}", "<option>"+strings.Join(faultOperations, "</option><option>")+"</option>").WriteString(w, pageHTML)
}

// A pageState holds the data of the page.
type pageState struct {
	URL          string           `json:"url"`
	ClientID     string           `json:"clientID"`
	ClientSecret string           `json:"clientSecret"`
	Rate         string           `json:"rate"`
	Total        int              `json:"total"`
	Customizers  []pageCustomizer `json:"customizers"` // the newest first, at most maxCustomizers
	Instances    []pageInstance   `json:"instances"`   // the oldest first
	Requests     []pageRequest    `json:"requests"`    // the newest first, at most maxRequests
	Faults       []string         `json:"faults"`      // rules
}

type pageCustomizer struct {
	customizers.Customizer

	Versions []customizerstest.Version `json:"versions"` // the newest first
}

type pageInstance struct {
	customizerstest.Instance

	Customizer string `json:"customizer"` // name of the linked customizer; may be empty
}

type pageRequest struct {
	customizerstest.Request

	Number int // from 0, in the order of arrival
}

const (
	maxCustomizers = 200
	maxRequests    = 50
)

func (s *sandbox) serveState(w http.ResponseWriter, _ *http.Request) {
	all := s.tenant.Customizers()
	st := pageState{
		URL: s.tenant.URL, ClientID: s.tenant.ClientID, ClientSecret: s.tenant.ClientSecret,
		Rate: s.rate(), Total: len(all), Faults: []string{},
		Customizers: []pageCustomizer{}, Instances: []pageInstance{}, Requests: []pageRequest{},
	}
	for _, c := range slices.Backward(all[max(0, len(all)-maxCustomizers):]) {
		versions := append([]customizerstest.Version{}, s.tenant.Versions(c.ID)...)
		slices.Reverse(versions)
		st.Customizers = append(st.Customizers, pageCustomizer{c, versions})
	}
	names := map[string]string{}
	for _, c := range all {
		names[c.ID] = c.Name
	}
	for _, i := range s.tenant.Instances() {
		st.Instances = append(st.Instances, pageInstance{i, names[i.CustomizerID]})
	}
	received := s.tenant.Requests()
	for i, r := range slices.Backward(received[max(0, len(received)-maxRequests):]) {
		st.Requests = append(st.Requests, pageRequest{r, max(0, len(received)-maxRequests) + i})
	}
	for _, f := range s.tenant.Faults() {
		st.Faults = append(st.Faults, faultText(f))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(st) //nolint:gosec // the sandbox's own secret, to paste
}

// addFault adds the fault whose rule is the request's body.
func (s *sandbox) addFault(w http.ResponseWriter, r *http.Request) {
	rule, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "the rule is larger than 1 MiB, or can't be read", http.StatusBadRequest)
		return
	}
	f, err := parseFault(string(rule))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.tenant.Inject(f)
	w.WriteHeader(http.StatusNoContent)
}

// deleteFault deletes the first fault with the rule in the query. A request at that moment may
// find no fault.
func (s *sandbox) deleteFault(w http.ResponseWriter, r *http.Request) {
	rule, faults := r.URL.Query().Get("rule"), s.tenant.Faults()
	i := slices.IndexFunc(faults, func(f customizerstest.Fault) bool { return faultText(f) == rule })
	if i < 0 {
		http.Error(w, "no such fault; a request may have used it", http.StatusNotFound)
		return
	}
	s.tenant.ClearFaults()
	s.tenant.Inject(slices.Delete(faults, i, i+1)...)
	w.WriteHeader(http.StatusNoContent)
}
