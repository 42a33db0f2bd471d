package customizers_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	stdhtml "html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
)

// encodings are the forms in which a server may repeat a secret.
var encodings = map[string]func(string) string{
	"as it is":         func(s string) string { return s },
	"JSON":             quoteJSON,
	"JSON, slashes":    func(s string) string { return strings.ReplaceAll(quoteJSON(s), "/", `\/`) },
	"JSON, all of it":  eachByte(`\u%04x`),
	"JSON, upper case": eachByte(`\u%04X`),
	"JSON in JSON":     func(s string) string { return quoteJSON(quoteJSON(s)) },
	"query":            url.QueryEscape,
	"query, lower":     func(s string) string { return eachByte("%%%02x")(s) },
	"query, upper":     func(s string) string { return eachByte("%%%02X")(s) },
	"query twice":      func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"path":             url.PathEscape,
	"after a percent":  func(s string) string { return "%" + s },
	"HTML":             stdhtml.EscapeString,
	"HTML, decimal":    eachByte("&#%d;"),
	"HTML, hex":        eachByte("&#x%X;"),
	"HTML in JSON":     func(s string) string { return quoteJSON(stdhtml.EscapeString(s)) },
	"base64":           func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64, URL":      func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"Basic":            func(s string) string { return base64.StdEncoding.EncodeToString([]byte("the-id:" + s)) },
	"Basic, in query": func(s string) string {
		return url.QueryEscape(base64.URLEncoding.EncodeToString([]byte("the-id:" + s)))
	},
}

func quoteJSON(s string) string {
	quoted, _ := json.Marshal(s) //nolint:errchkjson // a string
	return string(quoted[1 : len(quoted)-1])
}

func eachByte(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			_, _ = fmt.Fprintf(&b, format, s[i])
		}
		return b.String()
	}
}

// assertNoPart checks that no twelve bytes of secret are in text.
func assertNoPart(t *testing.T, text, secret string, msg ...any) {
	t.Helper()
	const part = 12
	for i := range len(secret) - part + 1 {
		require.NotContains(t, text, secret[i:i+part], msg...)
	}
}

const oddSecret = `41cret+&/=???~~~>>>%41<v>"al'ue\0123456789abcdef`

// Wherever the service repeats the secret, in whatever encoding, no error and no log has it or
// a part of it.
func TestRedaction(t *testing.T) {
	t.Parallel()
	const jsonType, plain = "application/json", "text/plain"
	inField := func(format string) func(string) (string, string) {
		return func(s string) (string, string) { return jsonType, fmt.Sprintf(format, s) }
	}
	for place, body := range map[string]func(string) (kind, body string){
		"text":             func(s string) (string, string) { return plain, s },
		"end of a text":    func(s string) (string, string) { return plain, strings.Repeat("x", 512-len(s)/2) + s },
		"middle of a text": func(s string) (string, string) { return plain, strings.Repeat("ä ", 160) + s + s },
		"title": func(s string) (string, string) {
			return "text/html", "<title>" + strings.Repeat("x", 490) + s + "</title>"
		},
		"type":              func(s string) (string, string) { return strings.ReplaceAll(s, "/", ""), "x" },
		"detail code":       inField(`{"detailCode":"%s"}`),
		"tracking ID":       inField(`{"trackingId":"%s"}`),
		"message":           inField(`{"messages":[{"text":"` + strings.Repeat("x", 490) + `%s"}]}`),
		"locale":            inField(`{"causes":[{"locale":"%s"}]}`),
		"origin of locale":  inField(`{"messages":[{"localeOrigin":"%s"}]}`),
		"error":             inField(`{"error":"%s"}`),
		"error code":        inField(`{"error":"%s","error_description":"d"}`),
		"error description": inField(`{"error":"e","error_description":"%s"}`),
		"gateway":           inField(`{"message":{"a":"%s"}}`),
		"other JSON":        inField(`{"%s":1}`),
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			for name, encode := range encodings {
				form := encode(oddSecret)
				kind, data := body(form)
				if kind == jsonType && !json.Valid([]byte(data)) {
					continue // for example a bare quote
				}
				echo := respond(http.StatusForbidden, data, "Content-Type", kind, "SLPT-Request-ID", form, "Deprecation", form, "Link", "<https://x/"+form+`>; rel="deprecation"`)
				for _, atToken := range []bool{true, false} {
					var out strings.Builder
					c := newClient(t, "acme", customizers.ClientCredentials("the-id", oddSecret),
						customizers.WithLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))),
						customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
							if req.URL.Path == "/oauth/token" && !atToken {
								return respond(200, `{"access_token":"the-token"}`)(req)
							}
							return echo(req)
						})}))
					_, err := c.Get(t.Context(), "x")
					require.Error(t, err)
					out.WriteString(everyFormat(err))
					resp, err := c.Do(request(t, http.MethodGet, "/x", nil))
					require.Equal(t, atToken, err != nil)
					if err == nil {
						err = customizers.CheckResponse(resp)
					}
					out.WriteString(everyFormat(err))
					assertNoPart(t, out.String(), form, name)
					assertNoPart(t, out.String(), oddSecret, name)
				}
			}
		})
	}
}

// The same for what did not come in a response: an error of the connection or of a body, the path
// of a request. The error doesn't wrap a cause that has a secret.
func TestRedactionOfCauses(t *testing.T) {
	t.Parallel()
	const token = "the-token-0123456789-0123456789-0123456789"
	broken := errors.New(strings.Repeat("x", 512-len(token)/2) + token)
	var out strings.Builder
	var r record
	client := func(rt roundTripper) *customizers.Client {
		return newClient(t, "acme", customizers.TokenSource(static(token)), quick, r.option(), customizers.WithHTTPClient(&http.Client{Transport: rt}),
			customizers.WithLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	}
	_, err := client(func(*http.Request) (*http.Response, error) { return nil, broken }).Get(t.Context(), "x")
	requireFailure(t, err, customizers.ErrConnection)
	errs := []error{err}
	req := request(t, http.MethodPut, "/x/"+url.PathEscape(token), strings.NewReader("x"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, broken }
	resp, err := client(respond(503, "")).Do(req)
	require.NoError(t, err)
	err = customizers.CheckResponse(resp)
	require.ErrorContains(t, err, "not retried: ")
	require.ErrorContains(t, err, "/x/[redacted]")
	errs = append(errs, err)
	for _, err := range errs {
		out.WriteString(everyFormat(err))
		assert.NotErrorIs(t, err, broken)
	}
	out.WriteString(everyFormat(r.attempts))
	assertNoPart(t, out.String(), token)
	assert.Contains(t, out.String(), "path=/x/[redacted]")
	for _, a := range r.attempts {
		assert.Contains(t, []string{"/v2024/connector-customizers/x", "/x/[redacted]"}, a.Path)
	}
}

// What is not a secret stays, and a secret that is too short to be found stays too.
func TestRedactionKeepsTexts(t *testing.T) {
	t.Parallel()
	const text = `100%, 5 %zz &amp; &nosuch; \u00 \u00e9 \ C:\dir &#99999999; %F0%9F%98%80 ä 😀 + ===`
	c := newClient(t, "acme", customizers.ClientCredentials("id", "dir"), customizers.WithHTTPClient(&http.Client{Transport: roundTripper(
		func(req *http.Request) (*http.Response, error) {
			if req.URL.Path == "/oauth/token" {
				return respond(200, `{"access_token":"C:"}`)(req)
			}
			return respond(400, text, "Content-Type", "text/plain")(req)
		})}))
	_, err := c.Get(t.Context(), "x")
	require.ErrorContains(t, err, text)
}

// A token is hidden while the client may still hear of it: also after it was renewed.
func TestRedactionOfEarlierTokens(t *testing.T) {
	t.Parallel()
	n := 0
	var said string
	c := newClient(t, "acme", customizers.TokenSource(tokenSource(func() (*oauth2.Token, error) {
		n++
		return &oauth2.Token{AccessToken: fmt.Sprintf("token-number-%03d", n), Expiry: time.Unix(1, 0)}, nil // a new one for each call
	})), customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		said += " " + req.Header.Get("Authorization")
		return respond(400, `{"error":"got`+said+`"}`)(req)
	})}))
	for range 5 {
		_, err := c.Get(t.Context(), "x")
		require.ErrorContains(t, err, "got Bearer [redacted]")
		assert.NotContains(t, everyFormat(err), "token-number")
	}
}

// The type of a body is quoted in lower case.
func TestRedactionOfTypes(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 404} {
		c := newClient(t, "acme", customizers.TokenSource(static("THE-TOKEN")), customizers.WithHTTPClient(&http.Client{
			Transport: respond(status, "x", "Content-Type", "text/THE-TOKEN"),
		}))
		_, err := c.Get(t.Context(), "x")
		require.ErrorContains(t, err, "1 byte of ")
		assert.NotContains(t, strings.ToLower(everyFormat(err)), "the-token")
	}
}

// Work grows with the length of the texts, not with its square: the longest token in the longest
// error body, with the most misleading content.
func TestRedactionIsLinear(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("a", 60<<10) + "b"
	c := newClient(t, "acme", customizers.TokenSource(static(token)), customizers.WithHTTPClient(&http.Client{
		Transport: respond(400, `{"error":"`+strings.Repeat("a%61", 16<<10)+`"}`),
	}))
	start := time.Now()
	for range 10 {
		_, err := c.Get(t.Context(), "x")
		require.ErrorIs(t, err, customizers.ErrBadRequest)
	}
	assert.Less(t, time.Since(start), 5*time.Second, "its square takes minutes")
}
