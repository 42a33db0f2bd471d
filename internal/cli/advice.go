package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"unicode"

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
		proxyErr := checkProxy()
		switch {
		case errors.Is(err, context.Canceled):
		case fromIntermediary(err):
			return intermediaryAdvice
		case ok && e.StatusCode == 0 && certificateAdvice(err) != "":
			return certificateAdvice(err)
		case ok && e.StatusCode == 0 && proxyErr != nil:
			return "the proxy is not used because " + proxyErr.Error()
		case errors.Is(err, customizers.ErrServer):
			return serverAdvice
		case ok && e.StatusCode == 0:
			return "run 'customizers doctor' to check the connection"
		}
	case exitDenied:
		if fromIntermediary(err) {
			return intermediaryAdvice
		}
		if errors.As(err, new(*customizers.Error)) {
			return "run 'customizers doctor' to find the cause"
		}
	case exitRateLimited:
		return "try again later, or with a longer --max-wait"
	case exitUnknown:
		if e, ok := errors.AsType[*customizers.Error](err); ok && e.Operation == "CreateVersion" {
			return "compare the version in 'customizers get " + path.Base(path.Dir(e.Path)) + "'"
		}
		return "run 'customizers list' to see what was done"
	}
	return ""
}

// requestAdvice returns advice on a failed request to base, for a token or a list.
func requestAdvice(err error, base string) string {
	e, ok := errors.AsType[*customizers.Error](err)
	switch forToken := ok && e.Path == "/oauth/token"; {
	case fromIntermediary(err):
		return intermediaryAdvice
	case errors.Is(err, customizers.ErrConnection):
		return connectionAdvice(err, base)
	case errors.Is(err, customizers.ErrUnauthorized) && forToken:
		return "check the client ID and the secret, or create a new personal access token"
	case errors.Is(err, customizers.ErrUnauthorized):
		return "check that the token belongs to this tenant and has not expired"
	case errors.Is(err, customizers.ErrForbidden) && !forToken:
		return "give the token's user the user level ORG_ADMIN, and the token the scope sp:connector:read"
	case ok && e.StatusCode == http.StatusNotFound:
		return "check the tenant's URL and --api-version: this URL does not serve connector customizers"
	case errors.Is(err, customizers.ErrRateLimited):
		return "the rate limit of this client ID is used up, probably by another program: wait, or use a separate client ID"
	}
	return serverAdvice
}

const serverAdvice = "try again; if it fails again, check the service's status page, and give SailPoint's support the tracking ID"

const intermediaryAdvice = "check for a proxy, a firewall or an IP allow list in front of the tenant: the credentials are not the cause"

// fromIntermediary reports whether err is a response of something in front of the tenant, such
// as a firewall. A 404 may be due to the URL, and a 429 has advice of its own.
func fromIntermediary(err error) bool {
	e, ok := errors.AsType[*customizers.Error](err)
	return ok && e.Intermediary && e.StatusCode != http.StatusNotFound && e.StatusCode != http.StatusTooManyRequests
}

// connectionAdvice returns advice on a failed connection to base.
func connectionAdvice(err error, base string) string {
	var (
		proxy  interface{ Proxy() string }
		record tls.RecordHeaderError
		dns    *net.DNSError
		op     *net.OpError
	)
	certificate := certificateAdvice(err)
	switch {
	case errors.As(err, &proxy):
		return "ask for access to " + base + " at the proxy " + proxy.Proxy() + ", or set HTTPS_PROXY or NO_PROXY"
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "check the proxy in HTTPS_PROXY (" + proxyOf(base) + ")"
	case certificate != "":
		return certificate
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "check the tenant's URL and port: the server does not speak TLS"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "check the tenant's name and DNS: the host of " + base + " is unknown"
	}
	return "check the network, the firewall and the proxy (" + proxyOf(base) + ") between here and " + base
}

// certificateAdvice returns advice on a certificate that was rejected, or an empty string.
func certificateAdvice(err error) string {
	var (
		authority x509.UnknownAuthorityError
		roots     x509.SystemRootsError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case strings.Contains(err.Error(), "x509: negative serial number"): // it has no type
		return "set GODEBUG=x509negativeserial=1, or renew the certificate with a valid serial number; a proxy that inspects TLS probably made it"
	case errors.As(err, &authority), errors.As(err, &roots):
		return cmp.Or(certFileAdvice(), "add the CA certificate that signed the server's certificate to the system's store, or on Linux set SSL_CERT_FILE to its file; a proxy that inspects TLS has its own CA")
	case errors.As(err, &hostname):
		return "check the tenant's URL: the server's certificate is for " + namesOf(hostname.Certificate)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "check this machine's clock; if it is right, the server's certificate has expired"
	}
	return ""
}

// certFileAdvice returns advice on an SSL_CERT_FILE without certificates, or an empty string.
func certFileAdvice() string {
	file := os.Getenv("SSL_CERT_FILE")
	if file == "" || runtime.GOOS == "windows" || runtime.GOOS == "darwin" { // which don't use it
		return ""
	}
	data, err := os.ReadFile(file) //nolint:gosec // the file that the user names
	_, derErr := x509.ParseCertificates(data)
	fault := "has no certificate in PEM form"
	switch {
	case err != nil:
		fault = "can't be read: " + strings.TrimPrefix(messageOf(err), file+": ")
	case len(data) == 0:
		fault = "is empty"
	case x509.NewCertPool().AppendCertsFromPEM(data):
		return ""
	case derErr == nil:
		fault = "is in DER form: convert it with 'openssl x509 -inform der'"
	}
	return "correct SSL_CERT_FILE: " + file + " " + fault
}

// namesOf returns the names and IP addresses that a certificate is for.
func namesOf(c *x509.Certificate) string {
	const most = 5
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) > most {
		names = append(names[:most], "others")
	}
	return cmp.Or(strings.Join(names, ", "), c.Subject.CommonName, "no host")
}

// checkProxy returns an error if net/http ignores a variable because it is not a URL.
func checkProxy() error {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		value := os.Getenv(name)
		fault := ""
		if full := value; full != "" {
			if !strings.Contains(full, "://") {
				full = "http://" + full
			}
			if u, err := url.Parse(full); err != nil || u.Hostname() == "" { // the error may quote a password
				fault = "is not the URL of a proxy"
			}
		}
		switch {
		case strings.Trim(value, `"'`) != value:
			fault = "is in quotes"
		case strings.ContainsFunc(value, unicode.IsSpace):
			fault = "contains white space"
		}
		if fault != "" {
			return &exitError{err: errors.New(name + " " + fault), code: exitDenied}
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
