package customizers_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

func TestInvalidAuth(t *testing.T) {
	t.Parallel()
	for says, auth := range map[string]customizers.Auth{
		"no credentials":                                    {},
		"the token source is nil":                           customizers.TokenSource(nil),
		"client ID is empty":                                customizers.ClientCredentials("", "hush-hush"),
		"client secret is empty":                            customizers.ClientCredentials("the-id", ""),
		"client ID has leading or trailing white space":     customizers.ClientCredentials(" the-id", "hush-hush"),
		"client secret has leading or trailing white space": customizers.ClientCredentials("the-id", "hush-hush\n"),
	} {
		_, err := customizers.New("acme", auth)
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		require.ErrorContains(t, err, says)
		assert.NotContains(t, err.Error(), "hush-hush")
	}
}

// tenantWithTokens returns a client of a tenant whose token endpoint is h.
func tenantWithTokens(t *testing.T, h http.HandlerFunc) *customizers.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", h)
	mux.HandleFunc("/v2024/connector-customizers", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return newClient(t, srv.URL, customizers.ClientCredentials("the-id", "the-secret+&"), quick)
}

func TestTokenRequest(t *testing.T) {
	t.Parallel()
	c := tenantWithTokens(t, func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseForm())
		assert.Equal(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"the-id"}, "client_secret": {"the-secret+&"}}, r.PostForm)
		assert.Empty(t, r.URL.RawQuery)
		assert.Empty(t, r.Header.Get("Authorization"), "the credentials are in the form")
		_, _ = io.WriteString(w, `{"access_token":"a","token_type":"bearer","expires_in":749}`)
	})
	require.NoError(t, list(testContext(t), c))
}

// Token requests use the caller's HTTP client and context.
func TestTokenRequestContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	wire := newScript(respond(200, `{"access_token":"a"}`), respond(200, "[]"))
	c := newClient(t, "acme", customizers.ClientCredentials("i", "s"), customizers.WithHTTPClient(&http.Client{Transport: wire}))
	require.NoError(t, list(context.WithValue(t.Context(), key{}, "mine"), c))
	require.Len(t, wire.requests, 2)
	for _, req := range wire.requests {
		assert.Equal(t, "mine", req.Context().Value(key{}))
	}
}

func TestTokenEndpointFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status   int
		body     string
		is       error
		requests int
		says     []string
	}{
		"wrong secret": {
			401, `{"error":"invalid_client","error_description":"Bad client credentials"}`,
			customizers.ErrUnauthorized, 1, []string{"401 Unauthorized", "Bad client credentials", "invalid_client"},
		},
		"bad request": {
			400, `{"error":"invalid_request","error_description":"No such grant for the-secret+& or the-secret%2B%26"}`,
			customizers.ErrUnauthorized, 1, []string{"400 Bad Request", "No such grant for [redacted] or [redacted]"},
		},
		"the service's shape": {
			403, `{"detailCode":"403 Forbidden","trackingId":"tr-1","messages":[{"text":"No."}]}`,
			customizers.ErrUnauthorized, 1, []string{"403", "No.", "tr-1"},
		},
		"not found":        {404, ``, nil, 1, []string{"404 Not Found"}},
		"down":             {503, `<html>`, customizers.ErrServer, 4, []string{"503", "after 4 attempts"}},
		"rate limited":     {429, `{"message":" Rate Limit Exceeded "}`, customizers.ErrRateLimited, 4, []string{"429", "Rate Limit Exceeded"}},
		"empty":            {200, ``, nil, 1, []string{"no usable access_token in an empty body"}},
		"no token":         {200, `{"token_type":"bearer"}`, nil, 1, []string{"no usable access_token"}},
		"HTML":             {200, `<html>the-secret+&</html>`, nil, 1, []string{"no usable access_token in 25 bytes"}},
		"error with 200":   {200, `{"error":"invalid_client","error_description":"Locked"}`, customizers.ErrUnauthorized, 1, []string{"Locked", "invalid_client"}},
		"invalid token":    {200, `{"access_token":"a\nb"}`, nil, 1, []string{"no usable access_token"}},
		"redirect":         {302, ``, nil, 1, []string{"redirects to https://elsewhere.example are not followed"}},
		"error, an object": {400, `{"error":{"code":7}}`, customizers.ErrUnauthorized, 1, []string{"400 Bad Request"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			c := tenantWithTokens(t, func(w http.ResponseWriter, _ *http.Request) {
				requests++
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Location", "https://elsewhere.example/x?client_secret=the-secret")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			var want []error
			if tt.is != nil {
				want = []error{tt.is}
			}
			_, linkErr := instances.Link(testContext(t), c, "customizer", "instance")
			for _, err := range []error{operations[4].call(testContext(t), c), doOperations[0].call(testContext(t), c), linkErr} {
				e := failure(t, err, want...) // never ErrOutcomeUnknown: the call was not sent
				assert.Equal(t, "Token POST /oauth/token", e.Operation+" "+e.Method+" "+e.Path)
				assert.Equal(t, tt.status, e.StatusCode)
				for _, says := range tt.says {
					require.ErrorContains(t, err, says)
				}
				assert.NotContains(t, everyFormat(err), "the-secret")
			}
			assert.Equal(t, 3*tt.requests, requests)
		})
	}
}

func TestTokenSource(t *testing.T) {
	t.Parallel()
	sealed := errors.New("the vault is sealed")
	for name, tt := range map[string]struct {
		source  tokenSource
		wire    roundTripper
		fetches int // in three calls
		sent    int
		says    string
		is      []error
	}{
		"a token":          {source: static("t").Token, fetches: 1, sent: 3},
		"expired tokens":   {source: func() (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "t", Expiry: time.Unix(1, 0)}, nil }, fetches: 3, sent: 3},
		"an error":         {source: func() (*oauth2.Token, error) { return nil, sealed }, fetches: 3, says: "the vault is sealed", is: []error{sealed}},
		"no token":         {source: func() (*oauth2.Token, error) { return nil, nil }, fetches: 3, says: "the access token is empty"},
		"an invalid token": {source: static("a\nb").Token, fetches: 3, says: "characters that are invalid in a header"},
		"a panic":          {source: func() (*oauth2.Token, error) { panic("a bug") }, fetches: 3, says: "fetching a token panicked: a bug"},
		"a refused token":  {source: static("t").Token, wire: respond(401, `{"error":"JWT is expired"}`), fetches: 4, sent: 3, says: "JWT is expired", is: []error{customizers.ErrUnauthorized}},
		"forbidden":        {source: static("t").Token, wire: respond(403, `{}`), fetches: 1, sent: 3, is: []error{customizers.ErrForbidden}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fetches := 0
			if tt.wire == nil {
				tt.wire = respond(200, "[]")
			}
			wire := newScript(tt.wire)
			c := newClient(t, "acme", customizers.TokenSource(tokenSource(func() (*oauth2.Token, error) {
				fetches++
				return tt.source()
			})), customizers.WithHTTPClient(&http.Client{Transport: wire}))
			for range 3 {
				err := list(t.Context(), c)
				if tt.says == "" && tt.is == nil {
					require.NoError(t, err)
					continue
				}
				require.ErrorContains(t, err, tt.says)
				for _, is := range tt.is {
					require.ErrorIs(t, err, is)
				}
			}
			assert.Equal(t, tt.fetches, fetches)
			assert.Len(t, wire.requests, tt.sent)
			for _, req := range wire.requests {
				assert.True(t, strings.HasPrefix(req.Header.Get("Authorization"), "Bearer t"))
			}
		})
	}
}
