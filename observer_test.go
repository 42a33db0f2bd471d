package customizers_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// A record records the calls of an observer.
type record struct {
	mu       sync.Mutex
	attempts []customizers.Attempt
	waits    []customizers.Wait
}

func (r *record) option() customizers.Option {
	return customizers.WithObserver(customizers.Observer{
		OnAttempt: func(_ context.Context, a customizers.Attempt) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.attempts = append(r.attempts, a)
		},
		OnWait: func(_ context.Context, w customizers.Wait) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.waits = append(r.waits, w)
		},
	})
}

func TestObserverOperations(t *testing.T) {
	t.Parallel()
	for _, version := range []customizers.APIVersion{customizers.APIVersion2024, customizers.APIVersionV1} {
		srv := newServer(t, withOne())
		var r record
		c := srv.Client(r.option(), customizers.WithAPIVersion(version))
		for _, op := range []int{0, 1, 2, 4, 5, 3} {
			require.NoError(t, operations[op].call(testContext(t), c))
		}
		_, err := c.Get(testContext(t), "connector-customizers")
		require.ErrorIs(t, err, customizers.ErrNotFound)
		var names []string
		for i, a := range r.attempts {
			names = append(names, a.Operation)
			request := srv.Requests()[i]
			assert.Equal(t, customizers.Attempt{
				Operation: a.Operation, Method: request.Method, Path: request.Path, Number: 1, StatusCode: request.Status,
				Duration: a.Duration, Err: a.Err,
			}, a)
			assert.Positive(t, a.Duration)
			assert.Equal(t, i == 7, a.Err != nil)
		}
		assert.Equal(t, []string{"Token", "List", "Get", "Update", "Create", "CreateVersion", "Delete", "Get"}, names)
		require.ErrorIs(t, r.attempts[7].Err, customizers.ErrNotFound)
		assert.Empty(t, r.waits)
	}
}

func TestObserverAttemptsAndWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := newScript(respond(503, "", "SLPT-Request-ID", "r-1"), respond(429, "", "Retry-After", "7"), respond(200, "[]"))
		var r record
		c := clientOver(t, wire, r.option(), customizers.WithRateLimit(4, 20*time.Second))
		for range 3 {
			require.NoError(t, list(t.Context(), c))
		}
		type attempt struct {
			n, status int
			failed    bool
		}
		var attempts []attempt
		for _, a := range r.attempts {
			attempts = append(attempts, attempt{a.Number, a.StatusCode, a.Err != nil})
		}
		assert.Equal(t, []attempt{{1, 503, true}, {2, 429, true}, {3, 200, false}, {1, 200, false}, {1, 200, false}}, attempts)
		assert.Equal(t, "r-1", r.attempts[0].RequestID)
		require.Len(t, r.waits, 3)
		assert.Equal(t, customizers.WaitBackoff, r.waits[0].Reason)
		assert.Equal(t, 2, r.waits[0].Attempt)
		require.ErrorIs(t, r.waits[0].Err, customizers.ErrServer)
		assert.Equal(t, customizers.WaitRetryAfter, r.waits[1].Reason)
		assert.Equal(t, 7*time.Second, r.waits[1].Duration)
		require.ErrorIs(t, r.waits[1].Err, customizers.ErrRateLimited)
		assert.Equal(t, customizers.WaitRateLimit, r.waits[2].Reason)
		assert.Equal(t, 20*time.Second, r.waits[2].Duration+7*time.Second+r.waits[0].Duration, "20 seconds after the first response")
		require.NoError(t, r.waits[2].Err)
	})
}

// The error of an attempt does not change after the observer got it.
func TestObserverErrorIsACopy(t *testing.T) {
	t.Parallel()
	var r record
	_, err := clientOver(t, respond(500, ""), r.option()).Create(t.Context(), customizers.CreateRequest{Name: "n"})
	requireFailure(t, err, customizers.ErrServer, customizers.ErrOutcomeUnknown)
	requireFailure(t, r.attempts[0].Err, customizers.ErrServer)
}

func TestDeprecatedEndpointIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var r record
	c := clientOver(t, respond(200, `[]`, "X-Deprecated", "true"), r.option(), customizers.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	for range 3 {
		require.NoError(t, list(t.Context(), c))
		_, _ = c.Get(t.Context(), "x")
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2, out.String())
	assert.Contains(t, lines[0], `level=WARN msg="customizers: endpoint is deprecated; see WithAPIVersion" operation=List method=GET path=/v2024/connector-customizers`)
	assert.Contains(t, lines[1], "operation=Get")
	for _, a := range r.attempts {
		assert.True(t, a.Deprecated)
	}
}

func TestDeprecationHeaders(t *testing.T) {
	t.Parallel()
	const link = `</next>; rel="next", <https://x/migrate?a=1,2>; type="text/html"; rel="deprecation"`
	for name, tt := range map[string]struct {
		header []string
		want   string // attributes; empty if the endpoint is not deprecated
	}{
		"none":                {nil, ""},
		"X-Deprecated":        {[]string{"X-Deprecated", "true"}, "x_deprecated=true"},
		"X-Deprecated: false": {[]string{"X-Deprecated", "false"}, ""},
		"date":                {[]string{"Deprecation", "Wed, 31 Mar 2027", "Sunset", "Wed, 31 Mar 2027 00:00:00 GMT"}, `deprecation="Wed, 31 Mar 2027" sunset="Wed, 31 Mar 2027 00:00:00 GMT"`},
		"structured date":     {[]string{"Deprecation", "@1688169599"}, "deprecation=@1688169599"},
		"true":                {[]string{"Deprecation", "?1"}, "deprecation=?1"},
		"false":               {[]string{"Deprecation", "?0", "Sunset", " "}, ""},
		"link":                {[]string{"Link", link}, `link="https://x/migrate?a=1,2"`},
		"link, two relations": {[]string{"Link", `<d>; rel="sunset Deprecation"`}, "link=d"},
		"link, no quotes":     {[]string{"Link", `<d>;rel=deprecation`}, "link=d"},
		"other link":          {[]string{"Link", `</next>; rel="next", </d>; rel="no-deprecation"; title="deprecation"`}, ""},
		"long":                {[]string{"Sunset", strings.Repeat("x", 5000)}, "sunset=" + strings.Repeat("x", 512) + "…"},
		"secret":              {[]string{"Sunset", "the-token"}, "sunset=[redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			var r record
			c := clientOver(t, respond(200, `[]`, tt.header...), r.option(), customizers.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
			require.NoError(t, list(t.Context(), c))
			assert.Equal(t, tt.want != "", r.attempts[0].Deprecated)
			_, attrs, _ := strings.Cut(strings.TrimSpace(out.String()), "path=/v2024/connector-customizers")
			assert.Equal(t, tt.want, strings.TrimSpace(attrs))
		})
	}
}

// An observer may ask any attempt for its error: that of a success is nil.
func TestObserverErrorOfASuccess(t *testing.T) {
	t.Parallel()
	n := 0
	c := clientOver(t, respond(200, "[]"), customizers.WithObserver(customizers.Observer{OnAttempt: func(_ context.Context, a customizers.Attempt) {
		n++
		assert.NoError(t, a.Err)
		assert.NotErrorIs(t, a.Err, customizers.ErrRateLimited)
	}}), customizers.WithRateLimit(1, time.Millisecond))
	require.NoError(t, list(t.Context(), c))
	assert.Equal(t, 1, n)
	synctest.Test(t, func(t *testing.T) {
		c := clientOver(t, respond(200, "[]"), customizers.WithRateLimit(1, time.Second), customizers.WithObserver(customizers.Observer{OnWait: func(_ context.Context, w customizers.Wait) {
			n++
			assert.NoError(t, w.Err)
			assert.NotErrorIs(t, w.Err, customizers.ErrRateLimited)
		}}))
		require.NoError(t, list(t.Context(), c))
		require.NoError(t, list(t.Context(), c))
	})
	assert.Equal(t, 2, n)
}

// Messages and attributes are stable: users' queries depend on them.
func TestLogAttributes(t *testing.T) {
	t.Parallel()
	var got []string
	log := slog.New(slog.NewTextHandler(new(strings.Builder), &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
		case slog.LevelKey, slog.MessageKey:
			got = append(got, a.Value.String())
		default:
			got = append(got, a.Key)
		}
		return a
	}}))
	wire := newScript(respond(503, `{"trackingId":"t-1"}`, "SLPT-Request-ID", "r-1"), respond(200, "[]"))
	require.NoError(t, list(t.Context(), clientOver(t, wire, customizers.WithLogger(log))))
	assert.Equal(t, `DEBUG customizers: request sent operation method path attempt duration status request_id error tracking_id `+
		`WARN customizers: request will be retried operation method path attempt wait error `+
		`DEBUG customizers: request sent operation method path attempt duration status`, strings.Join(got, " "))
}
