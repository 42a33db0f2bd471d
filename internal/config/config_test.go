package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
