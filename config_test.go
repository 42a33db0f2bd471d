package customizers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// nowhere makes a place where no source says anything, and is the working directory
// and the home directory from then on.
func nowhere(t *testing.T) (dir, home string) {
	t.Helper()
	for _, name := range []string{"SAIL_BASE_URL", "SAIL_CLIENT_ID", "SAIL_CLIENT_SECRET", "SAIL_ACCESS_TOKEN"} {
		t.Setenv(name, "")
	}
	dir, home = t.TempDir(), t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	return dir, home
}

func writeConfig(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func inEnvironment(t *testing.T, base, id, secret string) {
	t.Helper()
	t.Setenv("SAIL_BASE_URL", base)
	t.Setenv("SAIL_CLIENT_ID", id)
	t.Setenv("SAIL_CLIENT_SECRET", secret)
}

func inConfigJSON(t *testing.T, dir, base, id, secret string) {
	t.Helper()
	writeConfig(t, filepath.Join(dir, "config.json"),
		fmt.Sprintf(`{"BaseURL": %q, "ClientId": %q, "ClientSecret": %q}`, base, id, secret))
}

func inConfigYAML(t *testing.T, home, base, id, secret string) {
	t.Helper()
	writeConfig(t, yamlIn(home), fmt.Sprintf(`
authtype: pat
activeenvironment: work
environments:
  other:
    baseurl: https://other.api.identitynow.com
    pat:
      clientid: other-id
      clientsecret: other-secret
  work:
    tenanturl: https://acme.identitynow.com
    baseurl: %s
    pat:
      clientid: %s
      clientsecret: %s
`, base, id, secret))
}

func yamlIn(home string) string { return filepath.Join(home, ".sailpoint", "config.yaml") }

// listsOn proves that the client that the environment gives reaches srv and no other.
func listsOn(t *testing.T, srv *customizerstest.Server, opts ...customizers.Option) {
	t.Helper()
	client, err := customizers.NewFromEnv(append([]customizers.Option{quick}, opts...)...)
	require.NoError(t, err)
	before := len(srv.Requests(customizerstest.List))
	page, err := client.List(ctxOf(t), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, page.Items, 2)
	assert.Len(t, srv.Requests(customizerstest.List), before+1)
}

func TestNewFromEnvSources(t *testing.T) {
	srv := sandbox(t, customizerstest.WithSeed(2))

	t.Run("environment", func(t *testing.T) {
		nowhere(t)
		inEnvironment(t, srv.URL, srv.ClientID, srv.ClientSecret)
		listsOn(t, srv)
	})
	t.Run("config.json", func(t *testing.T) {
		dir, _ := nowhere(t)
		inConfigJSON(t, dir, srv.URL, srv.ClientID, srv.ClientSecret)
		listsOn(t, srv)
	})
	t.Run("config.json with more in it", func(t *testing.T) {
		dir, _ := nowhere(t)
		writeConfig(t, filepath.Join(dir, "config.json"), fmt.Sprintf(
			`{"BaseURL": %q, "ClientId": %q, "ClientSecret": %q, "TokenURL": "x", "retries": 3}`,
			srv.URL+"/", srv.ClientID, srv.ClientSecret))
		listsOn(t, srv)
	})
	t.Run("config.yaml", func(t *testing.T) {
		_, home := nowhere(t)
		inConfigYAML(t, home, srv.URL, srv.ClientID, srv.ClientSecret)
		listsOn(t, srv)
	})
	t.Run("access token", func(t *testing.T) {
		nowhere(t)
		inEnvironment(t, srv.URL, "ignored-id", "ignored-secret")
		t.Setenv("SAIL_ACCESS_TOKEN", tokenIssuedBy(t, srv))
		before := len(srv.Requests(customizerstest.Token))
		listsOn(t, srv)
		assert.Len(t, srv.Requests(customizerstest.Token), before, "no token is fetched when one is given")
	})
	t.Run("access token alone", func(t *testing.T) {
		nowhere(t)
		t.Setenv("SAIL_BASE_URL", srv.URL)
		t.Setenv("SAIL_ACCESS_TOKEN", tokenIssuedBy(t, srv))
		listsOn(t, srv)
	})
	t.Run("with an option that is no credential", func(t *testing.T) {
		nowhere(t)
		inEnvironment(t, srv.URL, srv.ClientID, srv.ClientSecret)
		listsOn(t, srv, customizers.WithAPIVersion(customizers.APIVersion1))
		sent := srv.Requests(customizerstest.List)
		assert.Equal(t, "/connector-customizers/v1", sent[len(sent)-1].Path)
	})
}

// tokenIssuedBy fetches a token as a user would.
func tokenIssuedBy(t *testing.T, srv *customizerstest.Server) string {
	t.Helper()
	_, err := srv.Client().List(ctxOf(t), customizers.ListOptions{Limit: 1})
	require.NoError(t, err)
	sent := srv.Requests(customizerstest.List)
	token := sent[len(sent)-1].Header.Get("Authorization")
	require.Greater(t, len(token), len("Bearer "))
	return token[len("Bearer "):]
}

// An access token from the environment can't be renewed.
func TestNewFromEnvAccessTokenExpired(t *testing.T) {
	srv := sandbox(t)
	nowhere(t)
	token := tokenIssuedBy(t, srv)
	t.Setenv("SAIL_BASE_URL", srv.URL)
	t.Setenv("SAIL_ACCESS_TOKEN", token)
	client, err := customizers.NewFromEnv(quick)
	require.NoError(t, err)
	srv.ExpireTokens()
	_, err = client.List(ctxOf(t), customizers.ListOptions{})
	require.ErrorIs(t, err, customizers.ErrUnauthorized)
	assert.NotContains(t, err.Error(), token)
}

func TestNewFromEnvOrder(t *testing.T) {
	dir, home := nowhere(t)
	servers := map[string]*customizerstest.Server{}
	for _, name := range []string{"environment", "json", "yaml"} {
		servers[name] = sandbox(t, customizerstest.WithSeed(2))
	}
	yaml, json, env := servers["yaml"], servers["json"], servers["environment"]

	inConfigYAML(t, home, yaml.URL, yaml.ClientID, yaml.ClientSecret)
	listsOn(t, yaml)
	inConfigJSON(t, dir, json.URL, json.ClientID, json.ClientSecret)
	listsOn(t, json)
	inEnvironment(t, env.URL, env.ClientID, env.ClientSecret)
	listsOn(t, env)
	for name, srv := range servers {
		assert.Len(t, srv.Requests(), 2, "%s: one token and one list", name)
	}
}

func TestNewFromEnvRefused(t *testing.T) {
	const yamlAt = "~/.sailpoint/config.yaml"
	tests := map[string]struct {
		set  func(t *testing.T, dir, home string)
		opts []customizers.Option
		says []string
		not  []string
	}{
		"nothing anywhere": {
			set:  func(*testing.T, string, string) {},
			says: []string{"no tenant and no credentials", "the environment", "./config.json", yamlAt},
		},
		"files that say nothing": {
			set: func(t *testing.T, dir, home string) {
				writeConfig(t, filepath.Join(dir, "config.json"), `{"port": 8080}`)
				writeConfig(t, yamlIn(home), "authtype: pat\n")
			},
			says: []string{"no tenant and no credentials", "the environment", "./config.json", yamlAt},
		},
		"empty YAML": {
			set:  func(t *testing.T, _, home string) { writeConfig(t, yamlIn(home), "") },
			says: []string{"no tenant and no credentials", yamlAt},
		},
		"a bad option": {
			set: func(t *testing.T, _, _ string) {
				inEnvironment(t, "https://acme.api.identitynow.com", "an-id", "hush-hush")
			},
			opts: []customizers.Option{customizers.WithAPIVersion("v3")},
			says: []string{`API version "v3"`},
		},
		"a nil option": {
			set: func(t *testing.T, _, _ string) {
				inEnvironment(t, "https://acme.api.identitynow.com", "an-id", "hush-hush")
			},
			opts: []customizers.Option{nil},
			says: []string{"option 1 of 1 is nil"},
		},
		"environment: no secret": {
			set:  func(t *testing.T, _, _ string) { inEnvironment(t, "https://acme.api.identitynow.com", "an-id", "") },
			says: []string{"SAIL_CLIENT_SECRET not set in the environment"},
			not:  []string{"SAIL_CLIENT_ID"},
		},
		"environment: no ID": {
			set:  func(t *testing.T, _, _ string) { inEnvironment(t, "https://acme.api.identitynow.com", "", "hush-hush") },
			says: []string{"SAIL_CLIENT_ID not set in the environment"},
			not:  []string{"SAIL_CLIENT_SECRET"},
		},
		"environment: no tenant": {
			set:  func(t *testing.T, _, _ string) { inEnvironment(t, "", "an-id", "hush-hush") },
			says: []string{"SAIL_BASE_URL not set in the environment"},
		},
		"environment: a tenant only": {
			set:  func(t *testing.T, _, _ string) { inEnvironment(t, "https://acme.api.identitynow.com", "", "") },
			says: []string{"SAIL_CLIENT_ID and SAIL_CLIENT_SECRET not set in the environment"},
		},
		"environment: a token without a tenant": {
			set:  func(t *testing.T, _, _ string) { t.Setenv("SAIL_ACCESS_TOKEN", "hush-hush") },
			says: []string{"SAIL_BASE_URL not set in the environment"},
		},
		"environment: a token that no header can carry": {
			set: func(t *testing.T, _, _ string) {
				t.Setenv("SAIL_BASE_URL", "https://acme.api.identitynow.com")
				t.Setenv("SAIL_ACCESS_TOKEN", "hush-hush\nX-Evil: 1")
			},
			says: []string{"SAIL_ACCESS_TOKEN in the environment"},
		},
		"environment: a padded secret": {
			set: func(t *testing.T, _, _ string) {
				inEnvironment(t, "https://acme.api.identitynow.com", "an-id", "hush-hush ")
			},
			says: []string{"client secret", "white space", "the environment"},
		},
		"environment: a tenant that can't be used": {
			set: func(t *testing.T, _, _ string) {
				inEnvironment(t, "http://acme.api.identitynow.com", "an-id", "hush-hush")
			},
			says: []string{"SAIL_BASE_URL in the environment", "not encrypted"},
		},
		"environment: a password in the tenant": {
			set: func(t *testing.T, _, _ string) {
				inEnvironment(t, "https://a:hush-hush@acme.api.identitynow.com", "an-id", "a-secret")
			},
			says: []string{"SAIL_BASE_URL in the environment", "user name or password"},
		},
		"JSON: no secret": {
			set: func(t *testing.T, dir, _ string) {
				inConfigJSON(t, dir, "https://acme.api.identitynow.com", "an-id", "")
			},
			says: []string{"ClientSecret not set in ./config.json"},
			not:  []string{"ClientId"},
		},
		"JSON: a secret only": {
			set:  func(t *testing.T, dir, _ string) { inConfigJSON(t, dir, "", "", "hush-hush") },
			says: []string{"BaseURL and ClientId not set in ./config.json"},
		},
		"JSON: a tenant that can't be used": {
			set: func(t *testing.T, dir, _ string) {
				inConfigJSON(t, dir, "https://api.identitynow.com", "an-id", "hush-hush")
			},
			says: []string{"BaseURL in ./config.json", "user interface"},
		},
		"JSON: truncated": {
			set: func(t *testing.T, dir, _ string) {
				writeConfig(t, filepath.Join(dir, "config.json"), `{"BaseURL": "https://acme.api.identitynow.com", "ClientSecret": "hush-hush`)
			},
			says: []string{"./config.json is not JSON", "byte"},
		},
		"JSON: no quotes": {
			set: func(t *testing.T, dir, _ string) {
				writeConfig(t, filepath.Join(dir, "config.json"), `{"ClientId": hush-hush, "ClientSecret": hush-hush}`)
			},
			says: []string{"./config.json is not JSON", "byte"},
		},
		"JSON: a number for a secret": {
			set: func(t *testing.T, dir, _ string) {
				writeConfig(t, filepath.Join(dir, "config.json"), `{"BaseURL": "https://acme.api.identitynow.com", "ClientId": "an-id", "ClientSecret": 4711}`)
			},
			says: []string{"./config.json", "ClientSecret is a JSON number"},
			not:  []string{"4711"},
		},
		"JSON: empty": {
			set:  func(t *testing.T, dir, _ string) { writeConfig(t, filepath.Join(dir, "config.json"), "") },
			says: []string{"./config.json is not JSON"},
		},
		"JSON: a folder": {
			set: func(t *testing.T, dir, _ string) {
				require.NoError(t, os.Mkdir(filepath.Join(dir, "config.json"), 0o700))
			},
			says: []string{"config.json"},
		},
		"YAML: no secret": {
			set: func(t *testing.T, _, home string) {
				inConfigYAML(t, home, "https://acme.api.identitynow.com", "an-id", "")
			},
			says: []string{"environments.work.pat.clientsecret not set in " + yamlAt, "keyring"},
			not:  []string{"pat.clientid", "other-"},
		},
		"YAML: nothing but the tenant": {
			set:  func(t *testing.T, _, home string) { inConfigYAML(t, home, "https://acme.api.identitynow.com", "", "") },
			says: []string{"environments.work.pat.clientid and environments.work.pat.clientsecret not set in " + yamlAt},
			not:  []string{"other-"},
		},
		"YAML: no such environment": {
			set: func(t *testing.T, _, home string) {
				writeConfig(t, yamlIn(home), "activeenvironment: gone\nenvironments:\n  work:\n    pat:\n      clientsecret: hush-hush\n")
			},
			says: []string{yamlAt, `activeenvironment "gone"`},
		},
		"YAML: no active environment": {
			set: func(t *testing.T, _, home string) {
				writeConfig(t, yamlIn(home), "environments:\n  work:\n    pat:\n      clientsecret: hush-hush\n")
			},
			says: []string{yamlAt, "activeenvironment"},
		},
		"YAML: of another type": {
			set: func(t *testing.T, _, home string) {
				writeConfig(t, yamlIn(home), "activeenvironment: work\nenvironments:\n  work:\n    pat: hush-hush\n")
			},
			says: []string{yamlAt + " can't be read as YAML"},
		},
		"YAML: not YAML": {
			set:  func(t *testing.T, _, home string) { writeConfig(t, yamlIn(home), "clientsecret: [hush-hush\n\t: {") },
			says: []string{yamlAt + " can't be read as YAML"},
		},
		"YAML: a tenant that can't be used": {
			set: func(t *testing.T, _, home string) {
				inConfigYAML(t, home, "https://acme.api.identitynow.com/v2024", "an-id", "hush-hush")
			},
			says: []string{"environments.work.baseurl in " + yamlAt, `path "/v2024"`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir, home := nowhere(t)
			tt.set(t, dir, home)
			client, err := customizers.NewFromEnv(tt.opts...)
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.Nil(t, client)
			for _, s := range tt.says {
				assert.Contains(t, err.Error(), s)
			}
			for _, s := range append(tt.not, "hush-hush") {
				assert.NotContains(t, err.Error(), s)
			}
		})
	}
}

// What one source lacks is never taken from another, and a source that is broken does
// not pass its place on: one tenant's secret must not go to another tenant.
func TestNewFromEnvNeverMixesSources(t *testing.T) {
	srv := sandbox(t)
	whole := func(t *testing.T, dir, home string) {
		t.Helper()
		inConfigJSON(t, dir, srv.URL, srv.ClientID, srv.ClientSecret)
		inConfigYAML(t, home, srv.URL, srv.ClientID, srv.ClientSecret)
	}
	tests := map[string]struct {
		set  func(t *testing.T, dir, home string)
		says string
	}{
		"tenant from the environment, credentials from files": {
			func(t *testing.T, _, _ string) { t.Setenv("SAIL_BASE_URL", srv.URL) },
			"SAIL_CLIENT_ID and SAIL_CLIENT_SECRET not set in the environment",
		},
		"credentials from the environment, tenant from files": {
			func(t *testing.T, _, _ string) { inEnvironment(t, "", srv.ClientID, srv.ClientSecret) },
			"SAIL_BASE_URL not set in the environment",
		},
		"token from the environment, tenant from files": {
			func(t *testing.T, _, _ string) { t.Setenv("SAIL_ACCESS_TOKEN", "a-token") },
			"SAIL_BASE_URL not set in the environment",
		},
		"half of JSON, half of YAML": {
			func(t *testing.T, dir, _ string) { inConfigJSON(t, dir, srv.URL, srv.ClientID, "") },
			"ClientSecret not set in ./config.json",
		},
		"broken JSON, whole YAML": {
			func(t *testing.T, dir, _ string) { writeConfig(t, filepath.Join(dir, "config.json"), `{"BaseURL": `) },
			"./config.json is not JSON",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir, home := nowhere(t)
			whole(t, dir, home)
			tt.set(t, dir, home)
			_, err := customizers.NewFromEnv()
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.Contains(t, err.Error(), tt.says)
		})
	}
	assert.Empty(t, srv.Requests())
}

func TestNewFromEnvWithoutAHome(t *testing.T) {
	nowhere(t)
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	_, err := customizers.NewFromEnv()
	require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	assert.Contains(t, err.Error(), "there is no home directory")

	srv := sandbox(t, customizerstest.WithSeed(2))
	inEnvironment(t, srv.URL, srv.ClientID, srv.ClientSecret)
	listsOn(t, srv, customizers.WithRateLimit(1, time.Second))
}
