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
	// token endpoint rejected the credentials.
	ErrUnauthorized = errors.New("customizers: unauthorized")
	// ErrForbidden means status 403: the token's user or scopes don't allow the operation, or
	// something in front of the tenant rejected the request: see Error.Intermediary.
	ErrForbidden = errors.New("customizers: forbidden")
	// ErrNotFound means that the ID does not exist (status 404 or 410), or that no customizer
	// has the name. A 404 response to List or Create is not ErrNotFound.
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

// An Error is the failure of a call with valid arguments. It matches the sentinel of its
// Operation and StatusCode, although some statuses, such as 409, have none. It also matches
// whatever Err matches, so a test can make any error: &Error{StatusCode: 404} matches
// [ErrNotFound], and &Error{Err: ErrOutcomeUnknown} matches [ErrOutcomeUnknown].
//
// An Error of a client never contains a token, a client secret of at least four bytes, or
// archive content. [redacted] replaces a secret, also one in JSON escapes, percent-encoding,
// HTML entities or base64. Each text has at most 512 bytes.
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

	// Intermediary reports whether something in front of the tenant seems to have sent the
	// response, such as a proxy, a firewall or an IP allow list: the service sends no such body.
	// Then the status says nothing about the credentials, and the only message is the title of
	// a page or a short text.
	Intermediary bool

	RetryAfter time.Duration // wait that the service or the rate limit asks for; 0 if unknown
	Attempts   int           // number of requests sent

	// Err wraps the causes: the error of the connection or of the context, and [ErrConnection],
	// [ErrOutcomeUnknown] or [ErrRateLimited] if the status alone does not imply them. It may be
	// nil.
	Err error

	problem string // empty if the status says it all
	reason  string // why the call was not retried, or advice; may be empty
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
	return newError(f, c.secrets)
}

// newError returns the Error for f, without secrets. All Errors are made here.
func newError(f *transport.Error, secrets *redactor) *Error {
	req, resp := f.Call.Request, f.Response
	e := &Error{Operation: f.Call.Operation, RetryAfter: f.RetryAfter, Attempts: f.Attempts}
	if req.URL != nil {
		e.Method, e.Path = cmp.Or(req.Method, http.MethodGet), secrets.clean(req.URL.Path)
	}
	var problem string
	var errs []error
	reason, quote := f.Reason, quoteText
	switch {
	case e.Operation == transport.TokenOperation:
		quote = quoteTitle // the rest may repeat the credentials
	case req.Header.Get("Content-Type") == zipType:
		quote = quoteFields // the rest may repeat the archive
	}
	if resp != nil {
		e.StatusCode, e.RequestID = resp.StatusCode, secrets.clean(requestID(resp))
		problem = describeBody(resp, secrets)
	}
	switch {
	case f.NotSent:
		problem = "not sent: " + f.Err.Error()
	case errors.Is(f.Err, transport.ErrNoToken):
		problem = f.Err.Error() + " in " + problem
		if e.readBody(resp, secrets, quote) && (e.DetailCode != "" || len(e.Messages) > 0) {
			errs = append(errs, ErrUnauthorized) // an OAuth error with a status of success
		}
	case f.Err != nil:
		problem = f.Err.Error()
		if resp != nil && isPage(resp.Data) {
			e.readBody(resp, secrets, quote)
		}
	case resp.StatusCode/100 == 3 && resp.Header.Get("Location") != "":
		to := "another URL"
		if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
			to = u.Scheme + "://" + u.Host // the rest may be secret
		}
		problem = fmt.Sprintf("redirects to %s are not followed", to)
	default:
		switch isJSON := e.readBody(resp, secrets, quote); {
		case e.StatusCode < http.StatusBadRequest:
			problem = "unexpected status"
		case !isJSON:
			problem += " instead of a JSON error"
		default:
			problem = ""
		}
		if e.StatusCode == http.StatusNotFound && e.sentinel() == nil {
			reason = "check the tenant's URL and the API version"
		}
	}
	e.problem, e.reason = secrets.clean(problem), secrets.clean(reason)
	if errors.As(f.Err, new(*transport.ConnectionError)) {
		errs = append(errs, ErrConnection)
	}
	if w := new(*transport.WaitError); errors.As(f.Err, w) || errors.As(f.StopCause, w) {
		errs = append(errs, ErrRateLimited)
	}
	if f.OutcomeUnknown {
		errs = append(errs, ErrOutcomeUnknown)
	}
	for _, cause := range []error{f.Err, f.StopCause} {
		if cause != nil && secrets.redact(cause.Error()) == cause.Error() {
			errs = append(errs, cause)
		}
	}
	e.Err = errors.Join(errs...)
	return e
}

// Error returns one line with the request, the status, the service's messages and IDs, the
// number of attempts and advice. It has less than 8 KiB.
func (e *Error) Error() string {
	var parts []string
	add := func(text string) {
		if text = oneLine(text); text != "" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	if e.Method != "" {
		add(e.Method + " " + e.Path)
	}
	if e.StatusCode != 0 {
		add(fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode)))
	}
	add(e.problem)
	if e.problem == "" && e.StatusCode == 0 && e.Err != nil {
		add(strings.TrimPrefix(truncate(e.Err.Error()), "customizers: "))
	}
	for _, m := range slices.Concat(e.Messages, e.Causes) {
		add(m.Text)
	}
	text := "customizers: " + shorten(strings.Join(parts, ": "), maxText)
	var notes []string
	note := func(ok bool, format string, args ...any) {
		if ok {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	note(e.DetailCode != "", "detail code %s", oneLine(e.DetailCode))
	note(e.TrackingID != "", "tracking ID %s", oneLine(e.TrackingID))
	note(e.TrackingID == "" && e.RequestID != "", "request ID %s", oneLine(e.RequestID))
	note(e.Attempts > 1, "after %d attempts", e.Attempts)
	note(e.reason != "", "%s", oneLine(e.reason))
	note(e.Intermediary && e.reason == "", "something in front of the tenant sent this response, such as a proxy, a firewall or an IP allow list")
	note(e.RetryAfter > 0, "try again in %v", e.RetryAfter.Round(time.Millisecond))
	note(errors.Is(e, ErrOutcomeUnknown), "the request may have succeeded: check before repeating it")
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, "; ") + ")"
	}
	return text
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel of e's operation and status.
func (e *Error) Is(target error) bool { return target == e.sentinel() }

// sentinel returns the sentinel of e's operation and status, or nil.
func (e *Error) sentinel() error {
	switch status := e.StatusCode; status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusUnauthorized:
		switch {
		case status == http.StatusUnauthorized || e.Operation == transport.TokenOperation && !e.Intermediary:
			return ErrUnauthorized // OAuth rejects credentials with any of the three
		case status == http.StatusForbidden:
			return ErrForbidden
		}
		return ErrBadRequest
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return ErrBadRequest
	case http.StatusNotFound, http.StatusGone:
		switch e.Operation {
		case transport.TokenOperation, "List", "Create":
			return nil // the URL is wrong, not an ID
		}
		return ErrNotFound
	case http.StatusTooManyRequests:
		return ErrRateLimited
	}
	if e.StatusCode >= 500 {
		return ErrServer
	}
	return nil
}

// LogValue returns a group with the attributes message, operation, method, path, status,
// detail_code, tracking_id, request_id and retry_after. Empty ones are omitted.
func (e *Error) LogValue() slog.Value {
	return slog.GroupValue(withoutEmpty(
		slog.String("message", e.Error()), slog.String("operation", e.Operation), slog.String("method", e.Method), slog.String("path", e.Path),
		slog.Int("status", e.StatusCode), slog.String("detail_code", e.DetailCode), slog.String("tracking_id", e.TrackingID),
		slog.String("request_id", e.RequestID), slog.Duration("retry_after", e.RetryAfter),
	)...)
}

// withoutEmpty returns the attributes that are neither empty nor 0.
func withoutEmpty(attrs ...slog.Attr) []slog.Attr {
	return slices.DeleteFunc(attrs, func(a slog.Attr) bool {
		return a.Value.String() == "" || a.Value.Equal(slog.IntValue(0)) || a.Value.Equal(slog.DurationValue(0))
	})
}

// An errorBody has the fields of all error formats: the service's, the two of its gateway,
// whose types are not specified, and OAuth's.
type errorBody struct {
	api.ErrorResponseDto

	Error            any    `json:"error"`
	ErrorDescription string `json:"error_description"`
	Message          any    `json:"message"`
}

// What readBody quotes of a body.
const (
	quoteFields = iota // only the fields of a JSON error
	quoteTitle         // also the title of a page
	quoteText          // also other texts
)

// readBody sets the fields of e from the body of a response, and reports whether that is a JSON
// object.
func (e *Error) readBody(resp *transport.Response, secrets *redactor, quote int) bool {
	data := resp.Data[:min(len(resp.Data), transport.MaxErrorBody)]
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	addMessage := func(text string) {
		if text = secrets.clean(strings.TrimSpace(text)); text != "" {
			e.Messages = append(e.Messages, Message{Text: text})
		}
	}
	// The service's own gateway sends a 429, with only a message.
	suspect, rejected := requestID(resp) == "", e.StatusCode/100 == 4 && e.StatusCode != http.StatusTooManyRequests
	var b errorBody
	err := json.Unmarshal(data, &b)
	var mistyped *json.UnmarshalTypeError
	if err != nil && (!errors.As(err, &mistyped) || mistyped.Field == "") {
		// The service responds to a HEAD, and maybe to a request of Do, without a body.
		silent := len(data) == 0 && (e.Method == http.MethodHead || e.Operation == doOperation)
		cutOff := len(data) > 0 && (data[0] == '{' || data[0] == '[')
		e.Intermediary = suspect && (rejected && !silent && !cutOff || isPage(data) && e.StatusCode < 500)
		addMessage(readableText(data, resp.Header, quote))
		return false
	}
	messages := func(in []api.ErrorMessageDto) (out []Message) {
		for _, m := range in {
			out = append(out, Message{secrets.clean(m.Locale), secrets.clean(string(m.LocaleOrigin)), secrets.clean(m.Text)})
		}
		return out
	}
	e.DetailCode, e.TrackingID = secrets.clean(b.DetailCode), secrets.clean(b.TrackingID)
	e.Messages, e.Causes = messages(b.Messages), messages(b.Causes)
	known := e.DetailCode != "" || e.TrackingID != "" || len(e.Messages)+len(e.Causes) > 0
	// Gateways of AWS reject a request with only a message.
	e.Intermediary = suspect && rejected && !known && b.Error == nil && b.Message != nil
	if b.ErrorDescription != "" {
		code, _ := b.Error.(string)
		e.DetailCode, b.Error = secrets.clean(code), b.ErrorDescription
	}
	for _, v := range []any{b.Error, b.Message} {
		if text, ok := v.(string); ok {
			addMessage(text)
		} else if text, err := json.Marshal(v); v != nil && err == nil && quote == quoteText {
			addMessage(string(text))
		}
	}
	if !known && e.DetailCode == "" && len(e.Messages) == 0 && quote == quoteText {
		addMessage(string(data))
	}
	return true
}

// describeBody returns the size and type of a body: "212 bytes of text/html".
func describeBody(resp *transport.Response, secrets *redactor) string {
	size := len(resp.Data)
	if size == 0 {
		return "an empty body"
	}
	kind, _, err := mime.ParseMediaType(secrets.redact(resp.Header.Get("Content-Type"))) // in lower case
	if err != nil {
		kind = "an unnamed type"
	}
	unit := "bytes"
	if size == 1 {
		unit = "byte"
	}
	return fmt.Sprintf("%d %s of %s", size, unit, kind)
}

// isPage reports whether data looks like HTML or XML.
func isPage(data []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) }

// readableText returns what to quote of a body that isn't JSON: the title of a page, or a
// plain text.
func readableText(data []byte, header http.Header, quote int) string {
	lower := bytes.ToLower(data)
	_, rest, found := bytes.Cut(lower, []byte("<title>"))
	title, _, closed := bytes.Cut(rest, []byte("</title>"))
	switch kind, _, _ := mime.ParseMediaType(header.Get("Content-Type")); {
	case quote == quoteFields:
	case found && closed && len(lower) == len(data):
		start := len(data) - len(rest)
		return string(data[start : start+len(title)])
	case kind == "text/plain" && quote == quoteText:
		return string(data)
	}
	return ""
}

// The limits of texts, in bytes.
const (
	maxField = 512
	maxText  = 4096 // of an error's text without the notes
)

// truncate shortens the text of a field.
func truncate(text string) string { return shorten(text, maxField) }

// shorten shortens text to limit bytes of valid UTF-8, and an ellipsis.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return strings.ToValidUTF8(text, "�")
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
