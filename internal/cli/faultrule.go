package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/connector-customizers/customizers/customizerstest"
)

const faultHelp = `A fault is OPERATION:EFFECT[,...]. Operations: list, create, get, update, delete, upload,
instances, link, token, info, or any for all except token and info. Effects:
` + faultEffects

const faultEffects = `  status=503       respond with this status and the service's error for it
  retry-after=7    add a Retry-After header, in seconds
  body=TEXT        respond with the rest of the rule as the body; body= for no body
  reset            reset the connection instead of responding
  truncate=100     reset the connection after 100 bytes of the body
  apply            carry out the request, then fail it
  delay=2s         wait before anything else
  expire-token     refuse the request's token from now on
  times=2          fail 2 requests (default 1); times=always fails all
  skip=1           let 1 request pass first`

var faultOperations = map[string]customizerstest.Operation{
	"any":    "",
	"list":   customizerstest.List,
	"create": customizerstest.Create,
	"get":    customizerstest.Get,
	"update": customizerstest.Update,
	"delete": customizerstest.Delete,
	"upload": customizerstest.CreateVersion,

	"instances": customizerstest.ListInstances,
	"link":      customizerstest.UpdateInstance,

	"token": customizerstest.Token,
	"info":  customizerstest.Info,
}

// parseFault parses a rule of --fault.
func parseFault(rule string) (customizerstest.Fault, error) {
	var f customizerstest.Fault
	name, effects, ok := strings.Cut(rule, ":")
	op, known := faultOperations[name]
	switch {
	case !known:
		return f, fmt.Errorf("unknown operation %q (want list, create, get, update, delete, upload, instances, link, token, info or any)", name)
	case !ok || effects == "":
		return f, fmt.Errorf("no effect (want, for example, %s:status=503)", name)
	}
	f.Operation = op
	for effects != "" {
		if body, ok := strings.CutPrefix(effects, "body="); ok { // may have commas
			f.Body, f.EmptyBody = body, body == ""
			break
		}
		var effect string
		effect, effects, _ = strings.Cut(effects, ",")
		key, value, hasValue := strings.Cut(effect, "=")
		if err := setEffect(&f, key, value, hasValue); err != nil {
			return f, err
		}
	}
	switch {
	case f.Status == 0 && (f.Body != "" || f.EmptyBody || f.Header != nil):
		return f, errors.New("body and retry-after need a status")
	case f.Reset && (f.Status != 0 || f.TruncateAt != 0), f.Status != 0 && f.TruncateAt != 0:
		return f, errors.New("status, reset and truncate can't be combined")
	case f.Apply && f.Status == 0 && !f.Reset:
		return f, errors.New("apply needs a status or reset")
	case f.Status == 0 && !f.Reset && f.TruncateAt == 0 && f.Delay == 0 && !f.ExpireToken:
		return f, errors.New("no effect (want status, reset, truncate, delay or expire-token)")
	}
	return f, nil
}

func setEffect(f *customizerstest.Fault, key, value string, hasValue bool) error {
	flag := func(to *bool) error {
		if hasValue {
			return fmt.Errorf("%s takes no value", key)
		}
		*to = true
		return nil
	}
	number := func(to *int, least, most int) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%s=%s is not a number from %d to %d", key, value, least, most)
		}
		*to = n
		return nil
	}
	const many = 1 << 30
	switch key {
	case "reset":
		return flag(&f.Reset)
	case "apply":
		return flag(&f.Apply)
	case "expire-token":
		return flag(&f.ExpireToken)
	case "status":
		return number(&f.Status, 200, 599)
	case "truncate":
		return number(&f.TruncateAt, 1, many)
	case "skip":
		return number(&f.Skip, 0, many)
	case "times":
		if value == "always" {
			f.Times = -1
			return nil
		}
		return number(&f.Times, 1, many)
	case "retry-after":
		var seconds int
		err := number(&seconds, 0, many)
		f.Header = http.Header{"Retry-After": {value}}
		return err
	case "delay":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("delay=%s is not valid (want a duration, for example 2s or 500ms)", value)
		}
		f.Delay = d
		return nil
	}
	return fmt.Errorf("unknown effect %q (want status, retry-after, body, reset, truncate, apply, delay, expire-token, times or skip)", key)
}

// faultText returns the rule of a fault.
func faultText(f customizerstest.Fault) string {
	text := "any"
	for name, op := range faultOperations {
		if op == f.Operation {
			text = name
		}
	}
	var effects []string
	add := func(ok bool, format string, args ...any) {
		if ok {
			effects = append(effects, fmt.Sprintf(format, args...))
		}
	}
	add(f.Delay > 0, "delay=%v", f.Delay)
	add(f.ExpireToken, "expire-token")
	add(f.Apply, "apply")
	add(f.Status != 0, "status=%d", f.Status)
	add(f.Reset, "reset")
	add(f.TruncateAt > 0, "truncate=%d", f.TruncateAt)
	add(f.Skip > 0, "skip=%d", f.Skip)
	add(f.Times < 0, "times=always")
	add(f.Times > 0, "times=%d", f.Times)
	add(f.Header.Get("Retry-After") != "", "retry-after=%s", f.Header.Get("Retry-After"))
	add(f.Body != "" || f.EmptyBody, "body=%s", f.Body)
	return text + ":" + strings.Join(effects, ",")
}
