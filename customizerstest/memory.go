package customizerstest

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// WithoutSocket starts no listener. The clients of [Server.Client] call the tenant within the
// process. A test can then run in a bubble of testing/synctest, where waits take no time. Other
// clients can use the Server as an [http.Handler].
func WithoutSocket() Option { return func(c *config) { c.noSocket = true } }

// urlWithoutSocket has a loopback host: a client sends credentials over plain HTTP to no other.
const urlWithoutSocket = "http://localhost"

// A memoryTransport passes requests to a tenant in the same process.
type memoryTransport struct{ srv *Server }

// The errors of net for a host that is down and for a connection that is reset.
var (
	errRefused = &net.OpError{Op: "dial", Net: "memory", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	errReset   = &net.OpError{Op: "read", Net: "memory", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
)

// RoundTrip implements [http.RoundTripper].
func (m memoryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if m.srv.isClosed() {
		return nil, errRefused
	}
	in := req.Clone(req.Context())
	in.RequestURI = req.URL.RequestURI()
	in.Host = cmp.Or(in.Host, req.URL.Host)
	if in.Body == nil {
		in.Body = http.NoBody
	}
	resp := m.srv.respond(in)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if resp.status == 0 {
		return nil, errReset
	}
	return resp.read(req)
}

// read returns the response that net/http would read from a connection.
func (r *response) read(req *http.Request) (*http.Response, error) {
	r.finish()
	if r.header.Get("Date") == "" {
		r.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	var head bytes.Buffer
	text := cmp.Or(http.StatusText(r.status), fmt.Sprintf("status code %d", r.status))
	_, _ = fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", r.status, text)
	_ = r.header.Write(&head)
	head.WriteString("\r\n")
	body, truncated := r.truncate()
	var end errReader
	if truncated {
		end.err = errReset
	}
	return http.ReadResponse(bufio.NewReader(io.MultiReader(&head, bytes.NewReader(body), end)), req)
}
