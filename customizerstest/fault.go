package customizerstest

import (
	"net/http"
	"time"
)

// An Operation is what a request does, in the words of customizers sandbox --fault.
type Operation string

// The operations of a tenant.
const (
	List          Operation = "list"
	Create        Operation = "create"
	Get           Operation = "get"
	Update        Operation = "update"
	Delete        Operation = "delete"
	CreateVersion Operation = "upload"

	ListInstances  Operation = "instances" // GET /beta/connector-instances
	UpdateInstance Operation = "link"      // PATCH /beta/connector-instances/{id}
	QueryLogs      Operation = "logs"      // POST /beta/platform-logs/query

	Token Operation = "token" // POST /oauth/token
	Info  Operation = "info"  // GET /oauth/info
)

// InjectedHeader marks a response to which a [Fault] applied. Such a response need not follow
// the contract.
const InjectedHeader = "X-Injected-Fault"

// A Fault makes requests fail. Delay and ExpireToken are applied first. Then the response has
// Status, the connection is reset (Reset), or the usual response is sent, truncated if
// TruncateAt is set.
//
// If Body is empty, a Status of 400 or above has the service's error as its body, unless Header
// sets a Content-Type. Then it has no body.
type Fault struct {
	Operation Operation // operation to fail; empty means all except Token and Info
	Skip      int       // number of requests to let pass first
	Times     int       // number of requests to fail; 0 means 1, negative means all

	Delay       time.Duration // wait before anything else
	ExpireToken bool          // reject the request's token from now on

	Apply      bool        // carry out the request, then fail it
	Status     int         // response status
	Header     http.Header // response header; the default Content-Type is application/json
	Body       string      // response body; see below for the default
	Reset      bool        // reset the connection instead of responding
	TruncateAt int         // reset the connection after this many bytes of the response body
}

// Inject adds faults. Each request gets the first fault, in the order of injection, that applies
// to it and is not used up.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults = append(s.faults, &f)
	}
}

// Faults returns the faults that are not used up. Their Skip and Times are what remains.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Fault
	for _, f := range s.faults {
		if f.Times != 0 {
			out = append(out, *f)
		}
	}
	return out
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault returns the fault that applies to a request, and counts it as used.
func (s *Server) fault(op Operation) (f Fault, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		applies := op != "" && (f.Operation == op || f.Operation == "" && op != Token && op != Info)
		switch {
		case !applies || f.Times == 0:
		case f.Skip > 0:
			f.Skip--
		default:
			if f.Times > 0 {
				f.Times--
			}
			return *f, true
		}
	}
	return Fault{}, false
}

// response returns the response of a fault with a Status.
func (f Fault) response() *response {
	resp := newResponse()
	resp.status = f.Status
	for name, values := range f.Header {
		resp.header[http.CanonicalHeaderKey(name)] = values
	}
	typed := resp.header["Content-Type"] != nil
	switch {
	case f.Body != "":
		resp.body.WriteString(f.Body)
		if !typed {
			resp.header.Set("Content-Type", "application/json")
		}
	case f.Status < http.StatusBadRequest || typed:
	case f.Operation == Token && f.Status == http.StatusBadRequest:
		writeTokenError(resp, f.Status, "The request is invalid.")
	case f.Operation == Token && f.Status == http.StatusUnauthorized:
		writeTokenError(resp, f.Status, badCredentials)
	default:
		writeError(resp, f.Status, "")
	}
	return resp
}
