package customizers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A RetryPolicy bounds how requests are sent again. What is sent again, and when,
// is fixed: see the package documentation. A negative field is [ErrInvalidRequest], as is
// a MinBackoff over MaxBackoff.
//
// The wait before try n+1 is random between zero and MinBackoff·2ⁿ⁻¹, at most
// MaxBackoff, and never shorter than the service's Retry-After.
type RetryPolicy struct {
	MaxAttempts int           // tries in all, the first one counted; default 4; 1 turns retries off
	MinBackoff  time.Duration // the longest wait before the second try; default 0.5 s
	MaxBackoff  time.Duration // the longest wait before any try; default 20 s, or MinBackoff
	// MaxWait is the longest Retry-After that is waited for; default 60 s. When the
	// service asks for more, a call fails at once, with the time in Error.RetryAfter.
	MaxWait time.Duration
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = 4
	}
	if p.MinBackoff == 0 {
		p.MinBackoff = 500 * time.Millisecond
	}
	if p.MaxBackoff == 0 {
		p.MaxBackoff = max(20*time.Second, p.MinBackoff)
	}
	if p.MaxWait == 0 {
		p.MaxWait = 60 * time.Second
	}
	return p
}

func (p RetryPolicy) check() error {
	switch {
	case p.MaxAttempts < 0:
		return fmt.Errorf("RetryPolicy.MaxAttempts is %d, which is negative", p.MaxAttempts)
	case p.MinBackoff < 0, p.MaxBackoff < 0, p.MaxWait < 0:
		return errors.New("a RetryPolicy has a negative duration")
	case p.MaxBackoff != 0 && p.MinBackoff > p.MaxBackoff:
		return fmt.Errorf("RetryPolicy.MinBackoff, %v, is longer than MaxBackoff, %v", p.MinBackoff, p.MaxBackoff)
	}
	return nil
}

// backoff is the wait after the given try, for a random number in [0, 1).
func (p RetryPolicy) backoff(attempt int, random float64) time.Duration {
	ceiling := float64(p.MinBackoff) * math.Pow(2, float64(attempt-1))
	return time.Duration(random * min(ceiling, float64(p.MaxBackoff)))
}

// A verdict says what follows from the end of one try.
type verdict struct {
	retry        bool // send it again, if its body can be and tries are left
	charged      bool // a retry is charged to the client's budget
	mayHaveActed bool // the service may have done what was asked
}

// judge decides on one try of a request. Either status is that of the response, or
// it is 0 and err says why there is none. repeatable says that the request may be
// carried out twice with the effect of once.
func judge(repeatable bool, status int, err error) verdict {
	var over *ended
	switch {
	case errors.As(err, &over):
		return verdict{mayHaveActed: true}
	case err != nil && notSent(err):
		return verdict{retry: true, charged: true}
	case err != nil && isTLSRefusal(err):
		return verdict{}
	case errors.Is(err, errTooLarge), err != nil && isNotTLS(err):
		return verdict{mayHaveActed: true}
	case err != nil:
		return verdict{retry: repeatable, charged: true, mayHaveActed: true}
	}
	switch status {
	case http.StatusTooManyRequests: // the one failure that says that nothing was done
		return verdict{retry: true}
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return verdict{retry: repeatable, charged: true, mayHaveActed: true}
	}
	// A redirect may be what follows an action, as after a form.
	return verdict{mayHaveActed: status >= 500 || status/100 == 3}
}

// isRepeatable tells by its method whether a request may be carried out twice.
func isRepeatable(method string) bool {
	return method != http.MethodPost && method != http.MethodPatch
}

// notSent tells that err is proof that the request never left: no address was found,
// or no connection was made, to the host or to the proxy before it.
func notSent(err error) bool {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return true
	}
	var op *net.OpError
	if errors.As(err, &op) {
		switch op.Op {
		case "dial", "proxyconnect", "socks connect":
			return true
		}
	}
	return false
}

// isTLSRefusal tells that this side refused the other's certificate: the request was
// not sent, and sending it again would not help.
func isTLSRefusal(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid)
}

// isNotTLS tells that the other side does not speak TLS, which may show in its answer
// too. Sending the request again would not help.
func isNotTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}

// parseRetryAfter reads a response's Retry-After, in seconds or as a date, as a wait
// from now. A date is held against the response's own Date, so that a clock that is
// off here does no harm. It is 0 when there is none that can be read.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(v, 64); err == nil {
		switch {
		case !(seconds > 0): // NaN too
			return 0
		case seconds >= math.MaxInt64/float64(time.Second):
			return math.MaxInt64
		}
		return time.Duration(math.Ceil(seconds * float64(time.Second)))
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now))
}
