package customizers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

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
	for _, location := range []string{"/there", "https://%zz"} {
		require.ErrorContains(t, get(t, 302, "", "Location", location), "redirects to another URL are not followed")
	}
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
			"GET /v2024/connector-customizers/x: 404 Not Found: Not there.: Deleted. (detail code 404 Not found; tracking ID tr)",
		},
		"unknown values": {
			"", `{"messages":[{"localeOrigin":"MOON","text":"A"}],"new":{"a":1}}`,
			customizers.Error{Messages: []customizers.Message{{LocaleOrigin: "MOON", Text: "A"}}}, "404 Not Found: A",
		},
		"a field of another type": {
			"", `{"detailCode":404,"trackingId":"tr","messages":[{"text":"A"}]}`, customizers.Error{TrackingID: "tr", Messages: text("A")}, "A (tracking ID tr)",
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

// A test of a user can make any error: it matches by its fields.
func TestErrorsMadeInTests(t *testing.T) {
	t.Parallel()
	const token = "Token"
	for _, tt := range []struct {
		err  customizers.Error
		want []error
	}{
		{customizers.Error{}, nil},
		{customizers.Error{StatusCode: 200}, nil},
		{customizers.Error{StatusCode: 404}, []error{customizers.ErrNotFound}},
		{customizers.Error{StatusCode: 410, Operation: "Delete"}, []error{customizers.ErrNotFound}},
		{customizers.Error{StatusCode: 404, Operation: "List"}, nil},
		{customizers.Error{StatusCode: 404, Operation: "Create"}, nil},
		{customizers.Error{StatusCode: 404, Operation: token}, nil},
		{customizers.Error{StatusCode: 409}, nil},
		{customizers.Error{StatusCode: 400}, []error{customizers.ErrBadRequest}},
		{customizers.Error{StatusCode: 413, Operation: token}, []error{customizers.ErrBadRequest}},
		{customizers.Error{StatusCode: 403}, []error{customizers.ErrForbidden}},
		{customizers.Error{StatusCode: 403, Intermediary: true}, []error{customizers.ErrForbidden}},
		{customizers.Error{StatusCode: 400, Operation: token}, []error{customizers.ErrUnauthorized}},
		{customizers.Error{StatusCode: 401, Operation: token}, []error{customizers.ErrUnauthorized}},
		{customizers.Error{StatusCode: 403, Operation: token}, []error{customizers.ErrUnauthorized}},
		{customizers.Error{StatusCode: 400, Operation: token, Intermediary: true}, []error{customizers.ErrBadRequest}},
		{customizers.Error{StatusCode: 403, Operation: token, Intermediary: true}, []error{customizers.ErrForbidden}},
		{customizers.Error{StatusCode: 429}, []error{customizers.ErrRateLimited}},
		{customizers.Error{StatusCode: 503, Err: customizers.ErrOutcomeUnknown}, []error{customizers.ErrServer, customizers.ErrOutcomeUnknown}},
		{customizers.Error{Err: customizers.ErrConnection}, []error{customizers.ErrConnection}},
		{customizers.Error{Err: errors.Join(customizers.ErrConnection, customizers.ErrOutcomeUnknown)}, []error{customizers.ErrConnection, customizers.ErrOutcomeUnknown}},
		{customizers.Error{Err: customizers.ErrRateLimited}, []error{customizers.ErrRateLimited}},
	} {
		requireFailure(t, fmt.Errorf("wrapped: %w", &tt.err), tt.want...)
		assert.NotErrorIs(t, &tt.err, io.EOF)
	}
	require.ErrorIs(t, &customizers.Error{Err: context.Canceled}, context.Canceled)
	require.EqualError(t, &customizers.Error{Err: io.EOF}, "customizers: EOF")
	require.EqualError(t, &customizers.Error{Err: customizers.ErrConnection}, "customizers: no response")
	require.EqualError(t, &customizers.Error{Method: "GET", Path: "/x", StatusCode: 404, Attempts: 1}, "customizers: GET /x: 404 Not Found")
}

// Something in front of the tenant is not taken for the service, which always sends JSON.
func TestErrorOfAnIntermediary(t *testing.T) {
	t.Parallel()
	const page, says = "<html><head><title>ERROR: The request could not be satisfied</title>", "something in front of the tenant sent this response"
	for name, tt := range map[string]struct {
		status       int
		kind, body   string
		header       []string
		intermediary bool
		token, get   error // sentinels
	}{
		"page":               {403, "text/html", page, nil, true, customizers.ErrForbidden, customizers.ErrForbidden},
		"page without type":  {403, "", " \n" + page, nil, true, customizers.ErrForbidden, customizers.ErrForbidden},
		"XML":                {403, "application/xml", "<Error><Code>AccessDenied</Code></Error>", nil, true, customizers.ErrForbidden, customizers.ErrForbidden},
		"text":               {403, "text/plain", "RBAC: access denied", nil, true, customizers.ErrForbidden, customizers.ErrForbidden},
		"nothing":            {403, "", "", nil, true, customizers.ErrForbidden, customizers.ErrForbidden},
		"JSON string":        {403, "application/json", `"Forbidden"`, nil, true, customizers.ErrForbidden, customizers.ErrForbidden},
		"AWS":                {403, "application/json", `{"message": "Forbidden"}`, nil, true, customizers.ErrForbidden, customizers.ErrForbidden},
		"AWS, 400":           {400, "application/json", `{"message": "Bad Request"}`, nil, true, customizers.ErrBadRequest, customizers.ErrBadRequest},
		"400 page":           {400, "text/html", page, nil, true, customizers.ErrBadRequest, customizers.ErrBadRequest},
		"401 page":           {401, "text/html", page, nil, true, customizers.ErrUnauthorized, customizers.ErrUnauthorized},
		"407 page":           {407, "text/html", page, nil, true, nil, nil},
		"413 page":           {413, "text/html", page, nil, true, customizers.ErrBadRequest, customizers.ErrBadRequest},
		"200 page":           {200, "text/html", page, nil, true, nil, nil},
		"with a request ID":  {403, "text/html", page, []string{"SLPT-Request-ID", "r"}, false, customizers.ErrUnauthorized, customizers.ErrForbidden},
		"the service":        {403, "application/json", `{"detailCode":"403 Forbidden","message":"x"}`, nil, false, customizers.ErrUnauthorized, customizers.ErrForbidden},
		"the service's ID":   {403, "application/json", "\ufeff" + `{"trackingId":"t","message":"x"}`, nil, false, customizers.ErrUnauthorized, customizers.ErrForbidden},
		"OAuth":              {403, "application/json", `{"error":"invalid_client"}`, nil, false, customizers.ErrUnauthorized, customizers.ErrForbidden},
		"OAuth, 400":         {400, "application/json", `{"error":"invalid_client"}`, nil, false, customizers.ErrUnauthorized, customizers.ErrBadRequest},
		"empty 429":          {429, "", "", nil, false, customizers.ErrRateLimited, customizers.ErrRateLimited},
		"gateway's 429":      {429, "application/json", `{"message":" Rate Limit Exceeded "}`, nil, false, customizers.ErrRateLimited, customizers.ErrRateLimited},
		"JSON, cut off":      {403, "application/json", `{"trackingId":"t`, nil, false, customizers.ErrUnauthorized, customizers.ErrForbidden},
		"503 page":           {503, "text/html", page, nil, false, customizers.ErrServer, customizers.ErrServer},
		"200, cut off":       {200, "application/json", `{"id":`, nil, false, nil, nil},
		"200 without a body": {200, "", "", nil, false, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, atToken := range []bool{true, false} {
				c := newClient(t, "acme", customizers.ClientCredentials("the-id", "the-secret"), noRetry, customizers.WithHTTPClient(&http.Client{Transport: roundTripper(
					func(req *http.Request) (*http.Response, error) {
						if !atToken && req.Method == http.MethodPost {
							return respond(200, `{"access_token":"the-token"}`)(req)
						}
						return respond(tt.status, tt.body, append([]string{"Content-Type", tt.kind}, tt.header...)...)(req)
					})}))
				_, err := c.Get(t.Context(), "x")
				var want []error
				if is := map[bool]error{true: tt.token, false: tt.get}[atToken]; is != nil {
					want = append(want, is)
				}
				e := failure(t, err, want...)
				assert.Equal(t, tt.intermediary, e.Intermediary, "at token: %v", atToken)
				assert.Equal(t, tt.intermediary, strings.Contains(e.Error(), says), e)
				if strings.Contains(tt.body, "<title>") {
					require.ErrorContains(t, e, "ERROR: The request could not be satisfied")
				}
			}
		})
	}
	// Other endpoints, and HEAD, may have no body.
	for _, req := range []*http.Request{request(t, http.MethodGet, "/x", nil), request(t, http.MethodHead, "/x", nil)} {
		resp, err := clientOver(t, respond(403, "")).Do(req)
		require.NoError(t, err)
		var e *customizers.Error
		require.ErrorAs(t, customizers.CheckResponse(resp), &e)
		assert.False(t, e.Intermediary)
	}
}

// Every text is bounded, whatever the service sends.
func TestErrorTextsAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 1<<20)
	most := strings.Repeat("x", 5000)
	var many strings.Builder
	for i := range 1000 {
		_, _ = fmt.Fprintf(&many, `{"text":"%d%s"},`, i, strings.Repeat("x", 40))
	}
	for _, response := range []roundTripper{
		respond(200, `{"id":`+long+`}`), respond(200, `{"id":"x","imageVersion":`+long+`}`), respond(200, `{"id":"x","created":"`+long+`"}`), respond(200, long), respond(200, "<title>"+long+"</title>"),
		respond(400, `{"detailCode":"`+most+`","trackingId":"`+most+`","messages":[{"locale":"`+most+`","localeOrigin":"`+most+`","text":"`+most+`"}],"error":"`+most+`"}`,
			"SLPT-Request-ID", most),
		respond(400, `{"messages":[`+many.String()+`{}]}`), respond(200, `{"messages":[`+strings.Repeat("{},", 1<<20)+`{}]}`),
		respond(302, "", "Location", "https://"+most), respond(404, "x", "Content-Type", "x/"+most),
		func(*http.Request) (*http.Response, error) { return nil, errors.New(long) },
	} {
		for _, token := range []roundTripper{respond(200, `{"access_token":"the-token"}`), response} {
			c := newClient(t, "acme", customizers.ClientCredentials("the-id", "the-secret"), noRetry, customizers.WithHTTPClient(&http.Client{Transport: roundTripper(
				func(req *http.Request) (*http.Response, error) {
					if req.Method == http.MethodPost {
						return token(req)
					}
					return response(req)
				})}))
			_, err := c.Get(t.Context(), most)
			var e *customizers.Error
			require.ErrorAs(t, err, &e)
			assert.Less(t, len(e.Error()), 8<<10)
			if e.StatusCode == http.StatusOK {
				assert.Less(t, len(e.Err.Error()), 2<<10)
			}
			assert.Less(t, len(e.Messages), 64<<10)
			for _, text := range []string{e.Path, e.DetailCode, e.TrackingID, e.RequestID} {
				assert.LessOrEqual(t, len(text), 520)
			}
			for _, m := range e.Messages {
				assert.LessOrEqual(t, max(len(m.Text), len(m.Locale), len(m.LocaleOrigin)), 520)
			}
		}
	}
	assert.Less(t, len((&customizers.Error{Err: errors.New(long)}).Error()), 8<<10)
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
	require.ErrorContains(t, get(t, 409, "", "SLPT-Request-ID", "r-1"), "request ID r-1", "without a tracking ID")
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
	require.ErrorContains(t, err, "check before repeating it")
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
