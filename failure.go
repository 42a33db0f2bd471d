package customizers

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// failure describes a try that failed: by err, or by the status of resp.
func (c *call) failure(resp *http.Response, body []byte, err error) *Error {
	e := c.newError()
	e.Attempts, e.earlierMayHaveActed = c.sent, c.acted
	if resp != nil {
		e.StatusCode, e.RequestID = resp.StatusCode, requestID(resp)
	}
	redact := c.redact(c.token)
	switch {
	case resp == nil:
		e.what = err.Error()
		var u *url.Error // repeats the method and the URL
		if errors.As(err, &u) {
			e.what = u.Err.Error()
		}
	case errors.Is(err, errTooLarge):
		e.what = err.Error()
	case err != nil:
		e.what = fmt.Sprintf("the body broke off after %s: %v", describeBody(resp, len(body)), err)
	case resp.StatusCode/100 == 3:
		e.what = fmt.Sprintf("redirects to %s are not followed, as credentials would go there", hostOf(resp))
	default:
		e.RetryAfter = parseRetryAfter(resp.Header, time.Now())
		quote := c.tokens != nil && c.req.Header.Get("Content-Type") != zipType
		e.readBody(resp, body, redact, quote)
		e.wrap(sentinelOf(resp.StatusCode, c.tokens == nil))
	}
	if what := redact(e.what); what != e.what {
		e.what, err = what, nil // it has a secret
	}
	e.wrap(err)
	return e
}

func (c *call) newError() *Error {
	return &Error{Operation: c.operation(), Method: c.req.Method, Path: c.req.URL.Path}
}

// heldBack describes a try that was due and not sent, because err ended the wait for
// it. What the try before said is kept.
func (c *call) heldBack(err error) *Error {
	var failed *Error
	if errors.As(err, &failed) {
		return failed // no token
	}
	e := c.last
	if e == nil {
		e = c.newError()
		e.what = "not sent: " + err.Error()
	} else {
		e.reason = "not sent again: " + err.Error()
	}
	var w *waitError
	if errors.As(err, &w) {
		e.RetryAfter = max(e.RetryAfter, w.wait)
		e.wrap(ErrRateLimited)
	}
	e.wrap(err)
	return e
}

// redact takes the token and the client secret out of a text of the service's. One of
// under four bytes is none, and would garble it.
func (s *sender) redact(token *oauth2.Token) func(string) string {
	var pairs []string
	add := func(secret string) {
		if len(secret) >= 4 {
			pairs = append(pairs, secret, "[redacted]")
		}
	}
	add(s.secret)
	add(url.QueryEscape(s.secret))
	if quoted, err := json.Marshal(s.secret); err == nil {
		add(strings.Trim(string(quoted), `"`))
	}
	if token != nil {
		add(token.AccessToken)
	}
	return strings.NewReplacer(pairs...).Replace
}
