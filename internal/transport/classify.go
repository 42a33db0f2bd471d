package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A verdict decides what follows a failed attempt.
type verdict struct {
	retry        bool
	charged      bool // whether a retry is charged to the client's budget
	mayHaveActed bool // whether the service may have carried out the request
}

// classify returns the verdict on err or, if it is nil, on the status.
func classify(idempotent bool, status int, err error) verdict {
	var ended *ContextError
	var connection *ConnectionError
	switch {
	case errors.As(err, &ended):
		return verdict{mayHaveActed: !ended.notSent}
	case errors.As(err, &connection):
		return classifyConnection(idempotent, connection)
	case err != nil: // the response's body is too large, or reading the request's failed
		return verdict{mayHaveActed: true}
	}
	switch status {
	case http.StatusTooManyRequests: // proves that nothing was done
		return verdict{retry: true}
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return verdict{retry: idempotent, charged: true, mayHaveActed: true}
	}
	// A redirect may come after a success, and so may a status that is none.
	return verdict{mayHaveActed: status >= 500 || status/100 == 3 || status < 200}
}

// MayHaveActed reports whether the service may have carried out a request with a status.
func MayHaveActed(status int) bool { return classify(false, status, nil).mayHaveActed }

// classifyConnection goes by what happened on the wire, if known. The type of the error proves
// little then: it may be that of the request's body.
func classifyConnection(idempotent bool, err *ConnectionError) verdict {
	var proxy *ProxyError
	sent := err.sent || !err.notSent && !neverSent(err)
	switch {
	case errors.As(err, &proxy):
		return verdict{retry: proxy.Code >= 500, charged: true} // the tenant received nothing
	case !err.sent && isCertificateError(err):
		return verdict{}
	case isNotTLS(err):
		return verdict{mayHaveActed: sent}
	case !sent:
		return verdict{retry: true, charged: true}
	}
	return verdict{retry: idempotent, charged: true, mayHaveActed: true}
}

// neverSent reports whether err proves that the request was not sent: no address was found,
// or no connection to the host or its proxy was made.
func neverSent(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	return errors.As(err, &dns) ||
		errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect")
}

// isCertificateError reports whether the client rejected the server's certificate. Then
// nothing was sent, and a retry would not help.
func isCertificateError(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid) ||
		strings.Contains(err.Error(), "tls: failed to parse certificate") // which has no type
}

// isNotTLS reports whether the server doesn't speak TLS. Then a retry would not help.
func isNotTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}

// retryAfter returns the wait that a Retry-After header asks for, in seconds or as a date;
// 0 if there is none. A date is relative to the Date header, so a wrong local clock does no
// harm, or to now if there is no Date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(v, 64); err == nil || errors.Is(err, strconv.ErrRange) {
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
