package customizers_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// urlRecorder notes where requests would go, and answers a token or an empty list.
type urlRecorder struct {
	mu   sync.Mutex
	urls []string
}

func (r *urlRecorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.urls = append(r.urls, req.Method+" "+req.URL.String())
	body := `[]`
	if strings.HasSuffix(req.URL.Path, "/oauth/token") {
		body = `{"access_token":"the-token","token_type":"bearer","expires_in":749}`
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(body)),
		Request:    req,
	}, nil
}

func (r *urlRecorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.urls
}

func TestTenantAccepted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ tenant, base string }{
		"name":                   {"acme", "https://acme.api.identitynow.com"},
		"name in capitals":       {"ACME", "https://acme.api.identitynow.com"},
		"name with a dash":       {"acme-sb", "https://acme-sb.api.identitynow.com"},
		"name with a digit":      {"4acme2", "https://4acme2.api.identitynow.com"},
		"name of one letter":     {"a", "https://a.api.identitynow.com"},
		"name of 63 letters":     {strings.Repeat("a", 63), "https://" + strings.Repeat("a", 63) + ".api.identitynow.com"},
		"URL":                    {"https://acme.api.identitynow.com", "https://acme.api.identitynow.com"},
		"URL with a final slash": {"https://acme.api.identitynow.com/", "https://acme.api.identitynow.com"},
		"URL in capitals":        {"HTTPS://ACME.API.IDENTITYNOW.COM", "https://acme.api.identitynow.com"},
		"URL of the test region": {"https://acme.api.identitynow-demo.com", "https://acme.api.identitynow-demo.com"},
		"URL with a port":        {"https://acme.api.identitynow.com:8443", "https://acme.api.identitynow.com:8443"},
		"host":                   {"acme.api.identitynow.com", "https://acme.api.identitynow.com"},
		"host with a port":       {"acme.api.identitynow.com:8443", "https://acme.api.identitynow.com:8443"},
		"vanity URL":             {"https://api.acme.example", "https://api.acme.example"},
		"vanity host":            {"api.acme.example", "https://api.acme.example"},
		"encrypted loopback":     {"https://localhost:8443", "https://localhost:8443"},
		"loopback by name":       {"http://localhost:8787", "http://localhost:8787"},
		"loopback by name, no port": {
			"http://LOCALHOST", "http://localhost",
		},
		"loopback by number":    {"http://127.0.0.1:8787", "http://127.0.0.1:8787"},
		"another loopback":      {"http://127.8.8.8:8787", "http://127.8.8.8:8787"},
		"loopback by IPv6":      {"http://[::1]:8787", "http://[::1]:8787"},
		"loopback, final slash": {"http://127.0.0.1:8787/", "http://127.0.0.1:8787"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := &urlRecorder{}
			client := newClient(t, tt.tenant,
				customizers.ClientCredentials("the-id", "the-secret"),
				customizers.WithHTTPClient(&http.Client{Transport: recorder}))
			require.Empty(t, recorder.seen(), "New sends nothing")

			_, err := client.List(ctxOf(t), customizers.ListOptions{Limit: 1})
			require.NoError(t, err)
			assert.Equal(t, []string{
				"POST " + tt.base + "/oauth/token",
				"GET " + tt.base + "/v2024/connector-customizers?limit=1",
			}, recorder.seen())
		})
	}
}

func TestTenantRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ tenant, says string }{
		"empty":                      {"", "is empty"},
		"blank":                      {" ", "neither a name nor"},
		"name with a blank before":   {" acme", "neither a name nor"},
		"name with a blank behind":   {"acme ", "neither a name nor"},
		"name with a line break":     {"acme\n", "neither a name nor"},
		"name with an underscore":    {"acme_sb", "neither a name nor"},
		"name that begins with dash": {"-acme", "neither a name nor"},
		"name that ends with dash":   {"acme-", "neither a name nor"},
		"name that is too long":      {strings.Repeat("a", 64), "neither a name nor"},
		"name with a slash":          {"acme/v2024", "neither a name nor"},
		"two names":                  {"acme,umbrella", "neither a name nor"},
		"loopback without a scheme":  {"localhost", "neither a name nor"},
		"port without a scheme":      {"localhost:8080", "neither a name nor"},
		"scheme only":                {"https://", "neither a name nor"},
		"port only":                  {"https://:443", "neither a name nor"},
		"one slash":                  {"https:/acme.api.identitynow.com", "path"},
		"another scheme":             {"ftp://acme.api.identitynow.com", "neither a name nor"},
		"a file":                     {"file:///etc/hosts", "neither a name nor"},
		"bad port":                   {"https://acme.api.identitynow.com:https", "neither a name nor"},
		"bad escape":                 {"https://acme%zz.api.identitynow.com", "neither a name nor"},
		"blank in the host":          {"https://acme api.identitynow.com", "neither a name nor"},
		"query":                      {"https://acme.api.identitynow.com?a=hush-hush", "query"},
		"empty query":                {"https://acme.api.identitynow.com?", "query"},
		"fragment":                   {"https://acme.api.identitynow.com#hush-hush", "fragment"},
		"user":                       {"https://admin@acme.api.identitynow.com", "user name or password"},
		"user and password":          {"https://admin:hush-hush@acme.api.identitynow.com", "user name or password"},
		"user info without a scheme": {"admin:hush-hush@acme.api.identitynow.com", "user name or password"},
		"user info, other scheme":    {"ftp://admin:hush-hush@acme.api.identitynow.com", "user name or password"},
		"user info, bad port":        {"https://admin:hush-hush@acme.api.identitynow.com:x", "user name or password"},
		"user info, loopback":        {"admin:hush-hush@localhost", "user name or password"},
		"user info, one slash":       {"https:/admin:hush-hush@acme.example.com", "user name or password"},
		"user info, three slashes":   {"https:///admin:hush-hush@acme.example.com", "user name or password"},
		"user info with a slash":     {"https://user:1/hush-hush@acme.example.com", "user name or password"},
		"dot":                        {".", "neither a name nor"},
		"empty label":                {"https://acme..com", "no valid host"},
		"port over the most":         {"https://acme.api.identitynow.com:99999", "no valid host"},
		"path":                       {"https://acme.api.identitynow.com/v2024", `path "/v2024"`},
		"path of the scheme V1":      {"https://acme.api.identitynow.com/connector-customizers/v1", "the API version is a setting of its own"},
		"path of slashes":            {"https://acme.api.identitynow.com//", `path "//"`},
		"host with a path":           {"acme.api.identitynow.com/v2024", `path "/v2024"`},
		"not encrypted":              {"http://acme.api.identitynow.com", "not encrypted"},
		"not encrypted, vanity":      {"http://api.acme.example", "not encrypted"},
		"not encrypted, private":     {"http://192.168.0.1:8080", "not encrypted"},
		"not encrypted, any address": {"http://0.0.0.0:8080", "not encrypted"},
		"not loopback but like it":   {"http://localhost.acme.example", "not encrypted"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := &urlRecorder{}
			client, err := customizers.New(tt.tenant,
				customizers.ClientCredentials("the-id", "the-secret"),
				customizers.WithHTTPClient(&http.Client{Transport: recorder}))
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.Nil(t, client)
			assert.Contains(t, err.Error(), "tenant")
			assert.Contains(t, err.Error(), tt.says)
			assert.NotContains(t, err.Error(), "hush-hush")
			assert.NotContains(t, err.Error(), "the-secret")
			assert.Empty(t, recorder.seen())
		})
	}
}

func TestAPIVersionPaths(t *testing.T) {
	t.Parallel()
	for version, base := range map[customizers.APIVersion]string{
		"":                         "/v2024/connector-customizers", // not given
		customizers.APIVersion2024: "/v2024/connector-customizers",
		customizers.APIVersion2025: "/v2025/connector-customizers",
		customizers.APIVersion2026: "/v2026/connector-customizers",
		customizers.APIVersion1:    "/connector-customizers/v1",
	} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			srv := sandbox(t)
			var opts []customizers.Option
			if version != "" {
				opts = append(opts, customizers.WithAPIVersion(version))
			}
			c := clientOf(t, srv, opts...)
			ctx := ctxOf(t)

			made := create(t, c, "one")
			_, err := c.List(ctx, customizers.ListOptions{Offset: 0, Limit: 2, Count: true})
			require.NoError(t, err)
			_, err = c.Get(ctx, made.ID)
			require.NoError(t, err)
			_, err = c.Update(ctx, made.ID, customizers.UpdateRequest{Name: "two"})
			require.NoError(t, err)
			_, err = c.CreateVersion(ctx, made.ID, bytes.NewReader(archive(t)))
			require.NoError(t, err)
			require.NoError(t, c.Delete(ctx, made.ID))

			type sent struct{ method, path string }
			want := map[customizerstest.Operation]sent{
				customizerstest.Token:         {"POST", "/oauth/token"},
				customizerstest.Create:        {"POST", base},
				customizerstest.List:          {"GET", base},
				customizerstest.Get:           {"GET", base + "/" + made.ID},
				customizerstest.Update:        {"PUT", base + "/" + made.ID},
				customizerstest.CreateVersion: {"POST", base + "/" + made.ID + "/versions"},
				customizerstest.Delete:        {"DELETE", base + "/" + made.ID},
			}
			got := map[customizerstest.Operation]sent{}
			for _, r := range srv.Requests() {
				got[r.Operation] = sent{r.Method, r.Path}
			}
			assert.Equal(t, want, got)
			assert.Len(t, srv.Requests(), len(want))
		})
	}
}

// An id that holds what versions are put between must come through as it is.
func TestAPIVersionLeavesIDsAlone(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"connector-customizers", "v1", "versions", "a?b", "a#b", "100%", "é", "a%2Fb", "a;b=c", "..."} {
		for _, version := range []customizers.APIVersion{customizers.APIVersion2024, customizers.APIVersion1} {
			srv := sandbox(t, customizerstest.WithCustomizers(customizers.Customizer{ID: id, Name: "odd"}))
			c := clientOf(t, srv, customizers.WithAPIVersion(version))
			got, err := c.Get(ctxOf(t), id)
			require.NoError(t, err, "%q by %s", id, version)
			assert.Equal(t, id, got.ID)
			require.NoError(t, c.Delete(ctxOf(t), id), "%q by %s", id, version)
			assert.Empty(t, srv.Customizers())
		}
	}
}

func TestOptionRefused(t *testing.T) {
	t.Parallel()
	retry := func(p customizers.RetryPolicy) []customizers.Option {
		return []customizers.Option{customizers.WithRetry(p)}
	}
	type options = []customizers.Option
	tests := map[string]struct {
		opts options
		says []string
	}{
		"nil option":             {options{nil}, []string{"option 1 of 1 is nil"}},
		"nil among options":      {options{customizers.WithRateLimit(0, 0), nil}, []string{"option 2 of 2 is nil"}},
		"nil HTTP client":        {options{customizers.WithHTTPClient(nil)}, []string{"HTTP client is nil"}},
		"nil rate limiter":       {options{customizers.WithRateLimiter(nil)}, []string{"rate limiter is nil"}},
		"nil logger":             {options{customizers.WithLogger(nil)}, []string{"logger is nil"}},
		"API version v3":         {options{customizers.WithAPIVersion("v3")}, []string{`API version "v3"`, "v2024, v2025, v2026 or v1"}},
		"API version in capital": {options{customizers.WithAPIVersion("V2024")}, []string{`API version "V2024"`}},
		"no API version":         {options{customizers.WithAPIVersion("")}, []string{`API version ""`}},
		"negative rate limit":    {options{customizers.WithRateLimit(-1, time.Second)}, []string{"rate limit", "-1"}},
		"no period":              {options{customizers.WithRateLimit(1, 0)}, []string{"period of the rate limit", "0s"}},
		"negative period":        {options{customizers.WithRateLimit(1, -time.Second)}, []string{"period of the rate limit", "-1s"}},
		"negative attempts":      {retry(customizers.RetryPolicy{MaxAttempts: -1}), []string{"RetryPolicy.MaxAttempts", "-1"}},
		"negative MinBackoff":    {retry(customizers.RetryPolicy{MinBackoff: -1}), []string{"RetryPolicy", "negative"}},
		"negative MaxBackoff":    {retry(customizers.RetryPolicy{MaxBackoff: -1}), []string{"RetryPolicy", "negative"}},
		"negative MaxWait":       {retry(customizers.RetryPolicy{MaxWait: -1}), []string{"RetryPolicy", "negative"}},
		"backoffs crossed": {
			retry(customizers.RetryPolicy{MinBackoff: 2 * time.Second, MaxBackoff: time.Second}),
			[]string{"MinBackoff, 2s", "MaxBackoff, 1s"},
		},
		"empty user agent":       {options{customizers.WithUserAgent("")}, []string{"user agent is blank"}},
		"blank user agent":       {options{customizers.WithUserAgent(" ")}, []string{"user agent is blank"}},
		"user agent, two lines":  {options{customizers.WithUserAgent("a\r\nX-Evil: 1")}, []string{"user agent"}},
		"user agent, not ASCII":  {options{customizers.WithUserAgent("aé")}, []string{"user agent"}},
		"a later option is good": {options{customizers.WithAPIVersion("v3"), customizers.WithAPIVersion(customizers.APIVersion1)}, []string{`"v3"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := customizers.New("acme", customizers.ClientCredentials("the-id", "the-secret"), tt.opts...)
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.Nil(t, client)
			for _, s := range tt.says {
				assert.Contains(t, err.Error(), s)
			}
			assert.NotContains(t, err.Error(), "hush-hush")
			assert.NotContains(t, err.Error(), "the-secret")
		})
	}
}

func TestAuthRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		auth customizers.Auth
		says string
	}{
		"none":             {customizers.Auth{}, "no credentials (want ClientCredentials or TokenSource)"},
		"nil token source": {customizers.TokenSource(nil), "token source is nil"},
		"empty ID":         {customizers.ClientCredentials("", "hush-hush"), "client ID is empty"},
		"empty secret":     {customizers.ClientCredentials("the-id", ""), "client secret is empty"},
		"padded ID":        {customizers.ClientCredentials(" the-id", "hush-hush"), "client ID begins or ends with white space"},
		"padded secret":    {customizers.ClientCredentials("the-id", "hush-hush\n"), "client secret begins or ends with white space"},
		"blank secret":     {customizers.ClientCredentials("the-id", "  "), "client secret begins or ends with white space"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := customizers.New("acme", tt.auth)
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.ErrorContains(t, err, tt.says)
			assert.NotContains(t, err.Error(), "hush-hush")
		})
	}
}

func TestOptionAccepted(t *testing.T) {
	t.Parallel()
	tests := map[string]customizers.Option{
		"no rate limit":        customizers.WithRateLimit(0, 0),
		"rate limit":           customizers.WithRateLimit(1, time.Nanosecond),
		"default retries":      customizers.WithRetry(customizers.RetryPolicy{}),
		"no retries":           customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}),
		"MinBackoff over 20 s": customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Minute}),
		"equal backoffs":       customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Second, MaxBackoff: time.Second}),
		"logger":               customizers.WithLogger(slog.New(slog.DiscardHandler)),
		"user agent":           customizers.WithUserAgent("acme-sync/1.4 (nightly)"),
	}
	for name, opt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := &urlRecorder{}
			client := newClient(t, "acme", customizers.ClientCredentials("the-id", "the-secret"),
				customizers.WithHTTPClient(&http.Client{Transport: recorder}), opt)
			_, err := client.List(ctxOf(t), customizers.ListOptions{})
			require.NoError(t, err)
			assert.Len(t, recorder.seen(), 2)
		})
	}
}

func TestOptionUserAgentIsSent(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	_, err := clientOf(t, srv, customizers.WithUserAgent(" acme-sync/1.4 ")).List(ctxOf(t), customizers.ListOptions{})
	require.NoError(t, err)
	require.Len(t, srv.Requests(), 2)
	for _, r := range srv.Requests() {
		assert.Regexp(t, `^acme-sync/1\.4 connector-customizers-go/\S+ \(go\S+; \w+\)$`, r.Header.Get("User-Agent"), r.Path)
	}
}
