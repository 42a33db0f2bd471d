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

// WithoutSocket starts no listener. The clients of [Server.Client] reach the tenant in the
// process, so that a test can run in a bubble of testing/synctest, where waits take no time.
// For any other transport, the Server is an [http.Handler].
func WithoutSocket() Option { return func(c *config) { c.noSocket = true } }

// urlWithoutSocket is a URL to which a client sends credentials.
const urlWithoutSocket = "http://localhost"

// memory is a transport to a tenant in the same process.
type memory struct{ srv *Server }

// The errors of net for a host that is down and for a connection that is reset.
var (
	errRefused = &net.OpError{Op: "dial", Net: "memory", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	errReset   = &net.OpError{Op: "read", Net: "memory", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
)

func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if m.srv.closed() {
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
	if resp.status == 0 || m.srv.closed() {
		return nil, errReset
	}
	return resp.read(req)
}

// read returns the response as net/http reads it from a connection.
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
	body, cut := r.truncated()
	var end failing
	if cut {
		end.err = errReset
	}
	return http.ReadResponse(bufio.NewReader(io.MultiReader(&head, bytes.NewReader(body), end)), req)
}
