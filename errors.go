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
	// ErrInvalidArgument means that an argument, an option or a setting is invalid. Nothing
	// was sent.
	ErrInvalidArgument = errors.New("customizers: invalid argument")
	// ErrBadRequest means status 400, 413, 415 or 422.
	ErrBadRequest = errors.New("customizers: bad request")
	// ErrUnauthorized means status 401, even with a new token if there was one, or that the
	// token endpoint refused the credentials.
	ErrUnauthorized = errors.New("customizers: unauthorized")
	// ErrForbidden means status 403: the token's user or scopes don't allow the operation.
	ErrForbidden = errors.New("customizers: forbidden")
	// ErrNotFound means that the ID does not exist (status 404 or 410), or that no customizer
	// has the name. A 404 to List or Create is not ErrNotFound.
	ErrNotFound = errors.New("customizers: not found")
	// ErrRateLimited means status 429 in the last attempt, or that an attempt was not sent
	// because the wait for a Retry-After or the rate limit was too long. Error.RetryAfter
	// holds the wait, if known.
	ErrRateLimited = errors.New("customizers: rate limited")
	// ErrServer means status 500 or above in the last attempt.
	ErrServer = errors.New("customizers: server error")
	// ErrConnection means that no complete response was received: DNS, a proxy or TLS failed,
	// or the connection was refused, broke or stalled. The end of a context is not
	// ErrConnection.
	ErrConnection = errors.New("customizers: no response")
	// ErrOutcomeUnknown means that a create of a customizer or a version, or a POST or PATCH
	// of [Client.Do], failed, but the service may have carried it out. Such a failure is not
	// retried.
	ErrOutcomeUnknown = errors.New("customizers: outcome unknown")
	// ErrAmbiguous means that several customizers have the name. Every such error is an
	// [*AmbiguousError], which lists them.
	ErrAmbiguous = errors.New("customizers: ambiguous name")
)

// An Error is the failure of a call with valid arguments. It matches the sentinels that
// apply and its cause, such as the error of the connection or of the context. It never
// contains a token, a secret of at least four bytes, or a byte of an archive.
type Error struct {
	Operation string // method of Client that failed, or Token for a token request

	Method string // of the request; empty if a token source failed
	Path   string // of the request's URL; empty if a token source failed

	StatusCode int       // of the last response; 0 if none was received
	DetailCode string    // service's error code; OAuth's error code for a token request
	TrackingID string    // ID of the error in the service's logs
	RequestID  string    // service's ID of the request, from SLPT-Request-ID
	Messages   []Message // service's description of the error
	Causes     []Message // service's reasons for the error

	RetryAfter time.Duration // wait that the service or the rate limit asks for; 0 if unknown
	Attempts   int           // number of requests sent

	problem string  // empty if the status says it all
	wraps   []error // sentinels and causes
	reason  string  // why the call was not retried; empty if obvious
}

// A Message is one of the service's messages in an [Error].
type Message struct {
	Locale       string // language of the text as a BCP 47 tag; may be empty
	LocaleOrigin string // DEFAULT, REQUEST, a value added since, or empty
	Text         string
}

// newError returns the Error for an error of the chain.
func (c *Client) newError(err error) *Error {
	var f *transport.Error
	errors.As(err, &f) // always succeeds
	return newError(f, c.redact(f.Call.Token))
}

// newError returns the Error for f, with redacted texts. All Errors are made here.
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
		e.problem = "not sent: " + f.Err.Error()
	case errors.Is(f.Err, transport.ErrNoToken):
		e.problem = f.Err.Error() + " in " + describeBody(f.Response)
		e.readBody(f.Response, redact, false)
		if e.DetailCode != "" || len(e.Messages) > 0 { // an OAuth error with a status of success
			e.wrap(ErrUnauthorized)
		}
	case f.Err != nil:
		e.problem = f.Err.Error()
	case isRedirect(f.Response):
		e.problem = fmt.Sprintf("redirects to %s are not followed, because credentials would be sent there", locationOf(f.Response))
	default:
		if e.StatusCode < http.StatusBadRequest {
			e.problem = "unexpected status"
		}
		quote := e.Operation != transport.TokenOperation && req.Header.Get("Content-Type") != zipType
		e.readBody(f.Response, redact, quote)
		sentinel := sentinelOf(e.Operation, e.StatusCode)
		if sentinel == nil && e.StatusCode == http.StatusNotFound {
			e.reason = "check the tenant's address and the API version"
		}
		e.wrap(sentinel)
	}
	if redacted := redact(e.problem); redacted != e.problem {
		e.problem, cause = redacted, nil // the cause contains a secret
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

// redactor returns a function that takes a token and returns a function that removes the
// token and the client secret from a text. Secrets under four bytes stay, because removing
// them would garble the text.
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

// Error returns one line with the request, the status, the service's messages and IDs, the
// number of attempts and advice.
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
	if e.problem != "" {
		parts = append(parts, e.problem)
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

// LogValue returns a group with the attributes message, operation, method, path, status,
// detail_code, tracking_id, request_id and retry_after. Empty ones are omitted.
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

// wrap makes e match err, unless err is nil.
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
			return ErrUnauthorized // OAuth responds to wrong credentials with 400
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
			return nil // the URL is wrong, not an ID
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

// An errorBody has the fields of all error formats: the service's, the two of its gateway,
// whose types are not specified, and OAuth's.
type errorBody struct {
	api.ErrorResponseDto

	Error            any    `json:"error"`
	ErrorDescription string `json:"error_description"`
	Message          any    `json:"message"`
}

// readBody sets the fields of e from the redacted body of a failed response. It quotes a body
// that is not a JSON error only if quote is set.
func (e *Error) readBody(resp *transport.Response, redact func(string) string, quote bool) {
	var b errorBody
	err := json.Unmarshal(resp.Data, &b)
	var mistyped *json.UnmarshalTypeError
	if err != nil && (!errors.As(err, &mistyped) || mistyped.Field == "") {
		e.problem = cmp.Or(e.problem, describeBody(resp)+" instead of a JSON error")
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
	return []Message{{Text: truncate(text)}}
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

// plainText returns the readable part of a body that isn't JSON: the title of an HTML page,
// or the beginning of a plain text.
func plainText(resp *transport.Response) string {
	body := resp.Data
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	lower := bytes.ToLower(body)
	if start := bytes.Index(lower, []byte("<title>")); start >= 0 {
		start += len("<title>")
		if end := bytes.Index(lower[start:], []byte("</title>")); end >= 0 && len(lower) == len(body) {
			return truncate(string(body[start : start+end]))
		}
	}
	if kind == "text/plain" {
		return truncate(string(body))
	}
	return ""
}

// isRedirect reports whether a response is a redirect with a Location.
func isRedirect(resp *transport.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

// locationOf returns the scheme and host of a redirect's Location. The rest may be secret.
func locationOf(resp *transport.Response) string {
	u, err := url.Parse(resp.Header.Get("Location"))
	switch {
	case err != nil:
		return "an invalid address"
	case u.Host == "":
		return "another address of the tenant"
	}
	return u.Scheme + "://" + u.Host
}

// truncate shortens text to 512 bytes of valid UTF-8, and an ellipsis.
func truncate(text string) string {
	const limit = 512
	text = strings.ToValidUTF8(text, "�")
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// An AmbiguousError reports that several customizers have the same name. It matches
// [ErrAmbiguous].
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
