package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/connector-customizers/customizers"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitDenied      = 4
	exitRateLimited = 5
	exitUnknown     = 6
)

const exitHelp = `Exit codes: 0 done; 1 failed; 2 the command line can't be used; 3 there is no such
customizer or connector instance; 4 no or wrong credentials, or not permitted; 5 rate
limited; the requested wait exceeds --max-wait; 6 the outcome is unknown: check before you
repeat it.`

// A usageError is a command line that can't be used.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usageErrorf(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// An adviceError is an error with an exit code of its own, or with what to do about it.
type adviceError struct {
	err    error
	code   int
	advice string
}

func (e *adviceError) Error() string { return e.err.Error() }
func (e *adviceError) Unwrap() error { return e.err }

// exitCode is the exit code of an error, and a word for its kind.
func exitCode(err error) (int, string) {
	var usage *usageError
	var own *adviceError
	switch {
	case err == nil:
		return exitOK, ""
	case errors.As(err, &usage):
		return exitUsage, "usage"
	case errors.Is(err, customizers.ErrOutcomeUnknown):
		return exitUnknown, "outcome_unknown"
	case errors.Is(err, customizers.ErrRateLimited):
		return exitRateLimited, "rate_limited"
	case errors.Is(err, customizers.ErrUnauthorized):
		return exitDenied, "unauthorized"
	case errors.Is(err, customizers.ErrForbidden):
		return exitDenied, "forbidden"
	case errors.Is(err, customizers.ErrNotFound):
		return exitNotFound, "not_found"
	case errors.As(err, &own) && own.code == exitDenied:
		return exitDenied, "no_credentials"
	case errors.Is(err, customizers.ErrServer):
		return exitFailure, "server"
	case errors.Is(err, customizers.ErrInvalidArgument):
		return exitFailure, "invalid_argument"
	case errors.Is(err, customizers.ErrBadRequest):
		return exitFailure, "bad_request"
	case errors.Is(err, customizers.ErrConnection):
		return exitFailure, "connection"
	}
	return exitFailure, "failure"
}

// report writes an error, if there is one, and returns the exit code.
func (a *app) report(ctx context.Context, err error) int {
	code, kind := exitCode(err)
	if err == nil {
		return code
	}
	message := messageOf(err)
	advice := adviceOn(err)
	if code != exitUnknown && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		code, kind, advice = exitFailure, "interrupted", ""
	}
	if ctx.Err() != nil {
		canceled, cause := context.Canceled.Error(), context.Cause(ctx).Error()
		message = strings.NewReplacer(canceled+": "+cause, "interrupted", cause, "interrupted", canceled, "interrupted").Replace(message)
	}
	if a.output.format == formatJSON || a.output.format == formatJSONL {
		a.console.print(jsonOf(reportOf(err, code, kind, message, advice)))
		return code
	}
	if advice != "" {
		message += "; " + advice
	}
	a.console.print(painted(colours(a.console.w), red, "customizers:") + " " + printable(message))
	return code
}

// messageOf is the text of an error in one line, without the package that each part of it
// names, which is this program's name too.
func messageOf(err error) string {
	text := strings.TrimPrefix(err.Error(), "customizers: ")
	return strings.NewReplacer("\ncustomizers: ", "; ", "\n", "; ", ": customizers: ", ": ").Replace(text)
}

// A failure is the JSON form of an error. What is not known is left out.
type failure struct {
	Kind              string   `json:"kind"`
	ExitCode          int      `json:"exitCode"`
	Message           string   `json:"message"`
	Advice            string   `json:"advice,omitzero"`
	Method            string   `json:"method,omitzero"`
	Path              string   `json:"path,omitzero"`
	Status            int      `json:"status,omitzero"`
	DetailCode        string   `json:"detailCode,omitzero"`
	TrackingID        string   `json:"trackingId,omitzero"`
	Texts             []string `json:"texts,omitempty"`
	Attempts          int      `json:"attempts,omitzero"`
	RetryAfterSeconds float64  `json:"retryAfterSeconds,omitzero"`
}

func reportOf(err error, code int, kind, message, advice string) any {
	f := failure{Kind: kind, ExitCode: code, Message: message, Advice: advice}
	var e *customizers.Error
	if errors.As(err, &e) {
		f.Method, f.Path, f.Status = e.Method, e.Path, e.StatusCode
		f.DetailCode, f.TrackingID, f.Attempts = e.DetailCode, e.TrackingID, e.Attempts
		f.RetryAfterSeconds = e.RetryAfter.Seconds()
		for _, m := range e.Messages {
			f.Texts = append(f.Texts, m.Text)
		}
		for _, m := range e.Causes {
			f.Texts = append(f.Texts, m.Text)
		}
	}
	return map[string]failure{"error": f}
}

func jsonOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error() // strings and numbers can be marshaled
	}
	return string(data)
}
