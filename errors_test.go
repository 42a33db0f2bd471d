package customizers_test

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// get returns the error of a Get whose only attempt gets the given response.
func get(t testing.TB, status int, body string, header ...string) *customizers.Error {
	t.Helper()
	_, err := clientOver(t, respond(status, body, header...), noRetry).Get(t.Context(), "x")
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, status, e.StatusCode)
	assert.Equal(t, 1, e.Attempts)
	return e
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{
		400: customizers.ErrBadRequest, 401: customizers.ErrUnauthorized, 403: customizers.ErrForbidden,
		404: customizers.ErrNotFound, 410: customizers.ErrNotFound, 413: customizers.ErrBadRequest,
		415: customizers.ErrBadRequest, 422: customizers.ErrBadRequest, 429: customizers.ErrRateLimited,
		500: customizers.ErrServer, 503: customizers.ErrServer, 599: customizers.ErrServer,
	} {
		requireFailure(t, get(t, status, "{}"), want)
	}
	for _, status := range []int{409, 418, 302, 304} {
		err := get(t, status, "{}")
		requireFailure(t, err)
		assert.NotContains(t, err.Error(), "redirect", "there is no Location")
	}
	err := get(t, 304, "", "Location", "https://elsewhere.example")
	require.ErrorContains(t, err, "304 Not Modified: unexpected status")
	assert.NotContains(t, err.Error(), "redirect")
}

func TestErrorBodies(t *testing.T) {
	t.Parallel()
	text := func(s string) []customizers.Message { return []customizers.Message{{Text: s}} }
	const page, plain = "text/html", "text/plain; charset=utf-8"
	for name, tt := range map[string]struct {
		kind, body string
		want       customizers.Error
		says       string
	}{
		"the service's": {
			"", `{"detailCode":"404 Not found","trackingId":"tr","messages":[{"locale":"en-US","localeOrigin":"DEFAULT","text":"Not there."}],"causes":[{"locale":null,"localeOrigin":null,"text":"Deleted."}]}`,
			customizers.Error{
				DetailCode: "404 Not found", TrackingID: "tr",
				Messages: []customizers.Message{{Locale: "en-US", LocaleOrigin: "DEFAULT", Text: "Not there."}}, Causes: text("Deleted."),
			},
			"GET /v2024/connector-customizers/x: 404 Not Found: Not there.: Deleted. (detail code 404 Not found; tracking id tr)",
		},
		"unknown values": {
			"", `{"messages":[{"localeOrigin":"MOON","text":"A"}],"new":{"a":1}}`,
			customizers.Error{Messages: []customizers.Message{{LocaleOrigin: "MOON", Text: "A"}}}, "404 Not Found: A",
		},
		"a field of another type": {
			"", `{"detailCode":404,"trackingId":"tr","messages":[{"text":"A"}]}`, customizers.Error{TrackingID: "tr", Messages: text("A")}, "A (tracking id tr)",
		},
		"gateway error":         {"", `{"error":"JWT validation failed"}`, customizers.Error{Messages: text("JWT validation failed")}, "JWT validation failed"},
		"gateway error, object": {"", `{"error":{"reason":"odd"}}`, customizers.Error{Messages: text(`{"reason":"odd"}`)}, `{"reason":"odd"}`},
		"gateway message":       {"", `{"message":" Rate Limit Exceeded "}`, customizers.Error{Messages: text("Rate Limit Exceeded")}, "Rate Limit Exceeded"},
		"gateway message, list": {"", `{"message":["a","b"]}`, customizers.Error{Messages: text(`["a","b"]`)}, `["a","b"]`},
		"JSON of another shape": {"", `{"fault":{"code":9}}`, customizers.Error{Messages: text(`{"fault":{"code":9}}`)}, `{"fault":{"code":9}}`},
		"HTML":                  {page, "<html><TITLE>404 \n  No such host</TITLE></html>", customizers.Error{Messages: text("404 \n  No such host")}, "of text/html instead of a JSON error: 404 No such host"},
		"HTML without a title":  {page, "<html>secret page</html>", customizers.Error{}, "24 bytes of text/html instead of a JSON error"},
		"text":                  {plain, "no healthy upstream", customizers.Error{Messages: text("no healthy upstream")}, "of text/plain instead of a JSON error: no healthy upstream"},
		"binary":                {"application/octet-stream", "\x00\x01", customizers.Error{}, "2 bytes of application/octet-stream instead of a JSON error"},
		"empty":                 {"", "", customizers.Error{}, "an empty body instead of a JSON error"},
		"truncated":             {"", `{"trackingId":"t`, customizers.Error{}, "16 bytes of application/json instead of a JSON error"},
		"list":                  {"", `[1]`, customizers.Error{}, "3 bytes of application/json instead of a JSON error"},
		"long":                  {plain, strings.Repeat("x", 1<<20), customizers.Error{Messages: text(strings.Repeat("x", 512) + "…")}, "of text/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := tt.kind
			if kind == "" {
				kind = "application/json"
			}
			e := get(t, 404, tt.body, "Content-Type", kind)
			assert.Equal(t, tt.want.DetailCode, e.DetailCode)
			assert.Equal(t, tt.want.TrackingID, e.TrackingID)
			assert.Equal(t, tt.want.Messages, e.Messages)
			assert.Equal(t, tt.want.Causes, e.Causes)
			require.ErrorContains(t, e, "404 Not Found")
			require.ErrorContains(t, e, tt.says)
			assert.NotContains(t, e.Error(), "\n", "one line")
		})
	}
}

// When retries run out, the error has the details of the last response.
func TestErrorOfTheLastAttempt(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 500, 503} {
		body := `{"detailCode":"code","trackingId":"track-7","messages":[{"locale":"en-US","localeOrigin":"DEFAULT","text":"It is down."}]}`
		err := list(t.Context(), clientOver(t, newScript(respond(502, ""), respond(status, body, "SLPT-Request-ID", "r-1"))))
		var e *customizers.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, "List", e.Operation)
		assert.Equal(t, status, e.StatusCode)
		assert.Equal(t, "code", e.DetailCode)
		assert.Equal(t, "track-7", e.TrackingID)
		assert.Equal(t, "r-1", e.RequestID)
		assert.Equal(t, 4, e.Attempts)
		for _, s := range []string{http.StatusText(status), "It is down.", "track-7", "after 4 attempts", "GET /v2024/connector-customizers"} {
			assert.ErrorContains(t, err, s)
		}
	}
	require.ErrorContains(t, get(t, 409, "", "SLPT-Request-ID", "r-1"), "request id r-1", "without a tracking ID")
}

// If the body is truncated, the error still has the status.
func TestErrorOfTruncatedBody(t *testing.T) {
	t.Parallel()
	_, err := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"id":`))
	}).Create(testContext(t), customizers.CreateRequest{Name: "n"})
	e := failure(t, err, customizers.ErrConnection, customizers.ErrOutcomeUnknown)
	assert.Equal(t, http.StatusCreated, e.StatusCode)
	require.ErrorContains(t, err, "reading the body failed after 6 bytes")
	require.ErrorContains(t, err, "check before you repeat it")
}

func TestErrorWrapsItsCause(t *testing.T) {
	t.Parallel()
	cause := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host"}}
	err := list(t.Context(), clientOver(t, roundTripper(func(*http.Request) (*http.Response, error) { return nil, cause }), noRetry))
	requireFailure(t, err, customizers.ErrConnection)
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	assert.Same(t, cause, op)
}

func TestErrorRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"300": 5 * time.Minute, "1.5": 1500 * time.Millisecond, "": 0, "-1": 0, "soon": 0, "NaN": 0, "1e300": 1<<63 - 1,
		"Tue, 10 Nov 2009 23:00:40 GMT": 40 * time.Second, "Tue, 10 Nov 2009 22:00:00 GMT": 0,
	} {
		e := get(t, 503, "{}", "Retry-After", value, "Date", "Tue, 10 Nov 2009 23:00:00 GMT")
		assert.Equal(t, want, e.RetryAfter, value)
		assert.Equal(t, want > 0, strings.Contains(e.Error(), "try again in"), value)
	}
}

func TestErrorLogValue(t *testing.T) {
	t.Parallel()
	e := get(t, 429, `{"detailCode":"d","trackingId":"t"}`, "Retry-After", "300", "SLPT-Request-ID", "r")
	var out strings.Builder
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "err", e)
	var line struct{ Err map[string]any }
	require.NoError(t, json.Unmarshal([]byte(out.String()), &line))
	assert.Equal(t, map[string]any{
		"message": e.Error(), "operation": "Get", "method": "GET", "path": "/v2024/connector-customizers/x", "status": 429.0,
		"detail_code": "d", "tracking_id": "t", "request_id": "r", "retry_after": 300e9,
	}, line.Err)
}

func TestAmbiguousError(t *testing.T) {
	t.Parallel()
	err := &customizers.AmbiguousError{Name: "hr-feed", Customizers: []customizers.Customizer{{ID: "a"}, {ID: "b"}}}
	require.ErrorIs(t, err, customizers.ErrAmbiguous)
	require.ErrorContains(t, err, `"hr-feed": a, b`)
}

func FuzzErrorBody(f *testing.F) {
	for _, s := range []string{
		`{"detailCode":"d","trackingId":"t","messages":[{"locale":"en","localeOrigin":"DEFAULT","text":"x"}],"causes":[]}`,
		`{"error":"JWT is expired"}`, `{"error":{"a":[1]}}`, `{"message":7}`, `{"messages":7}`, `[]`, `null`, `"x"`, `{`, ``,
		`<title>x</title>`, "<TITLE>\xff</TITLE>", `{"error":"the-token"}`, `{"detailCode":"the-token the-secret"}`,
	} {
		f.Add(s, "application/json", 400)
		f.Add(s, "text/plain", 503)
		f.Add(s, "", 200)
	}
	f.Fuzz(func(t *testing.T, body, kind string, status int) {
		if status < 200 || status > 999 || status == 204 {
			status = 400
		}
		got, err := clientOver(t, respond(status, body, "Content-Type", kind), noRetry).Get(t.Context(), "x")
		if err == nil {
			require.Less(t, status, 300)
			require.NotEmpty(t, got.ID)
			return
		}
		var e *customizers.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, status, e.StatusCode, "the status is never lost")
		require.NotContains(t, err.Error(), "the-token")
		require.NotContains(t, err.Error(), "\n")
	})
}
