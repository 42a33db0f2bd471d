package customizerstest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

const (
	formType  = "application/x-www-form-urlencoded"
	goodQuery = "grant_type=client_credentials&client_id=an-id&client_secret=s%2Bcret"
)

// goodPairs has the names and values of goodQuery.
var goodPairs = []string{"grant_type", "client_credentials", "client_id", "an-id", "client_secret", "s+cret"}

// multipartForm returns a form with the boundary "b". Each part has the extra header lines.
func multipartForm(header string, pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + pairs[i] + "\"\r\n" + header + "\r\n" + pairs[i+1] + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

func TestToken(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithCredentials("an-id", "s+cret"))
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("an-id:s%2Bcret"))
	const refused = http.StatusUnauthorized
	tests := map[string]struct {
		query, contentType, authorization, body string
		status                                  int
		code, text                              string // of an error
	}{
		"query":                        {query: goodQuery},
		"as SailPoint's page has it":   {query: strings.Replace(goodQuery, "client_credentials", "CLIENT_CREDENTIALS", 1)},
		"form":                         {contentType: formType, body: goodQuery},
		"multipart":                    {contentType: "multipart/form-data; boundary=b", body: multipartForm("", goodPairs...)},
		"multipart, typed parts":       {contentType: "multipart/form-data; boundary=b", body: multipartForm("Content-Type: text/plain; charset=utf-8\r\n", goodPairs...)},
		"Basic and form":               {authorization: basic, contentType: formType, body: "grant_type=client_credentials"},
		"Basic and query":              {authorization: basic, query: "grant_type=client_credentials"},
		"grant in query, rest in form": {query: "grant_type=client_credentials", contentType: formType, body: "client_id=an-id&client_secret=s%2Bcret"},
		"grant in query, multipart":    {query: "grant_type=client_credentials", contentType: "multipart/form-data; boundary=b", body: multipartForm("", goodPairs[2:]...)},
		"wrong secret":                 {query: strings.Replace(goodQuery, "s%2Bcret", "hush", 1), status: refused, code: "invalid_client", text: "Bad client credentials"},
		"wrong ID":                     {query: strings.Replace(goodQuery, "an-id", "another", 1), status: refused, code: "invalid_client", text: "Bad client credentials"},
		"no secret":                    {query: "grant_type=client_credentials&client_id=an-id", status: refused, code: "invalid_client", text: "client_secret is missing"},
		"another grant":                {query: strings.Replace(goodQuery, "client_credentials", "password", 1), status: 400, code: "unsupported_grant_type", text: "password"},
		"no grant":                     {query: "client_id=an-id&client_secret=s%2Bcret", status: 400, code: "invalid_request", text: "grant_type is missing"},
		"JSON":                         {contentType: recordType, body: `{"grant_type":"client_credentials"}`, status: 400, code: "invalid_request", text: "multipart/form-data"},
		"a form without a type":        {body: goodQuery, status: 400, code: "invalid_request", text: formType},
		"two secrets":                  {query: "client_secret=hush", contentType: formType, body: goodQuery, status: 400, code: "invalid_request", text: "client_secret is given twice"},
		"multipart, no boundary":       {contentType: "multipart/form-data", body: multipartForm("", goodPairs...), status: 400, code: "invalid_request", text: "can't be read"},
		"form too large":               {contentType: formType, body: goodQuery + strings.Repeat("&a=b", 1<<19), status: 400, code: "invalid_request", text: "can't be read"},
		"Basic with bad escapes": {
			authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte("an-id:%zz")), query: "grant_type=client_credentials",
			status: 400, code: "invalid_request", text: "HTTP Basic",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &peer{t: t, srv: srv, authorization: tt.authorization}
			got := p.send(http.MethodPost, "/oauth/token?"+tt.query, tt.contentType, tt.body)
			body := decode[map[string]any](t, got)
			if tt.status == 0 {
				require.Equal(t, http.StatusOK, got.status, string(got.body))
				p.authorization = "Bearer " + body["access_token"].(string)
				assert.Equal(t, http.StatusOK, p.get(collection).status)
				return
			}
			assert.Equal(t, tt.status, got.status)
			assert.Equal(t, tt.code, body["error"])
			assert.Contains(t, body["error_description"], tt.text)
			assert.Len(t, body, 2)
			assert.NotContains(t, string(got.body), "s+cret")
		})
	}
}

func TestTokenIsAJWT(t *testing.T) {
	t.Parallel()
	p := newPeer(t, serve(t, customizerstest.WithScopes("sp:connector:read")))
	body := decode[map[string]any](t, p.requestToken())
	token := body["access_token"].(string)
	assert.NotEqual(t, p.authorization, "Bearer "+token, "every token is new")
	delete(body, "access_token")
	assert.Equal(t, map[string]any{"token_type": "bearer", "expires_in": 749.0, "scope": "sp:connector:read"}, body)
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var claims struct {
		ClientID string `json:"client_id"`
		Scope    []string
		Iat, Exp int64
	}
	require.NoError(t, json.Unmarshal(data, &claims))
	assert.Equal(t, p.srv.ClientID, claims.ClientID)
	assert.Equal(t, []string{"sp:connector:read"}, claims.Scope)
	assert.EqualValues(t, 749, claims.Exp-claims.Iat)
}

func TestUnauthorized(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	good, expired := newPeer(t, srv), newPeer(t, srv)
	srv.Inject(customizerstest.Fault{Skip: 1, ExpireToken: true})
	require.Equal(t, http.StatusOK, expired.get(collection).status)
	tests := []struct{ name, authorization, text string }{
		{"expired", expired.authorization, "JWT is expired"}, // the fault applies to the first request
		{"expired before", expired.authorization, "JWT is expired"},
		{"expired at once", newPeer(t, serve(t, customizerstest.WithTokenLifetime(time.Nanosecond))).authorization, "JWT is not valid"},
		{"none", "", "JWT is missing"},
		{"empty", "Bearer ", "JWT is missing"},
		{"another scheme", strings.Replace(good.authorization, "Bearer", "Basic", 1), "JWT is missing"},
		{"unknown", "Bearer a.b.c", "JWT is not valid"},
		{"truncated", good.authorization[:len(good.authorization)-1], "JWT is not valid"},
		{"another tenant's", newPeer(t, serve(t)).authorization, "JWT is not valid"},
	}
	for _, tt := range tests {
		p := &peer{t: t, srv: srv, authorization: tt.authorization}
		got := p.get(collection)
		assert.Equal(t, http.StatusUnauthorized, got.status, tt.name)
		assert.JSONEq(t, `{"error": "JWT validation failed: `+tt.text+`"}`, string(got.body), tt.name)
	}
	assert.Equal(t, http.StatusOK, good.get(collection).status, "the fault expired one token only")
	srv.ExpireTokens()
	assert.Equal(t, http.StatusUnauthorized, good.get(collection).status)
	assert.Equal(t, http.StatusOK, newPeer(t, srv).get(collection).status)
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	got := newPeer(t, serve(t, customizerstest.WithTokenLifetime(time.Nanosecond))).get(collection)
	assert.Equal(t, http.StatusUnauthorized, got.status)
	assert.JSONEq(t, `{"error": "JWT validation failed: JWT is expired"}`, string(got.body))
}
