package config

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	const api = "https://acme.api.identitynow.com"
	for tenant, want := range map[string]string{
		"acme":                                  api,
		"ACME":                                  api,
		api:                                     api,
		api + "/":                               api,
		"acme.api.identitynow.com":              api,
		"HTTPS://Acme.API.IdentityNow.com":      api,
		"https://acme.api.identitynow.com:8443": "https://acme.api.identitynow.com:8443",
		"https://acme.api.identitynow-demo.com": "https://acme.api.identitynow-demo.com",
		"https://acme.api.saas.sailpointfedramp.com": "https://acme.api.saas.sailpointfedramp.com",
		"https://acme.api.cloud.sailpoint.com":       "https://acme.api.cloud.sailpoint.com",
		// The user interface, as copied from a browser.
		"https://acme.identitynow.com":                                api,
		"acme.identitynow.com":                                        api,
		"https://ACME.IdentityNow.com/":                               api,
		"https://acme.identitynow.com.":                               api,
		"https://acme.identitynow.com:443/":                           api,
		"http://acme.identitynow.com":                                 api,
		"https://acme.identitynow.com/ui/admin#admin:connections?x=1": api,
		"https://acme.identitynow-demo.com/ui":                        "https://acme.api.identitynow-demo.com",
		"https://acme.saas.sailpointfedramp.com":                      "https://acme.api.saas.sailpointfedramp.com",
		"https://acme.identitysoon.com":                               "https://acme.api.cloud.sailpoint.com",
		// A vanity host or a gateway is used as it is.
		"https://iga.acme.com":       "https://iga.acme.com",
		"https://notidentitynow.com": "https://notidentitynow.com",
		"https://[2001:db8::1]:8443": "https://[2001:db8::1]:8443",
		"http://127.0.0.1:8787":      "http://127.0.0.1:8787",
		"http://[::1]:8787/":         "http://[::1]:8787",
		"http://LOCALHOST":           "http://localhost",
	} {
		got, err := BaseURL(tenant)
		require.NoError(t, err, tenant)
		assert.Equal(t, want, got, tenant)
	}
	for tenant, says := range map[string]string{
		"":                                  "is empty",
		"-acme":                             "neither a name nor an https URL",
		"localhost":                         "neither a name nor an https URL",
		"ftp://acme.com":                    "neither a name nor an https URL",
		"https://":                          "neither a name nor an https URL",
		"::bad":                             "neither a name nor a valid URL",
		"https://user:pw@acme.com":          "user name or password",
		`"https://acme.com"`:                "is in quotes",
		"'acme'":                            "is in quotes",
		"$(SAIL_BASE_URL)":                  "contains a variable that was not replaced",
		"https://${TENANT}.acme.com":        "contains a variable that was not replaced",
		"https://acme.com?x":                "query or a fragment",
		"https://acme.com#x":                "query or a fragment",
		api + "/v3":                         `has the path "/v3" (want ` + api + ` alone; `,
		"http://acme.com":                   "is not https",
		"http://127.0.0.1.acme.com":         "is not https",
		"https://acme..com?hush-hush":       "no valid host",
		"https://a b.com":                   "contains white space",
		"acme\r":                            "has leading or trailing white space",
		" ":                                 "has leading or trailing white space",
		"https://acme\u200b.com":            "has control or non-ASCII characters",
		"https://acme.com:0":                "no valid host",
		"https://acme.com:99999":            "no valid host",
		"https://acme.identitynow.com:8443": `(want the API, https://acme.api.identitynow.com, or the user interface, https://acme.identitynow.com)`,
		"https://api.identitynow.com":       `(want the API, https://acme.api.identitynow.com, or the user interface, https://acme.identitynow.com)`,
	} {
		_, err := BaseURL(tenant)
		assert.ErrorContains(t, err, says, tenant)
		assert.NotContains(t, err.Error(), "hush-hush")
	}
}

// The URL of every accepted tenant is encrypted or local.
func FuzzTenant(f *testing.F) {
	for _, s := range []string{
		"acme", "https://acme.api.identitynow.com:8443/", "http://127.0.0.1:8080", "http://[::1]:1", "https://acme.identitynow.com/ui#x",
		"https://user:pw@acme.com", "https://acme.com?x", "..", "//", "https://a%2fb", "https://acme.com\n", "https://localhost@acme.com", "http://0x7f.1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tenant string) {
		base, err := BaseURL(tenant)
		if err != nil {
			if strings.Contains(tenant, "@") {
				require.NotContains(t, err.Error(), tenant)
			}
			return
		}
		u, err := url.Parse(base)
		require.NoError(t, err)
		require.True(t, u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname()), base)
		require.Equal(t, u.Scheme+"://"+u.Host, base)
		for _, domain := range uiDomains {
			name, ok := strings.CutSuffix(u.Hostname(), domain.ui)
			require.False(t, ok && !strings.Contains(name, "."), base)
		}
		again, err := BaseURL(base)
		require.NoError(t, err)
		require.Equal(t, base, again)
	})
}
