package customizers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/connector-customizers/customizers/internal/transport"
)

// Do sends a request to any other endpoint of the tenant, with this client's token, rate
// limit, retries and logging. The URL is a path, such as "/beta/connector-instances", or
// absolute with the tenant's own scheme, host and port. Do does not change req. It sets the
// Authorization header, and User-Agent and Accept (application/json) if they are missing.
//
// Do returns a response of any status with a nil error, even a 503 or a redirect; use
// [CheckResponse] to turn the status into an error. It first makes the retries that the
// method allows: POST and PATCH are retried like [Client.Create], other methods like
// [Client.Get]. If a DELETE succeeds but its response is lost, the response is that of the next
// attempt, usually a 404. If repeating a POST or a PATCH is safe, as for a search, set the
// header Idempotency-Key, as for net/http; it is not sent if its list of values is empty. A
// request whose body was read, and has no GetBody, is not retried. The body of the response is
// in memory, at most 16 MiB, or 64 KiB if the status is not 2xx. It need not be closed.
//
// If the URL is not on the tenant, Do returns [ErrInvalidArgument] and sends nothing, so that no
// token reaches another host. Any other error is an [*Error], which means that no complete
// response was received, the context ended, or the token request failed (then its Operation is
// Token). It matches [ErrOutcomeUnknown] if the service may have carried out a POST or a PATCH.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if req == nil || req.URL == nil {
		return nil, fmt.Errorf("%w: the request has no URL", ErrInvalidArgument)
	}
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }() // as net/http does, even if nothing is sent
	}
	u, err := c.resolve(*req.URL)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.URL, out.Host, out.RequestURI, out.Method = u, "", "", cmp.Or(out.Method, http.MethodGet)
	if out.Header == nil {
		out.Header = http.Header{}
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header["User-Agent"] = c.agent
	}
	if out.Header.Get("Accept") == "" {
		out.Header["Accept"] = acceptJSON
	}
	var f *transport.Error
	resp, err := c.chain.Do(&transport.Call{
		Context:    req.Context(),
		Operation:  doOperation,
		Request:    out,
		Idempotent: isIdempotent(out),
		Streamed:   out.Body != nil && out.Body != http.NoBody && (out.ContentLength <= 0 || out.ContentLength >= expectContinueFrom),
	})
	if err != nil {
		var ended *transport.ContextError
		if errors.As(err, &f); f.Response == nil || f.Err != nil || f.Call.Operation != doOperation || errors.As(f.StopCause, &ended) {
			return nil, c.newError(err)
		}
		resp = f.Response
	}
	if f == nil {
		f = transport.StatusError(resp.Call, resp)
	}
	// An attempt's context has ended, and net/http's transport sets Request, but another may not.
	resp.Request = resp.Call.Request.WithContext(context.WithValue(req.Context(), exchangeKey{}, &exchange{f, c.secrets}))
	resp.Body = io.NopCloser(bytes.NewReader(resp.Data))
	if out.Method != http.MethodHead { // which keeps the length of a GET
		resp.ContentLength = int64(len(resp.Data))
	}
	return resp.Response, nil
}

const doOperation = "Do"

// isIdempotent reports whether repeating a request is safe.
func isIdempotent(req *http.Request) bool {
	_, keyed := req.Header["Idempotency-Key"] // net/http does not send it if it is empty
	return keyed || req.Method != http.MethodPost && req.Method != http.MethodPatch
}

// An exchange is what CheckResponse needs of a response of Do, other than its status. It is in
// the context of the response's request, because a generated client may read or replace the
// body.
type exchange struct {
	failure *transport.Error // as if the status were a failure
	secrets *redactor
}

type exchangeKey struct{}

// resolve returns the URL of a request on the tenant.
func (c *Client) resolve(u url.URL) (*url.URL, error) {
	if u.Scheme == "" && u.Host == "" {
		u.Scheme, u.Host = c.tenant.Scheme, c.tenant.Host
	}
	shown := u // without what may be secret
	shown.RawQuery, shown.Fragment = "", ""
	text := c.secrets.clean(shown.Redacted())
	switch {
	case u.Opaque != "" || u.User != nil || !strings.HasPrefix(u.Path, "/"):
		return nil, fmt.Errorf("%w: the URL %q is not a path of the tenant (want for example /beta/connector-instances)", ErrInvalidArgument, text)
	case u.Scheme != c.tenant.Scheme || !strings.EqualFold(transport.HostPort(&u), transport.HostPort(c.tenant)):
		return nil, fmt.Errorf("%w: the URL %q is not on the tenant, %s", ErrInvalidArgument, text, c.tenant)
	}
	return &u, nil
}

// CheckResponse returns nil if the status of a response of [Client.Do] is 2xx. Otherwise it
// returns the [*Error] that the other methods would return, with the details in the body. A 404
// or 410 is [ErrNotFound]. A POST or PATCH that the service may have carried out, for example
// one with the status 503, is [ErrOutcomeUnknown].
//
// The body may have been read, closed or replaced. If it was not, it can still be read.
func CheckResponse(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	req := resp.Request
	if req == nil {
		req = &http.Request{}
	}
	if x, ok := req.Context().Value(exchangeKey{}).(*exchange); ok {
		return newError(x.failure, x.secrets)
	}
	var data []byte
	if resp.Body != nil { // of another client
		data, _ = io.ReadAll(io.LimitReader(resp.Body, transport.MaxErrorBody))
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(data))
	}
	_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	id, secret, _ := req.BasicAuth()
	secrets := newRedactor(id, secret)
	secrets.addToken(token)
	call := &transport.Call{Operation: doOperation, Request: req, Attempt: 1}
	f := transport.StatusError(call, &transport.Response{Response: resp, Data: data})
	f.OutcomeUnknown = !isIdempotent(req) && transport.MayHaveActed(resp.StatusCode)
	return newError(f, secrets)
}
