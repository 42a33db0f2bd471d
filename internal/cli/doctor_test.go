package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/connector-customizers/customizers/customizerstest"
)

func runDoctor(ctx context.Context, t *testing.T) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(ctx, []string{"doctor"}, nil, &out, &errs)
	return code, out.String(), errs.String()
}

// doctor accepts claims of any form, if the list succeeds.
func TestDoctorClaims(t *testing.T) {
	for claims, says := range map[string]string{
		`{"scope":["FA=="],"exp":4102444800}`: "scopes\tunknown: the token does not name its scopes",
		`{"scope":"FA=="}`:                    "scopes\tunknown",
		`{"scope":7}`:                         "scopes\tunknown",
		`{"scope":{"a":1},"exp":"soon"}`:      "token\tfetched; its expiry can't be read",
		`{"exp":"4102444800"}`:                "at 2100-01-01T00:00:00Z",
		`{"exp":4102444800.5}`:                "at 2100-01-01T00:00:00Z",
		`{"exp":"NaN"}`:                       "token\tfetched; its expiry can't be read",
		`{"exp":"x","scope":"sp:scopes:all"}`: "scopes\tsp:scopes:all",
		`{"exp":1e300}`:                       "token\tfetched; its expiry can't be read",
		`{"exp":null}`:                        "token\tfetched; its expiry can't be read",
		`{}`:                                  "token\tno expiry",
		`{"scope":["sp:connector:read sp:connector:manage"]}`: "sp:connector:read sp:connector:manage",
		`{"scope":"sp:scopes:all"}`:                           "scopes\tsp:scopes:all",
		`{"scope":["sp:connector:read"]}`:                     "sp:connector:read (create, update, delete and upload need sp:connector:manage)",
		`not JSON`:                                            "token\tfetched; it is not a JWT",
	} {
		t.Run(claims, func(t *testing.T) {
			token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
			serveTenant(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				switch r.URL.Path {
				case "/oauth/token":
					_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":749}`, token)
				case "/oauth/info":
					_, _ = io.WriteString(w, `{}`)
				default:
					_, _ = io.WriteString(w, `[]`)
				}
			}))
			code, stdout, stderr := runDoctor(t.Context(), t)
			assert.Equal(t, exitOK, code, stderr)
			assert.Contains(t, stdout, says)
			assert.Contains(t, stdout, "ok\tlist\tpermitted")
			assert.NotContains(t, stdout, "FAILED")
		})
	}
}

// doctor shows no secret, also if it is in the place of the ID, and says what is wrong with a value.
func TestDoctorCredentials(t *testing.T) {
	const id, secret = "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"
	const swapped, quotes, placeholder = "they look swapped", "remove the quotes", "placeholder that nothing replaced"
	for name, tt := range map[string]struct {
		id, secret string
		shown      bool // the ID
		says       string
	}{
		"right":               {id, secret, true, ""},
		"swapped":             {secret, id, false, swapped},
		"secret in quotes":    {`"` + secret + `"`, id, false, swapped},
		"a token":             {"eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl", secret, false, swapped},
		"ID in quotes":        {`'` + id + `'`, secret, true, quotes},
		"a secret in quotes":  {id, `"` + secret + `"`, true, quotes},
		"$(…)":                {id, "$(SAIL_SECRET)", true, placeholder},
		"${…}":                {id, "${SAIL_SECRET}", true, placeholder},
		"$…":                  {id, "$SAIL_SECRET", true, placeholder},
		"a template":          {id, "{{secrets.SAIL}}", true, placeholder},
		"an unset ID":         {"%SAIL_ID%", secret, true, placeholder},
		"of the docs":         {"<client-id>", secret, true, placeholder},
		"a UUID and anything": {"3c3270ea-0b5b-4b3c-9c4d-6a1d5c7b4a11", "s$cr(e)t", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			serveTenant(t, http.NotFoundHandler())
			t.Setenv("SAIL_CLIENT_ID", tt.id)
			t.Setenv("SAIL_CLIENT_SECRET", tt.secret)
			_, stdout, stderr := runDoctor(t.Context(), t)
			assert.Equal(t, tt.shown, strings.Contains(stdout, "client ID\t"+tt.id+" (from"), stdout)
			assert.NotContains(t, stdout+stderr, secret)
			for _, advice := range []string{swapped, quotes, placeholder} {
				assert.Equal(t, advice == tt.says, strings.Contains(stdout, advice), "%s: %s", advice, stdout)
			}
		})
	}
}

// serveTenant serves h and sets the environment to its settings.
func serveTenant(t *testing.T, h http.Handler) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	t.Setenv("SAIL_BASE_URL", srv.URL)
	t.Setenv("SAIL_CLIENT_ID", "id")
	t.Setenv("SAIL_CLIENT_SECRET", "secret")
}

// A vanity address serves /oauth/info, which names the address of the API.
func TestDoctorVanityAddress(t *testing.T) {
	serveTenant(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/info" {
			_, _ = io.WriteString(w, `{"tokenEndpoint":"https://acme.api.identitynow.com/oauth/token"}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	code, stdout, _ := runDoctor(t.Context(), t)
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, stdout, "info\tAPI URL\tthe tenant's own API URL is https://acme.api.identitynow.com, not http://127.0.0.1")
	assert.Contains(t, stdout, "set the tenant to https://acme.api.identitynow.com")
	assert.Contains(t, stdout, "FAILED\ttoken")
}

// An interrupted doctor gives no advice.
func TestDoctorInterrupted(t *testing.T) {
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	setEnvironment(t, srv)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, stdout, stderr := runDoctor(ctx, t)
	assert.Equal(t, exitInterrupted, code)
	assert.NotContains(t, stdout, "FAILED")
	assert.NotContains(t, stdout, "HTTPS_PROXY")
	assert.Contains(t, stderr, "interrupted")
}
