package customizers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

const yamlPath = "~/.sailpoint/config.yaml"

// A testEnv has variables, a working directory and a home directory without settings.
type testEnv struct {
	t         *testing.T
	dir, home string
}

func newTestEnv(t *testing.T) *testEnv {
	t.Helper()
	for _, name := range []string{"SAIL_BASE_URL", "SAIL_CLIENT_ID", "SAIL_CLIENT_SECRET", "SAIL_ACCESS_TOKEN", "SAIL_ACTIVEENVIRONMENT"} {
		t.Setenv(name, "")
	}
	p := &testEnv{t, t.TempDir(), t.TempDir()}
	t.Chdir(p.dir)
	t.Setenv("HOME", p.home)
	t.Setenv("USERPROFILE", p.home)
	return p
}

// env sets variables: "SAIL_BASE_URL=…".
func (p *testEnv) env(settings ...string) {
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		p.t.Setenv(name, value)
	}
}

func (p *testEnv) json(content string) { p.write(filepath.Join(p.dir, "config.json"), content) }
func (p *testEnv) yaml(content string) {
	p.write(filepath.Join(p.home, ".sailpoint", "config.yaml"), content)
}

func (p *testEnv) write(path, content string) {
	p.t.Helper()
	require.NoError(p.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(p.t, os.WriteFile(path, []byte(content), 0o600))
}

func envOf(base, id, secret string) []string {
	return []string{"SAIL_BASE_URL=" + base, "SAIL_CLIENT_ID=" + id, "SAIL_CLIENT_SECRET=" + secret}
}

func jsonOf(base, id, secret string) string {
	return fmt.Sprintf(`{"BaseURL": %q, "ClientId": %q, "ClientSecret": %q, "retries": 3}`, base, id, secret)
}

func yamlOf(base, id, secret string) string {
	const format = `
authtype: pat
activeenvironment: work
environments:
  other: {baseurl: "https://other.api.identitynow.com", pat: {clientid: other-id, clientsecret: other-secret}}
  work: {tenanturl: "https://acme.identitynow.com", baseurl: %q, pat: {clientid: %q, clientsecret: %q}}
`
	return fmt.Sprintf(format, base, id, secret)
}

// Only the first source with any setting is used.
func TestNewFromEnvOrder(t *testing.T) {
	p := newTestEnv(t)
	for _, set := range []func(base, id, secret string){
		func(base, id, secret string) { p.yaml(yamlOf(base, id, secret)) },
		func(base, id, secret string) { p.json(jsonOf(base+"/", id, secret)) },
		func(base, id, secret string) { p.env(envOf(base, id, secret)...) },
	} {
		srv := newServer(t)
		set(srv.URL, srv.ClientID, srv.ClientSecret)
		c, err := customizers.NewFromEnv(customizers.WithAPIVersion(customizers.APIVersionV1))
		require.NoError(t, err)
		require.NoError(t, list(testContext(t), c))
		require.Len(t, srv.Requests(), 2)
		assert.Equal(t, "/connector-customizers/v1", srv.Requests()[1].Path, "with the options")
	}
}

// SAIL_ACCESS_TOKEN takes precedence over the credentials, needs none, and can't be renewed.
func TestNewFromEnvAccessToken(t *testing.T) {
	for _, credentials := range []string{"", "ignored"} {
		srv := newServer(t)
		require.NoError(t, list(testContext(t), srv.Client()))
		token := strings.TrimPrefix(srv.Requests(customizerstest.List)[0].Header.Get("Authorization"), "Bearer ")
		p := newTestEnv(t)
		p.env(envOf(srv.URL, credentials, credentials)...)
		p.env("SAIL_ACCESS_TOKEN=" + token)
		c, err := customizers.NewFromEnv()
		require.NoError(t, err)
		require.NoError(t, list(testContext(t), c))
		srv.ExpireTokens()
		err = list(testContext(t), c)
		requireFailure(t, err, customizers.ErrUnauthorized)
		assert.NotContains(t, err.Error(), token)
		assert.Len(t, srv.Requests(customizerstest.Token), 1)
	}
}

// An error names the setting and its source, and shows no secret. internal/config has every
// setting.
func TestNewFromEnvInvalid(t *testing.T) {
	const base, secret = "https://acme.api.identitynow.com", "hush-hush"
	for name, tt := range map[string]struct {
		set  func(*testEnv)
		opts []customizers.Option
		says []string
	}{
		"no settings":  {func(*testEnv) {}, nil, []string{"no tenant and no credentials", "the environment", "./config.json", yamlPath}},
		"option":       {func(p *testEnv) { p.env(envOf(base, "an-id", secret)...) }, []customizers.Option{nil}, []string{"option 1 of 1 is nil"}},
		"no ID":        {func(p *testEnv) { p.env(envOf(base, "", secret)...) }, nil, []string{"SAIL_CLIENT_ID is not set in the environment"}},
		"plain http":   {func(p *testEnv) { p.env(envOf("http://acme.api.identitynow.com", "an-id", secret)...) }, nil, []string{"SAIL_BASE_URL in the environment", "is not https"}},
		"broken JSON":  {func(p *testEnv) { p.json(`{"ClientSecret": "hush-hush`) }, nil, []string{"./config.json is not JSON", "invalid JSON on line 1"}},
		"path in YAML": {func(p *testEnv) { p.yaml(yamlOf(base+"/v2024", "an-id", secret)) }, nil, []string{"environments.work.baseurl in " + yamlPath, `"/v2024"`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestEnv(t)
			tt.set(p)
			c, err := customizers.NewFromEnv(tt.opts...)
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.Nil(t, c)
			for _, s := range tt.says {
				assert.ErrorContains(t, err, s)
			}
			assert.NotContains(t, err.Error(), secret)
		})
	}
}

// Settings of two sources are never combined, and a broken source is an error. Otherwise the
// secret of one tenant could be sent to another.
func TestNewFromEnvNeverMixesSources(t *testing.T) {
	srv := newServer(t)
	for says, set := range map[string]func(*testEnv){
		"SAIL_CLIENT_ID and SAIL_CLIENT_SECRET are not set in the environment": func(p *testEnv) { p.env("SAIL_BASE_URL=" + srv.URL) },
		"SAIL_BASE_URL is not set in the environment":                          func(p *testEnv) { p.env(envOf("", srv.ClientID, srv.ClientSecret)...) },
		"ClientSecret is not set in ./config.json":                             func(p *testEnv) { p.json(jsonOf(srv.URL, srv.ClientID, "")) },
		"./config.json is not JSON":                                            func(p *testEnv) { p.json(`{"BaseURL": `) },
	} {
		p := newTestEnv(t)
		p.json(jsonOf(srv.URL, srv.ClientID, srv.ClientSecret))
		p.yaml(yamlOf(srv.URL, srv.ClientID, srv.ClientSecret))
		set(p)
		_, err := customizers.NewFromEnv()
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		require.ErrorContains(t, err, says)
	}
	assert.Empty(t, srv.Requests())
}
