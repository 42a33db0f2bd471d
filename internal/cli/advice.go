package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/connector-customizers/customizers"
)

// adviceOn returns advice on an error, or an empty string.
func adviceOn(err error) string {
	if errors.As(err, new(*checkError)) {
		return ""
	}
	if own, ok := errors.AsType[*exitError](err); ok && (own.advice != "" || own.code == exitUsage) {
		return own.advice
	}
	switch code, _ := exitCode(err); code {
	case exitFailure:
		e, ok := errors.AsType[*customizers.Error](err)
		switch {
		case errors.Is(err, context.Canceled):
		case errors.Is(err, customizers.ErrServer):
			return "try again; if it fails again, check the service's status page"
		case ok && e.StatusCode == 0:
			return "run 'customizers doctor' to check the connection"
		}
	case exitDenied:
		if errors.As(err, new(*customizers.Error)) {
			return "run 'customizers doctor' to find the cause"
		}
	case exitRateLimited:
		return "try again later, or with a longer --max-wait"
	case exitUnknown:
		return "run 'customizers list' to see what was done"
	}
	return ""
}

// connectionAdvice returns advice on a failed connection to base.
func connectionAdvice(err error, base string) string {
	var (
		proxy     interface{ Proxy() string }
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		dns       *net.DNSError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &proxy):
		return "ask for access to " + base + " at the proxy " + proxy.Proxy() + ", or set HTTPS_PROXY or NO_PROXY"
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "check the proxy in HTTPS_PROXY (" + proxyOf(base) + ")"
	case errors.As(err, &authority):
		return "add the CA certificate that signed the server's certificate to the system's store, or on Linux set SSL_CERT_FILE to its file; a proxy that inspects TLS has its own CA"
	case errors.As(err, &hostname):
		return "check the tenant's address: the server's certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "check this machine's clock; if it is right, the server's certificate has expired"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "check the tenant's address and port: the server does not speak TLS"
	case errors.As(err, &dns):
		return "check the tenant's name and DNS: the host of " + base + " is unknown"
	}
	return "check the network, the firewall and the proxy (" + proxyOf(base) + ") between here and " + base
}

// checkProxy returns an error if net/http ignores a variable because it is not a URL.
func checkProxy() error {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		if u, err := url.Parse(value); err != nil || u.Hostname() == "" { // the error may quote a password
			return &exitError{err: errors.New(name + " is not the URL of a proxy"), code: exitDenied}
		}
	}
	return nil
}

// proxyOf returns the proxy that applies to base, without its password, or "none".
func proxyOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return "none"
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	switch {
	case err != nil:
		return "HTTPS_PROXY can't be read"
	case proxy == nil:
		return "none"
	}
	return proxy.Scheme + "://" + proxy.Host
}
