package cli

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/connector-customizers/customizers/customizerstest"
)

const faultHelp = `A fault is OPERATION:EFFECT[,...]. Operations: list, create, get, update, delete, upload,
instances, link, logs, token, info, or any for all except token and info. Effects:

` + faultEffects

const faultEffects = `    status=503       respond with this status and the service's error for it
    retry-after=7    add a Retry-After header, in seconds
    body=TEXT        respond with the rest of the rule as the body; body= for no body
    reset            reset the connection instead of responding
    truncate=100     reset the connection after 100 bytes of the body
    apply            carry out the request, then fail it
    delay=2s         wait before anything else
    expire-token     reject the request's token from now on
    times=2          fail 2 requests (default 1); times=always fails all
    skip=1           let 1 request pass first`

const anyOperation = "any"

var faultOperations = strings.Split(anyOperation+" list create get update delete upload instances link logs token info", " ")

// A faultRule is a rule of --fault: a fault, whose Retry-After is an effect of its own.
type faultRule struct {
	customizerstest.Fault

	retryAfter int // in seconds; -1 for none
}

// effects returns flags for all effects but the body, which set the fields of r. A flag's usage
// is an example of its value.
func (r *faultRule) effects() *flag.FlagSet {
	e := flag.NewFlagSet("", flag.ContinueOnError)
	e.BoolVar(&r.Apply, "apply", false, "")
	e.DurationVar(&r.Delay, "delay", 0, "2s")
	e.BoolVar(&r.ExpireToken, "expire-token", false, "")
	e.BoolVar(&r.Reset, "reset", false, "")
	e.IntVar(&r.retryAfter, "retry-after", -1, "7")
	e.IntVar(&r.Skip, "skip", 0, "1")
	e.IntVar(&r.Status, "status", 0, "503")
	e.IntVar(&r.Times, "times", 0, "2")
	e.IntVar(&r.TruncateAt, "truncate", 0, "100")
	return e
}

// parseFault parses a rule of --fault.
func parseFault(rule string) (customizerstest.Fault, error) {
	var r faultRule
	flags := r.effects()
	operation, effects, _ := strings.Cut(rule, ":")
	switch {
	case !slices.Contains(faultOperations, operation):
		return r.Fault, fmt.Errorf("unknown operation %q (want %s)", operation, strings.Join(faultOperations, ", "))
	case effects == "":
		return r.Fault, fmt.Errorf("no effect (want, for example, %s:status=503)", operation)
	case operation != anyOperation:
		r.Operation = customizerstest.Operation(operation)
	}
	effects, body, hasBody := strings.Cut(","+effects, ",body=") // which may have commas
	for effect := range strings.SplitSeq(strings.TrimPrefix(effects, ","), ",") {
		if err := setEffect(flags, effect); err != nil && effects != "" {
			return r.Fault, err
		}
	}
	switch {
	case r.Status == 0 && (hasBody || r.retryAfter >= 0):
		return r.Fault, errors.New("body and retry-after need a status")
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return r.Fault, fmt.Errorf("status=%d is not valid (want 200 to 599)", r.Status)
	case r.Reset && (r.Status != 0 || r.TruncateAt != 0), r.Status != 0 && r.TruncateAt != 0:
		return r.Fault, errors.New("status, reset and truncate can't be combined")
	case r.Apply && r.Status == 0 && !r.Reset:
		return r.Fault, errors.New("apply needs a status or reset")
	case r.Status == 0 && !r.Reset && r.TruncateAt == 0 && r.Delay == 0 && !r.ExpireToken:
		return r.Fault, errors.New("no effect (want status, reset, truncate, delay or expire-token)")
	}
	header := http.Header{}
	if r.retryAfter >= 0 {
		header.Set("Retry-After", strconv.Itoa(r.retryAfter))
	}
	if hasBody && body == "" {
		header.Set("Content-Type", "text/plain") // for no body
	}
	if r.Body = body; len(header) > 0 {
		r.Header = header
	}
	return r.Fault, nil
}

func setEffect(flags *flag.FlagSet, effect string) error {
	name, value, hasValue := strings.Cut(effect, "=")
	f := flags.Lookup(name)
	switch {
	case f == nil:
		return fmt.Errorf("unknown effect %q (want status, retry-after, body, reset, truncate, apply, delay, expire-token, times or skip)", name)
	case effect == "times=always":
		return f.Value.Set("-1")
	case f.Usage == "" && hasValue:
		return fmt.Errorf("%s takes no value", name)
	case f.Usage == "":
		return f.Value.Set("true")
	}
	err := f.Value.Set(value)
	if set := f.Value.String(); err != nil || set == f.DefValue || set[0] == '-' {
		return fmt.Errorf("%s is not valid (want, for example, %s=%s)", effect, name, f.Usage)
	}
	return nil
}

// faultText returns the rule of a fault.
func faultText(f customizerstest.Fault) string {
	var r faultRule
	flags := r.effects()
	r.Fault = f
	if seconds, err := strconv.Atoi(f.Header.Get("Retry-After")); err == nil {
		r.retryAfter = seconds
	}
	var effects []string
	flags.VisitAll(func(f *flag.Flag) {
		switch value := f.Value.String(); value {
		case f.DefValue:
		case "true":
			effects = append(effects, f.Name)
		case "-1":
			effects = append(effects, f.Name+"=always")
		default:
			effects = append(effects, f.Name+"="+value)
		}
	})
	if f.Body != "" || f.Header.Get("Content-Type") != "" {
		effects = append(effects, "body="+f.Body)
	}
	return cmp.Or(string(f.Operation), anyOperation) + ":" + strings.Join(effects, ",")
}
