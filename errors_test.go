package customizers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// refusing makes a client to whose requests the answer is always the same.
func refusing(t testing.TB, status int, contentType, body string, header ...string) *customizers.Client {
	t.Helper()
	return answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}, customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
}

func TestErrorSentinels(t *testing.T) {
	t.Parallel()
	all := []error{
		customizers.ErrInvalidArgument, customizers.ErrUnauthorized, customizers.ErrForbidden, customizers.ErrNotFound,
		customizers.ErrRateLimited, customizers.ErrServer, customizers.ErrOutcomeUnknown,
	}
	for status, want := range map[int]error{
		400: customizers.ErrBadRequest, 401: customizers.ErrUnauthorized, 403: customizers.ErrForbidden,
		404: customizers.ErrNotFound, 410: customizers.ErrNotFound, 413: customizers.ErrBadRequest,
		415: customizers.ErrBadRequest, 422: customizers.ErrBadRequest, 429: customizers.ErrRateLimited,
		500: customizers.ErrServer, 503: customizers.ErrServer, 599: customizers.ErrServer, 409: nil, 302: nil,
	} {
		_, err := refusing(t, status, "application/json", "{}").Get(ctxOf(t), "x")
		var e *customizers.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, status, e.StatusCode)
		assert.Equal(t, 1, e.Attempts)
		for _, sentinel := range all {
			if want != nil && errors.Is(sentinel, want) {
				require.ErrorIs(t, err, sentinel, status)
			} else {
				require.NotErrorIs(t, err, sentinel, status)
			}
		}
	}
}

func TestErrorBodies(t *testing.T) {
	t.Parallel()
	text := func(s string) []customizers.Message { return []customizers.Message{{Text: s}} }
	for name, tt := range map[string]struct {
		contentType, body string
		want              customizers.Error
		message           string
	}{
		"the service's": {
			"application/json",
			`{"detailCode":"404 Not found","trackingId":"tr","messages":[{"locale":"en-US","localeOrigin":"DEFAULT","text":"Not there."}],"causes":[{"locale":null,"localeOrigin":null,"text":"Deleted."}]}`,
			customizers.Error{
				DetailCode: "404 Not found", TrackingID: "tr",
				Messages: []customizers.Message{{Locale: "en-US", LocaleOrigin: "DEFAULT", Text: "Not there."}},
				Causes:   text("Deleted."),
			},
			"customizers: GET /v2024/connector-customizers/x: 404 Not Found: Not there.: Deleted. (detail code 404 Not found; tracking id tr)",
		},
		"unknown values": {
			"application/json", `{"messages":[{"localeOrigin":"MOON","text":"A"}],"new":{"a":1}}`,
			customizers.Error{Messages: []customizers.Message{{LocaleOrigin: "MOON", Text: "A"}}},
			"404 Not Found: A",
		},
		"a mistyped field keeps the others": {
			"application/json", `{"detailCode":404,"trackingId":"tr","messages":[{"text":"A"}]}`,
			customizers.Error{TrackingID: "tr", Messages: text("A")},
			"404 Not Found: A (tracking id tr)",
		},
		"gateway error":            {"application/json", `{"error":"JWT validation failed"}`, customizers.Error{Messages: text("JWT validation failed")}, "JWT validation failed"},
		"gateway error, an object": {"application/json", `{"error":{"reason":"odd"}}`, customizers.Error{Messages: text(`{"reason":"odd"}`)}, `{"reason":"odd"}`},
		"gateway message":          {"application/json", `{"message":" Rate Limit Exceeded "}`, customizers.Error{Messages: text("Rate Limit Exceeded")}, "404 Not Found: Rate Limit Exceeded"},
		"gateway message, a list":  {"application/json", `{"message":["a","b"]}`, customizers.Error{Messages: text(`["a","b"]`)}, `["a","b"]`},
		"JSON of another shape":    {"application/json", `{"fault":{"code":9}}`, customizers.Error{Messages: text(`{"fault":{"code":9}}`)}, `{"fault":{"code":9}}`},
		"page":                     {"text/html", "<html><head><TITLE>404 \n  No such host</TITLE></head></html>", customizers.Error{Messages: text("404 \n  No such host")}, "404 Not Found: 60 bytes of text/html instead of a JSON error: 404 No such host"},
		"page without a title":     {"text/html", "<html>secret page</html>", customizers.Error{}, "404 Not Found: 24 bytes of text/html instead of a JSON error"},
		"text":                     {"text/plain; charset=utf-8", "no healthy upstream", customizers.Error{Messages: text("no healthy upstream")}, "19 bytes of text/plain instead of a JSON error: no healthy upstream"},
		"binary":                   {"application/octet-stream", "\x00\x01", customizers.Error{}, "2 bytes of application/octet-stream instead of a JSON error"},
		"empty":                    {"", "", customizers.Error{}, "404 Not Found: an empty body instead of a JSON error"},
		"truncated":                {"application/json", `{"trackingId":"t`, customizers.Error{}, "16 bytes of application/json instead of a JSON error"},
		"list":                     {"application/json", `[1]`, customizers.Error{}, "3 bytes of application/json instead of a JSON error"},
		"endless":                  {"text/plain", strings.Repeat("x", 1<<20), customizers.Error{Messages: text(strings.Repeat("x", 512) + "…")}, "65536 bytes of text/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := refusing(t, 404, tt.contentType, tt.body).Get(ctxOf(t), "x")
			require.ErrorIs(t, err, customizers.ErrNotFound)
			var e *customizers.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.want.DetailCode, e.DetailCode)
			assert.Equal(t, tt.want.TrackingID, e.TrackingID)
			assert.Equal(t, tt.want.Messages, e.Messages)
			assert.Equal(t, tt.want.Causes, e.Causes)
			require.ErrorContains(t, err, tt.message)
			assert.NotContains(t, err.Error(), "\n", "one line")
		})
	}
}

func TestErrorKeepsSecretsThatAnAnswerRepeats(t *testing.T) {
	t.Parallel()
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(400)
		_, _ = fmt.Fprintf(w, "you sent %s with the-secret: %s", r.Header.Get("Authorization"), body)
	})
	_, err := c.Get(ctxOf(t), "x")
	require.ErrorContains(t, err, "you sent Bearer [redacted] with [redacted]:")
	_, err = c.CreateVersion(ctxOf(t), "x", strings.NewReader("ARCHIVE-BYTES"))
	require.ErrorIs(t, err, customizers.ErrBadRequest)
	assert.NotContains(t, err.Error(), "ARCHIVE-BYTES")
}

func TestErrorOfABodyOverTheBound(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			if known {
				w.Header().Set("Content-Length", fmt.Sprint(17<<20))
			}
			chunk := bytes.Repeat([]byte(" "), 1<<20)
			for range 17 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})
		_, err := c.List(ctxOf(t), customizers.ListOptions{})
		require.ErrorContains(t, err, "200 OK: the body is larger than 16 MiB")
		var e *customizers.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, 1, e.Attempts, "sending it again would not help")
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		_, err := refusing(t, status, "text/html", "", "Location", "https://user:pw@elsewhere.example/secret?token=secret#x").Get(ctxOf(t), "x")
		require.ErrorContains(t, err, "redirects to https://elsewhere.example are not followed")
		assert.NotContains(t, err.Error(), "secret")
		assert.NotContains(t, err.Error(), "pw")
	}
}

func TestErrorRetryAfter(t *testing.T) {
	t.Parallel()
	_, err := refusing(t, 429, "application/json", `{"message":" Rate Limit Exceeded "}`, "Retry-After", "300").Get(ctxOf(t), "x")
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 5*time.Minute, e.RetryAfter)
	require.ErrorContains(t, err, "429 Too Many Requests: Rate Limit Exceeded (try again in 5m0s)")
}

func TestErrorLogValue(t *testing.T) {
	t.Parallel()
	_, err := refusing(t, 429, "application/json", `{"detailCode":"d","trackingId":"t"}`, "Retry-After", "300").Get(ctxOf(t), "x")
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "err", err)
	var line struct {
		Err map[string]any
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	assert.Equal(t, map[string]any{
		"message": err.Error(), "operation": "Get", "method": "GET", "path": "/v2024/connector-customizers/x", "status": 429.0,
		"detail_code": "d", "tracking_id": "t", "retry_after": 300e9,
	}, line.Err)
}

// What a version's fields are specified as, and what they are seen as.
func TestVersionFields(t *testing.T) {
	t.Parallel()
	want := &customizers.Version{CustomizerID: "c", ImageID: "i", Version: 3, Created: customizers.Timestamp{Time: time.Date(2022, 2, 8, 14, 50, 3, 827e6, time.UTC)}}
	for _, body := range []string{
		`{"customizerID":"c","imageID":"i","version":3,"created":"2022-02-08T14:50:03.827Z"}`,
		`{"connectorCustomizerId":"c","imageId":"i","version":3,"created":"2022-02-08T14:50:03.827Z"}`,
	} {
		got, err := refusing(t, 200, "application/json", body).CreateVersion(ctxOf(t), "x", nil)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, body := range []string{`null`, `{}`} {
		got, err := refusing(t, 200, "application/json", body).CreateVersion(ctxOf(t), "x", nil)
		require.NoError(t, err)
		assert.Equal(t, &customizers.Version{CustomizerID: "x"}, got)
	}
}

func TestCreateWith200(t *testing.T) {
	t.Parallel()
	got, err := refusing(t, 200, "application/json", `{"id":"1","name":"n"}`).Create(ctxOf(t), customizers.CreateRequest{Name: "n"})
	require.NoError(t, err)
	assert.Equal(t, &customizers.Customizer{ID: "1", Name: "n"}, got)
}

func TestNamesThatAreRefused(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	c := clientOf(t, srv)
	for name, says := range map[string]string{
		"": "CreateRequest.Name is blank", " ": "is blank", "\t\n": "is blank", "hr-feed\r": `"hr-feed\r" has white space at its ends`,
		" hr-feed": "white space", "hr\x00feed": "control characters", "hr\nfeed": "control characters", "hr\xff": "not UTF-8",
	} {
		_, err := c.Create(ctxOf(t), customizers.CreateRequest{Name: name})
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		require.ErrorContains(t, err, says)
		_, err = c.Update(ctxOf(t), "x", customizers.UpdateRequest{Name: name})
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	}
	assert.Empty(t, srv.Requests())
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
	f.Fuzz(func(t *testing.T, body, contentType string, status int) {
		if status < 200 || status > 999 || status == 204 {
			status = 400
		}
		transport := roundTripper(func(req *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Request: req, ContentLength: int64(len(body)),
				Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body)),
			}, nil
		})
		c := newClient(t, "acme", customizers.TokenSource(static("the-token")), customizers.WithHTTPClient(&http.Client{Transport: transport}),
			customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
		got, err := c.Get(t.Context(), "x")
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
