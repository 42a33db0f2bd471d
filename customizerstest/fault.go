package customizerstest

import (
	"net/http"
	"time"
)

// An Operation names what a request asks for: one of the contract's operations, by
// its operationId, or an endpoint beside them.
type Operation string

// The operations of a tenant.
const (
	List          Operation = "listConnectorCustomizers"
	Create        Operation = "createConnectorCustomizer"
	Get           Operation = "getConnectorCustomizer"
	Update        Operation = "putConnectorCustomizer"
	Delete        Operation = "deleteConnectorCustomizer"
	CreateVersion Operation = "createConnectorCustomizerVersion"
	Token         Operation = "token" // POST /oauth/token
	Info          Operation = "info"  // GET /oauth/info
)

// InjectedHeader marks an answer whose status and body come from a [Fault], and so
// need not keep to the contract.
const InjectedHeader = "X-Injected-Fault"

// A Fault is something that goes wrong with a request. Delay and ExpireToken come
// first; then one of Status, Cut and TruncateAt, or else the usual answer.
type Fault struct {
	Operation Operation // which requests; empty for the six operations
	Skip      int       // how many of them pass first
	Times     int       // how many are hit: 0 stands for 1, and less than 0 for all

	Delay       time.Duration // wait before anything is done
	ExpireToken bool          // refuse the request's token from now on

	// Acted makes the tenant carry out the request before it fails.
	Acted      bool
	Status     int         // answer this status
	Header     http.Header // with these headers; JSON when they name no Content-Type
	Body       string      // and this body
	Cut        bool        // reset the connection instead of answering
	TruncateAt int         // answer, but cut the connection after this many bytes of the body
}

// Inject adds faults. Each request suffers the first, in the order of injection, that
// is meant for it and not used up.
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

// Faults returns the faults that are not used up, with what is left of them.
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

// fault returns the fault that a request suffers.
func (s *Server) fault(op Operation) (f Fault, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		meant := op != "" && (f.Operation == op || f.Operation == "" && op != Token && op != Info)
		switch {
		case !meant || f.Times == 0:
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
