package customizers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/connector-customizers/customizers/api"
	"github.com/connector-customizers/customizers/internal/transport"
)

// The kinds of failure, for [errors.Is].
var (
	// ErrInvalidArgument: an argument, an option or a setting can't be used. Nothing was sent.
	ErrInvalidArgument = errors.New("customizers: invalid argument")
	// ErrBadRequest: the service answered 400, 413, 415 or 422.
	ErrBadRequest = errors.New("customizers: bad request")
	// ErrUnauthorized: the service answered 401 to two tokens, or to one if there was no
	// other, or the token endpoint refused the credentials.
	ErrUnauthorized = errors.New("customizers: unauthorized")
	// ErrForbidden: the service answered 403: the token's user or scopes don't allow the
	// operation.
	ErrForbidden = errors.New("customizers: forbidden")
	// ErrNotFound: the service answered 404 to an operation on an ID: there is no such
	// customizer.
	ErrNotFound = errors.New("customizers: not found")
	// ErrRateLimited: the service answered 429 to the last attempt, or the client held the
	// request back, because the wait for a Retry-After or for the rate limit was too long.
	// Error.RetryAfter holds the wait, if known.
	ErrRateLimited = errors.New("customizers: rate limited")
	// ErrServer: the service answered the last attempt with a status of 500 or above.
	ErrServer = errors.New("customizers: server error")
	// ErrConnection: no whole response came: DNS, a proxy, TLS, or a connection that was
	// refused, broke or stalled. The end of a context is not ErrConnection.
	ErrConnection = errors.New("customizers: no response")
	// ErrOutcomeUnknown: a create, of a customizer or a version, or a POST or PATCH of
	// [Client.Do] failed, and the service may have carried it out. It was not retried.
	ErrOutcomeUnknown = errors.New("customizers: outcome unknown")
	// ErrAmbiguous: several customizers have the name. Every such error is an
	// [*AmbiguousError], which lists them.
	ErrAmbiguous = errors.New("customizers: ambiguous name")
)

// An Error is the failure of a call after a request was sent or was due to be. It matches
// the sentinels that apply and its cause, such as the error of the connection or of the
// context. It never holds a token, a secret or a byte of an archive.
type Error struct {
	Operation string // method of Client that failed, or Token for a token request

	Method string // of the failed request
	Path   string // of the failed request; /oauth/token if no token could be had

	StatusCode int       // of the last response; 0 if none came
	DetailCode string    // service's code, finer than the status; OAuth's error code for a token
	TrackingID string    // under which the service logged the error
	RequestID  string    // service's name of the request, from SLPT-Request-ID
	Messages   []Message // reason in general terms
	Causes     []Message // reasons in detail

	RetryAfter time.Duration // how long the service asked to wait; 0 if it did not
	Attempts   int           // number of requests sent

	what   string  // what went wrong, if the status does not say it
	wraps  []error // sentinels and causes
	reason string  // why the call was not retried, unless that is plain
}

// A Message is one text of an [Error].
type Message struct {
	Locale       string // language of the text as a BCP 47 tag; may be empty
	LocaleOrigin string // DEFAULT, REQUEST, a value added since, or empty
	Text         string
}

// newError describes a failed call.
func (c *Client) newError(err error) *Error {
	var f *transport.Error
	errors.As(err, &f) // as all errors of the chain are
	return newError(f, c.redact(f.Call.Token))
}

// newError describes a failed call, with redacted texts. Nothing else makes an *Error.
func newError(f *transport.Error, redact func(string) string) *Error {
	req := f.Call.Request
	e := &Error{
		Operation: f.Call.Operation, Method: req.Method,
		RetryAfter: f.RetryAfter, Attempts: f.Attempts, reason: f.Reason,
	}
	if req.URL != nil {
		e.Path = req.URL.Path
	}
	if f.Response != nil {
		e.StatusCode, e.RequestID = f.Response.StatusCode, requestID(f.Response)
	}
	cause := f.Err
	switch {
	case f.NotSent:
		e.what = "not sent: " + f.Err.Error()
	case errors.Is(f.Err, transport.ErrNoToken):
		e.what = f.Err.Error() + " in " + describeBody(f.Response)
		e.readBody(f.Response, redact, false)
		if e.DetailCode != "" || len(e.Messages) > 0 { // an OAuth error with a status of success
			e.wrap(ErrUnauthorized)
		}
	case f.Err != nil:
		e.what = f.Err.Error()
	case redirects(f.Response):
		e.what = fmt.Sprintf("redirects to %s are not followed, as credentials would go there", locationOf(f.Response))
	default:
		if e.StatusCode < http.StatusBadRequest {
			e.what = "unexpected status"
		}
		quote := e.Operation != transport.TokenOperation && req.Header.Get("Content-Type") != zipType
		e.readBody(f.Response, redact, quote)
		sentinel := sentinelOf(e.Operation, e.StatusCode)
		if sentinel == nil && e.StatusCode == http.StatusNotFound {
			e.reason = "check the tenant's address and the API version"
		}
		e.wrap(sentinel)
	}
	if what := redact(e.what); what != e.what {
		e.what, cause = what, nil // it has a secret
	}
	var connection *transport.ConnectionError
	if errors.As(f.Err, &connection) {
		e.wrap(ErrConnection)
	}
	var wait *transport.WaitError
	if errors.As(f.Err, &wait) || errors.As(f.StopCause, &wait) {
		e.wrap(ErrRateLimited)
	}
	if f.OutcomeUnknown {
		e.wrap(ErrOutcomeUnknown)
	}
	e.wrap(cause)
	e.wrap(f.StopCause)
	return e
}

// redactor returns a function that returns one that removes the client secret and a token
// from a text. A secret of less than four bytes is none, and removing it would garble the
// text.
func redactor(secret string) func(token string) func(string) string {
	variants := []string{secret, url.QueryEscape(secret)}
	if quoted, err := json.Marshal(secret); err == nil {
		variants = append(variants, strings.Trim(string(quoted), `"`))
	}
	return func(token string) func(string) string {
		var pairs []string
		for _, s := range append(slices.Clone(variants), token) {
			if len(s) >= 4 {
				pairs = append(pairs, s, "[redacted]")
			}
		}
		return strings.NewReplacer(pairs...).Replace
	}
}

// Error returns, on one line, the request, the status, the service's texts and IDs, the
// number of attempts and what the caller can do.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("customizers: ")
	if e.Method != "" {
		b.WriteString(e.Method + " " + e.Path + ": ")
	}
	var parts []string
	if e.StatusCode != 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))))
	}
	if e.what != "" {
		parts = append(parts, e.what)
	}
	for _, m := range slices.Concat(e.Messages, e.Causes) {
		if text := oneLine(m.Text); text != "" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	b.WriteString(strings.Join(parts, ": "))
	var notes []string
	note := func(ok bool, format string, args ...any) {
		if ok {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	note(e.DetailCode != "", "detail code %s", oneLine(e.DetailCode))
	note(e.TrackingID != "", "tracking id %s", oneLine(e.TrackingID))
	note(e.TrackingID == "" && e.RequestID != "", "request id %s", oneLine(e.RequestID))
	note(e.Attempts > 1, "after %d attempts", e.Attempts)
	note(e.reason != "", "%s", e.reason)
	note(e.RetryAfter > 0, "try again in %v", e.RetryAfter.Round(time.Millisecond))
	note(errors.Is(e, ErrOutcomeUnknown), "the service may have carried it out: check before you repeat it")
	if len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, "; ") + ")")
	}
	return b.String()
}

// Unwrap returns the sentinels that apply and the causes.
func (e *Error) Unwrap() []error { return e.wraps }

// LogValue returns a group of the error's fields.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("message", e.Error())}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("operation", e.Operation)
	add("method", e.Method)
	add("path", e.Path)
	if e.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status", e.StatusCode))
	}
	add("detail_code", e.DetailCode)
	add("tracking_id", e.TrackingID)
	add("request_id", e.RequestID)
	if e.RetryAfter > 0 {
		attrs = append(attrs, slog.Duration("retry_after", e.RetryAfter))
	}
	return slog.GroupValue(attrs...)
}

// wrap adds what e matches.
func (e *Error) wrap(err error) {
	if err != nil {
		e.wraps = append(e.wraps, err)
	}
}

// sentinelOf returns the sentinel of a status, or nil.
func sentinelOf(operation string, status int) error {
	token := operation == transport.TokenOperation
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		if token {
			return ErrUnauthorized // how OAuth refuses credentials
		}
		return ErrBadRequest
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		if token {
			return ErrUnauthorized
		}
		return ErrForbidden
	case http.StatusNotFound, http.StatusGone:
		switch operation {
		case transport.TokenOperation, "List", "Create":
			return nil // the address is wrong, not an ID
		}
		return ErrNotFound
	case http.StatusTooManyRequests:
		return ErrRateLimited
	}
	if status >= 500 {
		return ErrServer
	}
	return nil
}

// errorBody has the fields of all error shapes: the service's, the two of its
// gateway, whose types are not specified, and OAuth's.
type errorBody struct {
	api.ErrorResponseDto

	Error            any    `json:"error"`
	ErrorDescription string `json:"error_description"`
	Message          any    `json:"message"`
}

// readBody fills e from the body of a failed response, redacted. It quotes a body that is
// not a JSON error only if quote is set.
func (e *Error) readBody(resp *transport.Response, redact func(string) string, quote bool) {
	var b errorBody
	err := json.Unmarshal(resp.Data, &b)
	var mistyped *json.UnmarshalTypeError
	if err != nil && (!errors.As(err, &mistyped) || mistyped.Field == "") {
		e.what = cmp.Or(e.what, describeBody(resp)+" instead of a JSON error")
		if text := plainText(resp); quote && text != "" {
			e.Messages = texts(redact(text))
		}
		return
	}
	e.DetailCode, e.TrackingID = redact(b.DetailCode), redact(b.TrackingID)
	messages := func(in []api.ErrorMessageDto) (out []Message) {
		for _, m := range in {
			out = append(out, Message{Locale: m.Locale, LocaleOrigin: string(m.LocaleOrigin), Text: redact(m.Text)})
		}
		return out
	}
	e.Messages, e.Causes = messages(b.Messages), messages(b.Causes)
	if b.ErrorDescription != "" {
		e.DetailCode, _ = b.Error.(string)
		e.DetailCode = redact(e.DetailCode)
		b.Error = b.ErrorDescription
	}
	for _, v := range []any{b.Error, b.Message} {
		switch v := v.(type) {
		case nil:
		case string:
			e.Messages = append(e.Messages, texts(redact(v))...)
		default:
			if text, err := json.Marshal(v); err == nil && quote {
				e.Messages = append(e.Messages, texts(redact(string(text)))...)
			}
		}
	}
	if len(e.Messages) == 0 && len(e.Causes) == 0 && e.DetailCode == "" && e.TrackingID == "" && quote {
		e.Messages = texts(redact(string(resp.Data)))
	}
}

func texts(text string) []Message {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	return []Message{{Text: cut(text)}}
}

// describeBody returns the size and type of a body: "212 bytes of text/html".
func describeBody(resp *transport.Response) string {
	size := len(resp.Data)
	if size == 0 {
		return "an empty body"
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		kind = "an unnamed type"
	}
	unit := "bytes"
	if size == 1 {
		unit = "byte"
	}
	return fmt.Sprintf("%d %s of %s", size, unit, kind)
}

// plainText returns what a person would read in a body that isn't JSON: the title of a
// page, or the beginning of a text.
func plainText(resp *transport.Response) string {
	body := resp.Data
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	lower := bytes.ToLower(body)
	if start := bytes.Index(lower, []byte("<title>")); start >= 0 {
		start += len("<title>")
		if end := bytes.Index(lower[start:], []byte("</title>")); end >= 0 && len(lower) == len(body) {
			return cut(string(body[start : start+end]))
		}
	}
	if kind == "text/plain" {
		return cut(string(body))
	}
	return ""
}

// redirects reports whether a response names another address for the request.
func redirects(resp *transport.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

// locationOf returns where a redirect points, without what might be secret in it.
func locationOf(resp *transport.Response) string {
	u, err := url.Parse(resp.Header.Get("Location"))
	switch {
	case err != nil:
		return "an address that can't be read"
	case u.Host == "":
		return "another address of the tenant"
	}
	return u.Scheme + "://" + u.Host
}

func cut(text string) string {
	const most = 512
	text = strings.ToValidUTF8(text, "�")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// An AmbiguousError reports that several customizers have the same name.
// It matches [ErrAmbiguous].
type AmbiguousError struct {
	Name        string
	Customizers []Customizer
}

// Error returns the name and the IDs of the customizers that have it.
func (e *AmbiguousError) Error() string {
	ids := make([]string, len(e.Customizers))
	for i, c := range e.Customizers {
		ids[i] = c.ID
	}
	return fmt.Sprintf("%v %q: %s", ErrAmbiguous, e.Name, strings.Join(ids, ", "))
}

// Is reports whether target is [ErrAmbiguous].
func (e *AmbiguousError) Is(target error) bool { return target == ErrAmbiguous }
