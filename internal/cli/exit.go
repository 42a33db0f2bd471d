package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/jedib0t/go-pretty/v6/text"

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
	exitAmbiguous   = 7
	exitInterrupted = 130
	exitPipe        = 141
)

// exitCodes describes the exit codes.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "done"},
	{exitFailure, "any other failure, or the confirmation was declined"},
	{exitUsage, "the command line is invalid (but an invalid --tenant or --env exits with 4)"},
	{exitNotFound, "no such customizer or connector instance"},
	{exitDenied, "a setting or credential is missing or wrong, or permission is denied"},
	{exitRateLimited, "rate limited; the requested wait exceeds --max-wait"},
	{exitUnknown, "the outcome is unknown: check before you repeat the command"},
	{exitAmbiguous, "several customizers or instances share the name"},
	{exitInterrupted, "interrupted"},
}

// errorKinds has the kinds of errors in JSON. The first whose target an error matches is the
// error's kind. Those without a target are not errors of the SDK.
var errorKinds = []struct {
	target error
	code   int
	kind   string
}{
	{customizers.ErrOutcomeUnknown, exitUnknown, "outcome_unknown"},
	{customizers.ErrRateLimited, exitRateLimited, "rate_limited"},
	{customizers.ErrUnauthorized, exitDenied, "unauthorized"},
	{customizers.ErrForbidden, exitDenied, "forbidden"},
	{customizers.ErrNotFound, exitNotFound, "not_found"},
	{customizers.ErrAmbiguous, exitAmbiguous, "ambiguous"},
	{customizers.ErrServer, exitFailure, "server"},
	{customizers.ErrInvalidArgument, exitFailure, "invalid_argument"},
	{customizers.ErrBadRequest, exitFailure, "bad_request"},
	{customizers.ErrConnection, exitFailure, "connection"},
	{nil, exitFailure, "failure"},
	{nil, exitUsage, "usage"},
	{nil, exitDenied, "configuration"},
	{nil, exitInterrupted, "interrupted"},
}

func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes, each with the kinds of its errors in JSON:\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "\n    %-3d  %s", e.code, e.meaning)
		var kinds []string
		for _, k := range errorKinds {
			if k.code == e.code {
				kinds = append(kinds, k.kind)
			}
		}
		if len(kinds) > 0 {
			b.WriteString("\n         [" + strings.Join(kinds, ", ") + "]")
		}
	}
	return b.String()
}

// An exitError is an error with advice or an exit code.
type exitError struct {
	err    error
	code   int    // 0 for the code of err
	advice string // may be empty
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageErrorf(format string, args ...any) error {
	return &exitError{err: fmt.Errorf(format, args...), code: exitUsage}
}

// exitCode returns the exit code of an error and its kind.
func exitCode(err error) (code int, kind string) {
	if own, ok := errors.AsType[*exitError](err); ok && own.code != 0 {
		return own.code, map[int]string{exitUsage: "usage", exitDenied: "configuration"}[own.code]
	}
	for _, k := range errorKinds {
		if k.target != nil && errors.Is(err, k.target) {
			return k.code, k.kind
		}
	}
	return exitFailure, "failure"
}

// report writes an error, if there is one, and returns the exit code.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok && p.Path == os.Stdout.Name() && errors.Is(p, syscall.EPIPE) {
		return exitPipe // as if SIGPIPE had ended the program, as in "customizers list | head"
	}
	code, kind := exitCode(err)
	message, advice := messageOf(err), adviceOn(err)
	if errors.Is(err, errInterrupted) || code != exitUnknown && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		code, kind, advice = exitInterrupted, "interrupted", ""
	}
	if ctx.Err() != nil {
		canceled, cause := context.Canceled.Error(), context.Cause(ctx).Error()
		message = strings.NewReplacer(canceled+": "+cause, "interrupted", cause, "interrupted", canceled, "interrupted").Replace(message)
	}
	if a.output.json() {
		data, _ := marshal(reportOf(err, code, kind, message, advice), "", "") // strings and numbers
		_, _ = a.console.Write(data)
		return code
	}
	if advice != "" {
		message += "; " + advice
	}
	name := "customizers:"
	if isTerminal(a.console.w) {
		name = text.FgRed.Sprint(name)
	}
	a.console.print(name + " " + printable(message))
	return code
}

// messageOf returns the text of an error in one line. It removes the name of the package,
// which is also the name of the program, and the names of system calls.
func messageOf(err error) string {
	message := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "customizers: "), "invalid argument: ")
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		message = strings.Replace(message, p.Error(), p.Path+": "+p.Err.Error(), 1)
	}
	return strings.NewReplacer("\ncustomizers: ", "; ", "\n", "; ", ": customizers: ", ": ").Replace(message)
}

// A failure is the JSON form of an error. outputHelp describes its keys.
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
	Messages          []string `json:"messages,omitempty"`
	Attempts          int      `json:"attempts,omitzero"`
	RetryAfterSeconds float64  `json:"retryAfterSeconds,omitzero"`
}

func reportOf(err error, code int, kind, message, advice string) map[string]failure {
	f := failure{Kind: kind, ExitCode: code, Message: message, Advice: advice}
	if e, ok := errors.AsType[*customizers.Error](err); ok {
		f.Method, f.Path, f.Status = e.Method, e.Path, e.StatusCode
		f.DetailCode, f.TrackingID, f.Attempts = e.DetailCode, e.TrackingID, e.Attempts
		f.RetryAfterSeconds = e.RetryAfter.Seconds()
		for _, m := range slices.Concat(e.Messages, e.Causes) {
			f.Messages = append(f.Messages, m.Text)
		}
	}
	return map[string]failure{"error": f}
}
