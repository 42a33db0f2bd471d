package customizerstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/connector-customizers/customizers/internal/server"
)

const (
	scopeRead   = "sp:connector:read"
	scopeManage = "sp:connector:manage"
	scopeAll    = "sp:scopes:all"

	maxJSON = 1 << 20
)

// An address is what a request's URL says.
type address struct {
	version   string // "v2024", …, "beta", or "v1"
	path      string // as the contract has it: /connector-customizers…
	operation Operation
	known     bool // the path exists, whatever the method
}

// addressOf reads the address schemes of the service: the version before the
// collection (the yearly ones and beta) or behind it (v1).
func addressOf(r *http.Request) address {
	const collection = "connector-customizers"
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	var a address
	switch {
	case len(parts) >= 2 && parts[1] == collection && slices.Contains([]string{"v2024", "v2025", "v2026", "beta"}, parts[0]):
		a.version, parts = parts[0], parts[2:]
	case len(parts) >= 2 && parts[0] == collection && parts[1] == "v1":
		a.version, parts = "v1", parts[2:]
	default:
		return a
	}
	byMethod := map[string]Operation{}
	switch {
	case len(parts) == 0:
		byMethod = map[string]Operation{http.MethodGet: List, http.MethodPost: Create}
	case len(parts) == 1 && parts[0] != "":
		byMethod = map[string]Operation{http.MethodGet: Get, http.MethodPut: Update, http.MethodDelete: Delete}
	case len(parts) == 2 && parts[0] != "" && parts[1] == "versions":
		byMethod = map[string]Operation{http.MethodPost: CreateVersion}
	}
	a.path = strings.Join(append([]string{"/" + collection}, parts...), "/")
	a.operation, a.known = byMethod[r.Method], len(byMethod) > 0
	return a
}

// ServeHTTP answers one request: it notes it, lets it suffer its fault, and has it
// handled. It makes a Server usable without its socket too, behind any transport that
// calls a handler; a cut connection is then a panic with [http.ErrAbortHandler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := addressOf(r)
	switch r.Method + " " + r.URL.Path {
	case "POST /oauth/token":
		a.operation = Token
	case "GET /oauth/info":
		a.operation = Info
	}
	body := &counter{r: r.Body}
	r.Body = body
	noted := Request{
		Time:      time.Now(),
		Operation: a.operation,
		Method:    r.Method,
		Path:      r.URL.EscapedPath(),
		Query:     r.URL.RawQuery,
		Header:    r.Header.Clone(),
	}
	f, injected := s.fault(a.operation)
	noted.Injected = injected
	if !s.wait(r, f.Delay) {
		s.note(noted)
		panic(http.ErrAbortHandler)
	}
	if f.ExpireToken {
		s.issuer.expire(bearer(r))
	}

	// Until the answer is known nothing is sent, so that it can be withheld.
	answer := &answer{header: http.Header{}, status: http.StatusOK}
	if f.Acted || f.Status == 0 && !f.Cut {
		s.handle(answer, r, a)
	}
	if f.Status != 0 {
		answer.status, answer.header = f.Status, f.Header.Clone()
		if answer.header == nil {
			answer.header = http.Header{}
		}
		if answer.header.Get("Content-Type") == "" && f.Body != "" {
			answer.header.Set("Content-Type", "application/json")
		}
		answer.header.Set(InjectedHeader, "true")
		answer.body.Reset()
		answer.body.WriteString(f.Body)
	}
	noted.Status, noted.BodySize = answer.status, body.n
	if f.Cut {
		noted.Status = 0
	}
	s.note(noted)
	switch {
	case f.Cut:
		reset(w)
	case f.TruncateAt > 0 && f.TruncateAt < answer.body.Len():
		answer.send(w, f.TruncateAt)
		reset(w)
	default:
		answer.send(w, answer.body.Len())
	}
}

// wait waits, unless the client leaves or the server closes first.
func (s *Server) wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	if r.ContentLength >= 0 && r.ContentLength <= maxJSON {
		// That a client has left is noticed only when its body has been read.
		data, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data), failing{err}))
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

// handle answers as the service would.
func (s *Server) handle(w http.ResponseWriter, r *http.Request, a address) {
	switch {
	case a.operation == Token:
		s.issuer.serveToken(w, r, s.ClientID, s.ClientSecret)
		return
	case a.operation == Info:
		writeJSON(w, http.StatusOK, map[string]string{
			"authorizeEndpoint": s.URL + "/oauth/authorize",
			"tokenEndpoint":     s.URL + "/oauth/token",
		})
		return
	case !a.known:
		writeError(w, http.StatusNotFound, "404 Not found", "The server did not find a current representation for the target resource.")
		return
	}
	token, problem := s.issuer.check(bearer(r))
	if problem != "" {
		writeJSON(w, http.StatusUnauthorized, server.UnauthorizedResponse{Error: "JWT validation failed: " + problem})
		return
	}
	if wait := s.limiter.take(token.clientID + " " + a.version); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		writeJSON(w, http.StatusTooManyRequests, server.TooManyRequestsResponse{Message: " Rate Limit Exceeded "})
		return
	}
	if a.operation == "" {
		writeError(w, http.StatusMethodNotAllowed, "405 Method not allowed", "The method is not supported by the target resource.")
		return
	}
	needed := scopeManage
	if a.operation == List || a.operation == Get {
		needed = scopeRead
	}
	if !slices.Contains(token.scopes, needed) && !slices.Contains(token.scopes, scopeAll) {
		writeError(w, http.StatusForbidden, "403 Forbidden", "The server understood the request but refuses to authorize it.")
		return
	}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		badRequest(w, r, refusal("The query can't be read."))
		return
	}
	if a.version == "beta" {
		w.Header().Set("X-Deprecated", "true")
	}
	if problem := checkBody(r, a.operation); problem != "" {
		badRequest(w, r, refusal(problem))
		return
	}
	r = r.Clone(r.Context())
	r.URL.RawPath = a.path
	r.URL.Path, _ = url.PathUnescape(a.path) // it comes from a path that was read
	ctx := contextWith(r.Context(), &exchange{
		header: w.Header(), beta: a.version == "beta", createStatus: s.config.createStatus, contentType: r.Header.Get("Content-Type"),
	})
	s.handler.ServeHTTP(w, r.WithContext(ctx))
}

// checkBody checks what the generated code lets pass: the type of the body, and JSON
// that goes on after its end. It leaves the body to be read again.
func checkBody(r *http.Request, op Operation) (problem string) {
	if op != Create && op != Update {
		return ""
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxJSON))
	if err != nil {
		return "The request body can't be read, or is larger than 1 MiB."
	}
	if len(data) == 0 && op == Update {
		data = []byte("{}") // the contract does not require one
	} else if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return "The Content-Type must be application/json."
	}
	if !json.Valid(data) {
		return "The request body is not valid JSON."
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return "The request body must be a JSON object."
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	return ""
}

// An answer is a response that has not been sent.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// send sends the answer with the first n bytes of its body.
func (a *answer) send(w http.ResponseWriter, n int) {
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()[:n])
	if n < a.body.Len() {
		_ = http.NewResponseController(w).Flush()
	}
}

// reset cuts the connection, so that the client reads a reset and not an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// failing fails with err, or ends when that is nil.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

// A counter counts what is read of a body.
type counter struct {
	r io.ReadCloser
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) Close() error { return c.r.Close() }

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, status int, code, text string) {
	writeJSON(w, status, errorOf(code, text))
}

// errorOf is the service's error shape.
func errorOf(code, text string) server.ErrorResponseDto {
	return server.ErrorResponseDto{
		DetailCode: code,
		TrackingID: strings.ReplaceAll(uuid.NewString(), "-", ""),
		Messages:   []server.ErrorMessageDto{{Locale: "en-US", LocaleOrigin: server.LocaleOriginDEFAULT, Text: text}},
	}
}

// failed answers what a handler could not do.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	var refused refusal
	if errors.As(err, &refused) {
		badRequest(w, r, err)
		return
	}
	writeError(w, http.StatusInternalServerError, "500.0 Internal Fault", err.Error())
}

func badRequest(w http.ResponseWriter, _ *http.Request, err error) {
	writeError(w, http.StatusBadRequest, "400.1 Bad Request Content", err.Error())
}
