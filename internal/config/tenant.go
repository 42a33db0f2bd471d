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

// lazy compiles an expression when it is first used, which keeps programs quick to start.
func lazy(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// BaseURL turns a tenant's name or URL into the URL of its API, without a final slash.
func BaseURL(tenant string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", errors.New("the tenant " + fmt.Sprintf(format, args...))
	}
	if tenant == "" {
		return bad(`is empty; give its name ("acme") or the URL of its API ("https://acme.api.identitynow.com")`)
	}
	if strings.Contains(tenant, "@") {
		return bad("holds a user name or password; give the credentials apart from it")
	}
	if tenantName().MatchString(tenant) && !strings.EqualFold(tenant, "localhost") {
		return "https://" + strings.ToLower(tenant) + ".api.identitynow.com", nil
	}
	raw := tenant
	if !strings.Contains(raw, "://") && strings.Contains(raw, ".") {
		raw = "https://" + raw // a host
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's error quotes the URL, and with it a secret that it may hold.
		return bad("is neither a name nor a URL that can be read")
	}
	host := strings.TrimSuffix(u.Hostname(), ".")
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || host == "":
		return bad("%q is neither a name nor an https URL", tenant)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return bad("URL has a query or a fragment; give scheme and host only")
	case u.Path != "" && u.Path != "/":
		return bad("URL has the path %q; give scheme and host only, and the version by WithAPIVersion", u.Path)
	case !isHost(host) || !isPort(u.Port()):
		return bad("URL %q has no host that can be reached", tenant)
	case u.Scheme == "http" && !IsLoopback(host):
		return bad("URL %q is not encrypted; credentials go over https only, but to a loopback host", tenant)
	}
	if name, ok := strings.CutSuffix(strings.ToLower(host), ".identitynow.com"); ok && !strings.Contains(name, ".") {
		return bad("URL %q is that of the user interface; its API is at https://%s.api.identitynow.com", tenant, name)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

var hostName = lazy(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

func isHost(host string) bool { return hostName().MatchString(host) || net.ParseIP(host) != nil }

func isPort(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && n > 0 && n < 1<<16
}

// IsLoopback tells whether a host is this machine.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
