package customizerstest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// WithoutSocket starts no listener: the clients of [Server.Client] reach the tenant
// within the process, so that a test can run in a bubble of testing/synctest, where
// waits take no time. The Server is an [http.Handler], for any other transport.
func WithoutSocket() Option { return func(c *config) { c.noSocket = true } }

// urlWithoutSocket is one to which a client sends credentials.
const urlWithoutSocket = "http://localhost"

// A memory carries requests to a tenant in the same process.
type memory struct{ srv *Server }

// What the network says of a host that is down, and of a connection that is cut.
var (
	errRefused = &net.OpError{Op: "dial", Net: "memory", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	errReset   = &net.OpError{Op: "read", Net: "memory", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
)

func (m memory) RoundTrip(req *http.Request) (resp *http.Response, err error) {
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
	if in.Host == "" {
		in.Host = req.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &memoryAnswer{header: http.Header{}}
	cut := w.serve(m.srv, in)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if cut && w.status == 0 || m.srv.closed() {
		return nil, errReset
	}
	return w.response(req, cut)
}

// A memoryAnswer is a response as the handler writes it.
type memoryAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *memoryAnswer) Header() http.Header { return w.header }

func (w *memoryAnswer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *memoryAnswer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// serve has a request handled, and tells whether the connection was cut.
func (w *memoryAnswer) serve(h http.Handler, req *http.Request) (cut bool) {
	defer func() {
		if p := recover(); p != nil {
			err, ok := p.(error)
			if cut = ok && errors.Is(err, http.ErrAbortHandler); !cut {
				panic(p)
			}
		}
	}()
	h.ServeHTTP(w, req)
	return false
}

// response is the answer as net/http reads it from a connection, which may end in a cut.
func (w *memoryAnswer) response(req *http.Request, cut bool) (*http.Response, error) {
	w.WriteHeader(http.StatusOK)
	if w.header.Get("Date") == "" {
		w.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	var head bytes.Buffer
	text := cmp.Or(http.StatusText(w.status), fmt.Sprintf("status code %d", w.status))
	_, _ = fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", w.status, text)
	_ = w.header.Write(&head)
	head.WriteString("\r\n")
	var end error
	if cut {
		end = errReset
	}
	return http.ReadResponse(bufio.NewReader(io.MultiReader(&head, &w.body, failing{end})), req)
}
