package customizerstest

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connector-customizers/customizers/customizerstest/internal/server"
)

const (
	scopeRead   = "sp:connector:read"
	scopeManage = "sp:connector:manage"
	scopeAll    = "sp:scopes:all"

	maxJSON = 1 << 20
)

// A route is the operation that a request addresses.
type route struct {
	version   string // "v2024", …, "beta", or "v1"
	path      string // without the version, escaped
	id        string // in the path; may be empty
	operation Operation
	known     bool // the path exists, perhaps with other methods only
}

// operations holds the operations by path and method.
var operations = map[string]map[string]Operation{
	"/connector-customizers":               {http.MethodGet: List, http.MethodPost: Create},
	"/connector-customizers/{id}":          {http.MethodGet: Get, http.MethodPut: Update, http.MethodDelete: Delete},
	"/connector-customizers/{id}/versions": {http.MethodPost: CreateVersion},
	"/connector-instances":                 {http.MethodGet: ListInstances, http.MethodHead: ListInstances},
	"/connector-instances/{id}":            {http.MethodPatch: UpdateInstance},
	"/platform-logs/query":                 {http.MethodPost: QueryLogs},
}

// routeOf returns the route of r. In a path, a yearly version or beta precedes the service;
// v1 follows it.
func routeOf(r *http.Request) route {
	switch r.Method + " " + r.URL.Path {
	case "POST /oauth/token":
		return route{operation: Token, known: true}
	case "GET /oauth/info":
		return route{operation: Info, known: true}
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	if len(parts) < 2 {
		return route{}
	}
	if parts[1] == "v1" {
		parts[0], parts[1] = parts[1], parts[0]
	} else if !slices.Contains([]string{"v2024", "v2025", "v2026", "beta"}, parts[0]) {
		return route{}
	}
	to := route{version: parts[0], path: "/" + strings.Join(parts[1:], "/")}
	byMethod, known := operations[to.path]
	if !known && len(parts) > 2 && parts[2] != "" {
		to.id, _ = url.PathUnescape(parts[2]) // part of a path that net/url has parsed
		parts[2] = "{id}"
		byMethod, known = operations["/"+strings.Join(parts[1:], "/")]
	}
	to.operation, to.known = byMethod[r.Method], known
	return to
}

// ServeHTTP implements [http.Handler], so that a Server also works without its socket. To reset
// a connection that can't be hijacked, it panics with [http.ErrAbortHandler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.respond(r).send(w)
}

// respond serves and records one request.
func (s *Server) respond(r *http.Request) *response {
	to := routeOf(r)
	body := &counter{ReadCloser: r.Body}
	r.Body = body
	record := Request{
		Time:      time.Now(),
		Operation: to.operation,
		Method:    r.Method,
		Path:      r.URL.EscapedPath(),
		Query:     r.URL.RawQuery,
		Header:    r.Header.Clone(),
	}
	f, injected := s.fault(to.operation)
	resp := newResponse()
	if s.wait(r, f.Delay) {
		if f.ExpireToken {
			s.issuer.expire(bearerToken(r))
		}
		if f.Apply || f.Status == 0 && !f.Reset {
			s.handle(resp, r, to)
		}
		if f.Status != 0 {
			resp = f.response()
		}
		if injected {
			resp.header.Set(InjectedHeader, "true")
		}
		if f.Reset {
			resp.status = 0
		}
		resp.truncateAt = f.TruncateAt
	} else {
		resp.status = 0
	}
	if r.ContentLength > 0 && r.ContentLength <= bodyKept && r.Header.Get("Expect") == "" {
		_, _ = io.Copy(io.Discard, body) // what the operation, or a fault, did not read
	}
	record.Injected, record.Status, record.Body, record.BodySize = injected, resp.status, string(body.first), body.n
	s.record(record)
	return resp
}

// wait waits for d and reports whether it did. It returns early if the client disconnects or
// the server closes.
func (s *Server) wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	if r.ContentLength >= 0 && r.ContentLength <= maxJSON {
		// net/http detects that a client disconnects only after the body is read.
		data, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data), errReader{err}))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.closing:
	}
	return false
}

// handle writes the service's response to r.
func (s *Server) handle(w http.ResponseWriter, r *http.Request, to route) {
	switch {
	case to.operation == Token:
		s.issuer.serveToken(w, r, s.ClientID, s.ClientSecret)
		return
	case to.operation == Info:
		base := "http://" + r.Host // not s.URL, which NewServer sets when requests may already arrive
		if r.TLS != nil {
			base = "https://" + r.Host
		}
		writeJSON(w, http.StatusOK, map[string]string{
			"authorizeEndpoint": base + "/oauth/authorize",
			"tokenEndpoint":     base + "/oauth/token",
		})
		return
	case !to.known:
		writeError(w, http.StatusNotFound, "")
		return
	}
	token, problem := s.issuer.check(bearerToken(r))
	if problem != "" {
		writeError(w, http.StatusUnauthorized, "JWT validation failed: "+problem)
		return
	}
	if wait := s.limiter.take(token.clientID + " " + to.version); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		writeError(w, http.StatusTooManyRequests, "")
		return
	}
	needed := scopeManage
	switch to.operation {
	case List, Get, ListInstances, QueryLogs:
		needed = scopeRead
	}
	switch {
	case to.operation == "":
		writeError(w, http.StatusMethodNotAllowed, "")
		return
	case !slices.Contains(token.scopes, needed) && !slices.Contains(token.scopes, scopeAll):
		writeError(w, http.StatusForbidden, "")
		return
	}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		writeError(w, http.StatusBadRequest, "The query can't be read.")
		return
	}
	switch to.operation {
	case ListInstances:
		s.tenant.serveInstances(w)
		return
	case UpdateInstance:
		s.tenant.patchInstance(w, r, to.id)
		return
	case QueryLogs:
		s.tenant.queryLogs(w, r)
		return
	}
	if to.version == "beta" {
		w.Header().Set("X-Deprecated", "true")
	}
	if problem := checkBody(r, to.operation); problem != "" {
		writeError(w, http.StatusBadRequest, problem)
		return
	}
	r = r.Clone(r.Context())
	r.URL.RawPath = to.path
	r.URL.Path, _ = url.PathUnescape(to.path) // part of a path that net/url has parsed
	ctx := withExchange(r.Context(), &exchange{
		header: w.Header(), beta: to.version == "beta", createStatus: s.config.createStatus, contentType: r.Header.Get("Content-Type"),
	})
	s.handler.ServeHTTP(w, r.WithContext(ctx))
}

// checkBody checks that the body of a create or update is one JSON object with the right
// Content-Type and no blank name, which the generated code does not. The body can be read
// again afterwards.
func checkBody(r *http.Request, op Operation) (problem string) {
	if op != Create && op != Update {
		return ""
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxJSON))
	if err != nil {
		return "The request body can't be read, or is larger than 1 MiB."
	}
	if len(data) == 0 && op == Update {
		data = []byte("{}") // the contract does not require a body
	} else if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return "The Content-Type must be application/json."
	}
	if !json.Valid(data) {
		return "The request body is not valid JSON."
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return "The request body must be a JSON object."
	}
	var given struct{ Name *string }
	if json.Unmarshal(data, &given) == nil && given.Name != nil && strings.TrimSpace(*given.Name) == "" {
		return "The name must not be blank."
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	return ""
}

// A response buffers what handlers write until the request is recorded.
type response struct {
	header     http.Header
	status     int // 0 to reset the connection instead
	body       bytes.Buffer
	truncateAt int // number of body bytes after which to reset the connection; 0 for no reset
}

func newResponse() *response {
	return &response{header: http.Header{}, status: http.StatusOK}
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(status int)      { r.status = status }
func (r *response) Write(p []byte) (int, error) { return r.body.Write(p) }

// truncate returns the bytes of the body to send, and reports whether some are omitted.
func (r *response) truncate() (body []byte, truncated bool) {
	if r.truncateAt > 0 && r.truncateAt < r.body.Len() {
		return r.body.Bytes()[:r.truncateAt], true
	}
	return r.body.Bytes(), false
}

// finish sets Content-Length.
func (r *response) finish() {
	if r.status != http.StatusNoContent {
		r.header.Set("Content-Length", strconv.Itoa(r.body.Len()))
	}
}

// send writes the response to w or resets the connection.
func (r *response) send(w http.ResponseWriter) {
	if r.status == 0 {
		reset(w)
		return
	}
	r.finish()
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(r.status)
	body, truncated := r.truncate()
	_, _ = w.Write(body)
	if truncated {
		_ = http.NewResponseController(w).Flush()
		reset(w)
	}
}

// reset resets the connection, so that the client reads an error instead of EOF.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn() // closing it sends no TLS alert
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// An errReader returns err from each Read, or io.EOF if err is nil.
type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, cmp.Or(r.err, io.EOF) }

// A counter counts the bytes read from a body, and keeps the first ones.
type counter struct {
	io.ReadCloser
	n     int64
	first []byte
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	c.first = append(c.first, p[:min(n, bodyKept-len(c.first))]...)
	return n, err
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// serviceErrors holds the detail codes and messages that the service documents.
var serviceErrors = map[int][2]string{
	http.StatusBadRequest:          {"400.1 Bad Request Content", "The request was syntactically correct but its content is semantically invalid."},
	http.StatusForbidden:           {"403 Forbidden", "The server understood the request but refuses to authorize it."},
	http.StatusNotFound:            {"404 Not found", "The server did not find a current representation for the target resource."},
	http.StatusMethodNotAllowed:    {"405 Method not allowed", "The method is not supported by the target resource."},
	http.StatusInternalServerError: {"500.0 Internal Fault", "An internal fault occurred."},
}

// errorOf returns an error in the service's form. If text is empty, it has the documented text.
func errorOf(status int, text string) server.ErrorResponseDto {
	known, ok := serviceErrors[status]
	if !ok {
		known = [2]string{strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status))), "The request failed."}
	}
	return server.ErrorResponseDto{
		DetailCode: known[0],
		TrackingID: newID(),
		Messages:   []server.ErrorMessageDto{{Locale: "en-US", LocaleOrigin: server.LocaleOriginDEFAULT, Text: cmp.Or(text, known[1])}},
	}
}

func writeError(w http.ResponseWriter, status int, text string) {
	switch status {
	case http.StatusUnauthorized:
		writeJSON(w, status, server.UnauthorizedResponse{Error: cmp.Or(text, "JWT validation failed: JWT is expired")})
	case http.StatusTooManyRequests:
		writeJSON(w, status, server.TooManyRequestsResponse{Message: cmp.Or(text, " Rate Limit Exceeded ")})
	default:
		writeJSON(w, status, errorOf(status, text))
	}
}

// handleError writes the response to a request whose operation returned err.
func handleError(w http.ResponseWriter, r *http.Request, err error) {
	var refused refusal
	if errors.As(err, &refused) {
		badRequest(w, r, err)
		return
	}
	writeError(w, http.StatusInternalServerError, err.Error())
}

func badRequest(w http.ResponseWriter, _ *http.Request, err error) {
	writeError(w, http.StatusBadRequest, err.Error())
}
