package customizers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// printed is everything that a program may make of a value.
func printed(v any) string {
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "%v %+v %#v %s %q\n", v, v, v, v, v)
	if data, err := json.Marshal(v); err == nil {
		out.Write(data)
	}
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("m", "v", v)
	}
	return out.String()
}

// forms are a secret as it could be written.
func forms(secret string) []string {
	return []string{
		secret, url.QueryEscape(secret), strings.ReplaceAll(secret, "&", `\u0026`), base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret), fmt.Sprintf("%v", []byte(secret)),
	}
}

func assertSecret(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		for _, form := range forms(secret) {
			assert.NotContains(t, text, form)
		}
	}
}

func TestSecretsOfPublicTypes(t *testing.T) {
	t.Parallel()
	const secret, token = "s3cret+&/=value", "header.payload.signature"
	c := newClient(t, "acme", customizers.ClientCredentials("the-id", secret))
	withToken := newClient(t, "acme", customizers.TokenSource(static(token)))
	for _, v := range []any{
		c, *c, withToken, *withToken, struct{ C *customizers.Client }{c},
		customizers.ClientCredentials("the-id", secret), customizers.TokenSource(static(token)),
		customizers.RetryPolicy{}, customizers.ListOptions{}, customizers.Customizer{}, customizers.Version{}, customizers.Page{}, customizers.Error{},
	} {
		assertSecret(t, printed(v), secret, token)
	}
}

// Under every fault, with a service that repeats what it was sent, no error and no log
// line has a secret or a byte of an archive.
func TestSecretsInErrorsAndLogs(t *testing.T) {
	t.Parallel()
	const id, secret, token, payload = "the-id", "s3cret+&/=value", "header.payload.signature", "ARCHIVE-BYTES"
	echo := func(r *http.Request) string {
		body, _ := io.ReadAll(r.Body)
		return fmt.Sprintf("%s %s %s %s %s", r.Header.Get("Authorization"), body, secret, url.QueryEscape(secret), r.URL)
	}
	answers := map[string]http.HandlerFunc{}
	for _, status := range []int{200, 201, 204, 302, 400, 401, 403, 404, 408, 417, 429, 500, 503} {
		for kind, format := range map[string]string{
			"text/plain": "%s", "text/html": "<title>%s</title>", "application/json": "%q",
		} {
			answers[fmt.Sprint(status, kind)] = func(w http.ResponseWriter, r *http.Request) {
				text := echo(r)
				w.Header().Set("Content-Type", kind)
				w.Header().Set("Location", "https://elsewhere.example/"+url.PathEscape(text)+"?t="+url.QueryEscape(text))
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, format, text)
			}
		}
		for _, format := range []string{
			`{"error":%q}`, `{"message":%q}`, `{"error":{"a":%q}}`, `{"detailCode":%q}`, `{"trackingId":%q}`, `{"other":%q}`,
			`{"messages":[{"text":%q}]}`, `{"causes":[{"text":%q}]}`, `{"error":"e","error_description":%q}`, `{"created":%q}`, `[{"id":"1","created":%q}]`,
		} {
			answers[fmt.Sprint(status, format)] = func(w http.ResponseWriter, r *http.Request) {
				text := echo(r)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, format, text)
			}
		}
	}
	ownWords := func(name string) bool {
		return strings.Contains(name, "{") && !strings.Contains(name, "other") && !strings.Contains(name, `"a"`)
	}
	answers["odd redirect"] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "://"+r.Header.Get("Authorization")+secret)
		w.WriteHeader(302)
	}
	answers["token with a 400"] = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"access_token":"`+token+`"}`)
	}
	answers["cut"] = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

	for name, answer := range answers {
		for _, atToken := range []bool{true, false} {
			t.Run(fmt.Sprint(name, atToken), func(t *testing.T) {
				t.Parallel()
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/oauth/token" && !atToken {
						w.Header().Set("Content-Type", "application/json")
						_, _ = io.WriteString(w, `{"access_token":"`+token+`"}`)
						return
					}
					answer(w, r)
				}))
				srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
				srv.Start()
				t.Cleanup(srv.Close)
				var out syncBuffer
				c := newClient(t, srv.URL, customizers.ClientCredentials(id, secret), customizers.WithRateLimit(0, 0),
					customizers.WithLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))),
					customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 2, MinBackoff: 1, MaxBackoff: 1}))
				text, secrets := "", []string{secret, token}
				if !ownWords(name) { // what the service says in its own fields is kept, but for secrets
					secrets = append(secrets, payload)
				}
				for op, call := range calls(c, "one") {
					if op == customizerstest.CreateVersion {
						call = func(ctx context.Context) error {
							_, err := c.CreateVersion(ctx, "one", strings.NewReader(payload))
							return err
						}
					}
					if err := call(ctxOf(t)); err != nil {
						text += printed(err)
					}
				}
				assertSecret(t, text+out.String(), secrets...)
			})
		}
	}
}

// Credentials go nowhere else, whatever kind of redirect asks for it.
func TestCredentialsDoNotFollowRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent elsewhere", r.Method, r.URL)
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, atToken := range []bool{true, false} {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/oauth/token" && !atToken {
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, `{"access_token":"token"}`)
					return
				}
				http.Redirect(w, r, elsewhere.URL+"/there", status)
			}))
			t.Cleanup(srv.Close)
			// A client that would follow, were it not for ours.
			follows := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
			c := newClient(t, srv.URL, customizers.ClientCredentials("id", "secret"), customizers.WithHTTPClient(follows), quick)
			for op, call := range calls(c, "one") {
				err := call(ctxOf(t))
				var e *customizers.Error
				require.ErrorAs(t, err, &e, op)
				assert.Equal(t, status, e.StatusCode)
				require.ErrorContains(t, err, "redirects to "+elsewhere.URL+" are not followed")
			}
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	newServer := func(version uint16) *httptest.Server {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
		srv.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
		srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv
	}
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		srv := newServer(version)
		roots := x509.NewCertPool()
		roots.AddCert(srv.Certificate())
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		t.Cleanup(transport.CloseIdleConnections)
		c := newClient(t, srv.URL, customizers.TokenSource(static("token")), quick,
			customizers.WithHTTPClient(&http.Client{Transport: transport}))
		_, err := c.List(ctxOf(t), customizers.ListOptions{})
		if ok {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, "protocol version")
		}
	}
}

// Answers made to hurt end in an error, soon and in little memory.
func TestResponseBombs(t *testing.T) { // not parallel: it reads the heap
	zeros := func(w io.Writer, n int) {
		chunk := make([]byte, 1<<20)
		for range n >> 20 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"endless": {func(w http.ResponseWriter, _ *http.Request) { zeros(w, 1<<30) }, "larger than 16 MiB"},
		"endless error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			zeros(w, 1<<30)
		}, "65536 bytes"},
		"gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			zeros(z, 1<<28)
			_ = z.Close()
		}, "larger than 16 MiB"},
		"deep": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("["), 8<<20))
		}, "exceeded max depth"},
		"deep error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = w.Write(bytes.Repeat([]byte(`{"error":`), 8<<20/9))
		}, "instead of a JSON error"},
		"headers": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 2000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
			}
		}, "exceeded"},
		"claimed length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9000000000000000000")
		}, "larger than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			c := answering(t, tt.answer, customizers.WithHTTPClient(&http.Client{Transport: &http.Transport{MaxResponseHeaderBytes: 1 << 20, DisableKeepAlives: true}}),
				customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
			before := heap()
			_, err := c.List(ctxOf(t), customizers.ListOptions{})
			require.ErrorContains(t, err, tt.says)
			assert.Eventually(t, func() bool { return int64(heap())-int64(before) < 8<<20 }, 10*time.Second, 10*time.Millisecond,
				"what was read is let go, also by the server in this process")
			assert.Less(t, len(err.Error()), 2000)
		})
	}
}

// The token endpoint is the tenant's own: nothing that the service says moves it.
func TestTokensComeFromTheTenantOnly(t *testing.T) {
	t.Parallel()
	var hosts []string
	c := newClient(t, "acme", customizers.ClientCredentials("id", "secret"), customizers.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			hosts = append(hosts, req.URL.Scheme+"://"+req.URL.Host+req.URL.Path)
			return fixed([]byte(`{"access_token":"a","expires_in":1,"token_url":"https://elsewhere.example"}`))(req)
		}),
	}))
	_, _ = c.List(ctxOf(t), customizers.ListOptions{})
	_, _ = c.Get(ctxOf(t), "x")
	for _, host := range hosts {
		assert.True(t, strings.HasPrefix(host, "https://acme.api.identitynow.com/"), host)
	}
	assert.NotEmpty(t, hosts)
}

// A response that says when it was sent in the far future or past is no trouble.
func TestOddDates(t *testing.T) {
	t.Parallel()
	c := refusing(t, 503, "text/plain", "", "Date", "Thu, 01 Jan 1970 00:00:00 GMT", "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")
	_, err := c.List(ctxOf(t), customizers.ListOptions{})
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.Greater(t, e.RetryAfter, 100*365*24*time.Hour)
}
