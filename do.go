package customizers

import (
	"bytes"
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
// absolute with the tenant's own scheme, host and port. Do does not change req; it sends its
// own Authorization header, and adds User-Agent, and Accept for JSON, if they are missing.
//
// Any status comes back as a response with a nil error, even a 503 or a redirect, after
// the retries that the method allows: those of [Client.Create] for POST and PATCH, those of
// [Client.Get] for other methods. Use [CheckResponse] for its error. A request whose body
// has no GetBody is not retried once it has been sent. The body of the response is in
// memory, at most 16 MiB, or 64 KiB if the status is not 2xx; closing it is optional.
//
// Do returns [ErrInvalidArgument] for any other URL, and sends nothing: no token leaves for
// another host. Any other error is an [*Error], and means that there is no response. It
// matches [ErrOutcomeUnknown] if the service may have carried out a POST or a PATCH.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if req == nil || req.URL == nil {
		return nil, fmt.Errorf("%w: the request has no URL", ErrInvalidArgument)
	}
	u, err := c.resolve(*req.URL)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.URL, out.Host, out.RequestURI = u, "", ""
	if out.Header == nil {
		out.Header = http.Header{}
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header["User-Agent"] = c.agent
	}
	if out.Header.Get("Accept") == "" {
		out.Header["Accept"] = acceptJSON
	}
	resp, err := c.chain.Do(&transport.Call{
		Context:    req.Context(),
		Operation:  "Do",
		Request:    out,
		Idempotent: out.Method != http.MethodPost && out.Method != http.MethodPatch,
		Streamed:   out.Body != nil && out.Body != http.NoBody && (out.ContentLength < 0 || out.ContentLength >= expectContinueFrom),
	})
	if err != nil {
		if out.Body != nil {
			_ = out.Body.Close() // as net/http does, also if it was never sent
		}
		var f *transport.Error
		var ended *transport.ContextError
		if errors.As(err, &f); f.Response == nil || f.Err != nil || errors.As(f.StopCause, &ended) {
			return nil, c.newError(err)
		}
		resp = f.Response
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(resp.Data)), int64(len(resp.Data))
	return resp.Response, nil
}

// resolve returns the URL of a request on the tenant.
func (c *Client) resolve(u url.URL) (*url.URL, error) {
	if u.Scheme == "" && u.Host == "" {
		u.Scheme, u.Host = c.tenant.Scheme, c.tenant.Host
	}
	switch {
	case u.Opaque != "" || u.User != nil || !strings.HasPrefix(u.Path, "/"):
		return nil, fmt.Errorf("%w: the URL %q is not a path of the tenant (want /beta/connector-instances, for example)", ErrInvalidArgument, u.Redacted())
	case !strings.EqualFold(u.Scheme, c.tenant.Scheme) || !strings.EqualFold(u.Hostname(), c.tenant.Hostname()) || portOf(&u) != portOf(c.tenant):
		return nil, fmt.Errorf("%w: the URL %q is not on the tenant, %s", ErrInvalidArgument, u.Redacted(), c.tenant)
	}
	return &u, nil
}

func portOf(u *url.URL) string {
	if u.Port() == "" && u.Scheme == "https" {
		return "443"
	}
	if u.Port() == "" {
		return "80"
	}
	return u.Port()
}

// CheckResponse returns nil for a status of 2xx, and otherwise the [*Error] that the body of
// a response to [Client.Do] makes. A 404 is [ErrNotFound]. The body can be read again.
func CheckResponse(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, transport.MaxErrorBody))
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(data))
	req := resp.Request
	if req == nil {
		req = &http.Request{}
	}
	_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	f := transport.StatusError(&transport.Call{Operation: "Do", Request: req, Attempt: 1}, &transport.Response{Response: resp, Data: data})
	f.Err = err
	return newError(f, redactor("")(token))
}
