package customizers

import (
	"bytes"
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
)

// The kinds of failure, for [errors.Is].
var (
	// ErrInvalidRequest: an argument can't be used, and nothing was sent, or the
	// service answered 400, 413, 415 or 422.
	ErrInvalidRequest = errors.New("customizers: invalid request")
	// ErrUnauthorized: the service answered 401 and there was no other token to be had,
	// or it refused that one too, or the token endpoint refused the credentials.
	ErrUnauthorized = errors.New("customizers: unauthorized")
	// ErrForbidden: the service answered 403: the token's user or scopes do not allow
	// the operation.
	ErrForbidden = errors.New("customizers: forbidden")
	// ErrNotFound: the service answered 404: there is no such customizer.
	ErrNotFound = errors.New("customizers: not found")
	// ErrRateLimited: the service answered 429 to the last try, or the client held the
	// request back, because of an earlier 429 or its own rate limit, until the wait was
	// too long. See Error.RetryAfter.
	ErrRateLimited = errors.New("customizers: rate limited")
	// ErrServer: the service answered with a status of 500 or above to the last try.
	ErrServer = errors.New("customizers: server error")
	// ErrOutcomeUnknown: a create, of a customizer or of a version, failed in a way
	// that leaves open whether the service carried it out. It was not sent again.
	ErrOutcomeUnknown = errors.New("customizers: outcome unknown")
	// ErrAmbiguous: several customizers have the name. Every such error is an
	// [*AmbiguousError], which lists them.
	ErrAmbiguous = errors.New("customizers: ambiguous name")
)

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

// An Error is the failure of a call after something was sent or was due to be. It
// never holds a token, a secret or a byte of an archive.
//
// It wraps the sentinels that apply and what caused it, such as the error of the
// connection or of the context.
type Error struct {
	Operation string // the method of Client that failed, without its receiver, or Token

	Method string // of the request that failed
	Path   string // of the request that failed: /oauth/token when no token could be had

	StatusCode int       // of the last response; 0 when none came
	DetailCode string    // the service's code, finer than the status; OAuth's error code for a token
	TrackingID string    // under which the service logged the error
	RequestID  string    // what the service calls the request, from its SLPT-Request-ID
	Messages   []Message // the reason, in general terms
	Causes     []Message // the reasons, in detail

	RetryAfter time.Duration // how long the service asked to wait; 0 when it did not
	Attempts   int           // how many times the request was sent

	what   string  // what went wrong, where the status does not say it
	wraps  []error // sentinels and causes
	reason string  // why it was not tried again, where that is not plain
	// An earlier try ended in a way that leaves open whether the service acted.
	earlierMayHaveActed bool
}

// A Message is one text of an [Error].
type Message struct {
	Locale       string // language of the text as a BCP 47 tag; may be empty
	LocaleOrigin string // DEFAULT, REQUEST, a value added since, or empty
	Text         string
}

// Error tells the request, the status, the texts and IDs of the service, the number
// of tries and what follows, on one line.
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
	note(e.Attempts > 1, "after %d tries", e.Attempts)
	note(e.reason != "", "%s", e.reason)
	note(e.RetryAfter > 0, "try again in %v", e.RetryAfter.Round(time.Millisecond))
	note(errors.Is(e, ErrOutcomeUnknown), "the service may have carried it out: look before sending it again")
	if len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, "; ") + ")")
	}
	return b.String()
}

// Unwrap returns the sentinels that apply and the causes.
func (e *Error) Unwrap() []error { return e.wraps }

// LogValue makes a group of the error's fields.
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

// wrap adds what is not nil to what e wraps.
func (e *Error) wrap(errs ...error) {
	for _, err := range errs {
		if err != nil {
			e.wraps = append(e.wraps, err)
		}
	}
}

// sentinelOf is the sentinel of a status. A token request is one whose refusal means
// that the credentials are wrong.
func sentinelOf(status int, tokenRequest bool) error {
	switch {
	case tokenRequest && (status == http.StatusBadRequest || status == http.StatusForbidden):
		return ErrUnauthorized
	case status >= 500:
		return ErrServer
	}
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return ErrInvalidRequest
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound, http.StatusGone:
		return ErrNotFound
	case http.StatusTooManyRequests:
		return ErrRateLimited
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

// readBody fills e from the body of a failed response. What the body says passes
// through redact first; a body that isn't JSON is named, and quoted only if quote.
func (e *Error) readBody(resp *http.Response, body []byte, redact func(string) string, quote bool) {
	var b errorBody
	err := json.Unmarshal(body, &b)
	var mistyped *json.UnmarshalTypeError
	if err != nil && (!errors.As(err, &mistyped) || mistyped.Field == "") {
		e.what = describeBody(resp, len(body)) + " where a JSON error was due"
		if text := plainText(resp, body); quote && text != "" {
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
		e.Messages = texts(redact(string(body)))
	}
}

func texts(text string) []Message {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	return []Message{{Text: cut(text)}}
}

// describeBody says what came as a response's body: "212 bytes of text/html".
func describeBody(resp *http.Response, size int) string {
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

// plainText is what a person would read in a body that isn't JSON: the title of a
// page, or the beginning of a text.
func plainText(resp *http.Response, body []byte) string {
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

// hostOf is where a redirect points, without what might be secret in it.
func hostOf(resp *http.Response) string {
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
