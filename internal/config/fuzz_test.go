package config

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A tenant that is accepted is one to which credentials may go.
func FuzzTenant(f *testing.F) {
	for _, s := range []string{
		"acme", "ACME-1", "https://acme.api.identitynow.com", "https://acme.api.identitynow.com:8443/", "acme.api.identitynow.com",
		"http://127.0.0.1:8080", "http://[::1]:1", "http://localhost", "https://acme.identitynow.com", "https://user:pw@acme.com",
		"https://acme.com?x", "https://acme.com#x", "https://acme.com/v2024", "http://acme.com", "ftp://acme.com", "", ".", "..", "//", "::bad",
		"https://a%2fb", "https://acme.com\n", "https://localhost@acme.com", "http://127.0.0.1.acme.com", "http://0x7f.1",
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
		require.Nil(t, u.User)
		require.Equal(t, u.Scheme+"://"+u.Host, base)
		again, err := BaseURL(base)
		require.NoError(t, err)
		require.Equal(t, base, again)
	})
}

// Whatever a configuration file holds, it is read or refused, and no secret is quoted.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		`{"BaseURL":"https://acme.api.identitynow.com","ClientId":"i","ClientSecret":"SECRET"}`, `{"ClientSecret":7}`, `[]`, `null`, `{`, ``,
		"activeenvironment: a\nenvironments:\n  a:\n    baseurl: https://acme.api.identitynow.com\n    pat:\n      clientid: i\n      clientsecret: SECRET\n",
		"activeenvironment: A\nenvironments: {a: {}}", "environments: [SECRET]", "a: &a [*a]", "x: !!binary SECRET", "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) (Source, error){parseJSON, func(data []byte) (Source, error) { return parseYAML(data, "", nil) }} {
			got, err := parse(data)
			if err != nil && !strings.Contains(got.ID.Value+got.Base.Value, "SECRET") {
				require.NotContains(t, err.Error(), "SECRET")
			}
		}
	})
}
