package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

var tenantName = lazy(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// lazy compiles an expression on first use, so that programs start fast.
func lazy(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// uiDomains are the domains of SailPoint's user interface, each with the domain of the API. A
// tenant's user interface is at a host directly under the domain. Vanity hosts are used as
// they are, because they may be an API behind a gateway.
var uiDomains = []struct{ ui, api string }{
	{".identitynow.com", ".api.identitynow.com"},
	{".identitynow-demo.com", ".api.identitynow-demo.com"},
	{".saas.sailpointfedramp.com", ".api.saas.sailpointfedramp.com"},
	{".identitysoon.com", ".api.cloud.sailpoint.com"},
}

// A URLError reports a tenant's URL with a part that belongs in another setting.
type URLError struct {
	Credentials bool // whether the part is a user name or password, not a path
	text        string
}

func (e *URLError) Error() string { return e.text }

// BaseURL returns the URL of a tenant's API, without a trailing slash, given the tenant's
// name, the URL of its API or a URL of its user interface.
func BaseURL(tenant string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", errors.New("the tenant " + fmt.Sprintf(format, args...))
	}
	const want = `(want its name, "acme", or the URL of its API, "https://acme.api.identitynow.com")`
	if err := (Setting{Name: "the tenant", Value: tenant}).Check(); err != nil {
		return "", err
	}
	switch {
	case tenant == "":
		return bad("is empty " + want)
	case strings.Contains(tenant, "@"):
		return "", &URLError{true, "the tenant contains a user name or password (want the credentials in separate settings)"}
	case strings.ContainsAny(tenant, `"'`):
		return bad("is in quotes " + want)
	case strings.Contains(tenant, "$"):
		return bad("contains a variable that was not replaced " + want)
	case tenantName().MatchString(tenant) && !strings.EqualFold(tenant, "localhost"):
		return "https://" + strings.ToLower(tenant) + ".api.identitynow.com", nil
	}
	raw := tenant
	if !strings.Contains(raw, "://") && strings.Contains(raw, ".") {
		raw = "https://" + raw // a host
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's error quotes the URL, which may contain a secret.
		return bad("is neither a name nor a valid URL " + want)
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if u.Scheme != "https" && u.Scheme != "http" || host == "" {
		return bad("is neither a name nor an https URL " + want) // not quoted, because it may be a secret
	}
	if !isHost(host) || !isPort(u.Port()) {
		return bad("URL has no valid host: %q", u.Host)
	}
	for _, domain := range uiDomains {
		name, ok := strings.CutSuffix(host, domain.ui)
		if !ok || strings.Contains(name, ".") {
			continue
		}
		if name == "api" || u.Port() != "" && u.Port() != "443" {
			return bad("URL has the host %q (want the API, https://acme%s, or the user interface, https://acme%s)", u.Host, domain.api, domain.ui)
		}
		return "https://" + name + domain.api, nil
	}
	base := u.Scheme + "://" + strings.ToLower(u.Host)
	switch {
	case u.Scheme == "http" && !IsLoopback(host):
		return bad("URL http://%s is not https (http is allowed only for a loopback host)", u.Host)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return bad("URL has a query or a fragment (want %s alone)", base)
	case u.Path != "" && u.Path != "/":
		return "", &URLError{false, fmt.Sprintf("the tenant URL has the path %q (want %s alone; the API version is a separate setting)", u.Path, base)}
	}
	return base, nil
}

var hostName = lazy(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

func isHost(host string) bool { return hostName().MatchString(host) || net.ParseIP(host) != nil }

func isPort(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && n > 0 && n < 1<<16
}

// IsLoopback reports whether a host is localhost or a loopback address.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
