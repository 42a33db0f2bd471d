package customizers_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// The tests of internal/config have more addresses.
func TestTenant(t *testing.T) {
	t.Parallel()
	for tenant, base := range map[string]string{
		"acme":                              "https://acme.api.identitynow.com",
		"https://ACME.api.identitynow.com/": "https://acme.api.identitynow.com",
		"https://api.acme.example:8443":     "https://api.acme.example:8443",
		"https://acme.identitynow.com/ui/":  "https://acme.api.identitynow.com",
		"http://127.0.0.1:8787":             "http://127.0.0.1:8787",
	} {
		wire := newScript(respond(200, `{"access_token":"a"}`), respond(200, "[]"))
		c := newClient(t, tenant, customizers.ClientCredentials("id", "secret"), customizers.WithHTTPClient(&http.Client{Transport: wire}))
		require.Empty(t, wire.requests, "New sends nothing")
		require.NoError(t, list(t.Context(), c))
		assert.Equal(t, base+"/oauth/token", wire.requests[0].URL.String())
		assert.Equal(t, base+"/v2024/connector-customizers?limit=250", wire.requests[1].URL.String())
	}
	for _, tenant := range []string{"", "acme sb", "http://acme.api.identitynow.com", "https://api.identitynow.com", "https://a:hush-hush@acme.com"} {
		c, err := customizers.New(tenant, customizers.ClientCredentials("the-id", "the-secret"))
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		assert.Nil(t, c)
		assert.NotContains(t, err.Error(), "hush-hush")
		assert.NotContains(t, err.Error(), "the-secret")
	}
}

func TestInvalidOptions(t *testing.T) {
	t.Parallel()
	type options = []customizers.Option
	retry := func(p customizers.RetryPolicy) options { return options{customizers.WithRetry(p)} }
	for name, tt := range map[string]struct {
		opts options
		says []string
	}{
		"nil":                 {options{customizers.WithoutRateLimit(), nil}, []string{"option 2 of 2 is nil"}},
		"nil HTTP client":     {options{customizers.WithHTTPClient(nil)}, []string{"HTTP client is nil"}},
		"nil rate limiter":    {options{customizers.WithRateLimiter(nil)}, []string{"rate limiter is nil"}},
		"nil logger":          {options{customizers.WithLogger(nil)}, []string{"logger is nil"}},
		"API version":         {options{customizers.WithAPIVersion("v3")}, []string{`API version "v3"`, "v2024, v2025, v2026 or v1"}},
		"no API version":      {options{customizers.WithAPIVersion("")}, []string{`API version ""`}},
		"negative rate limit": {options{customizers.WithRateLimit(-1, time.Second)}, []string{"rate limit", "-1"}},
		"no period":           {options{customizers.WithRateLimit(1, 0)}, []string{"period", "0s"}},
		"negative period":     {options{customizers.WithRateLimit(1, -time.Second)}, []string{"period", "-1s"}},
		"negative attempts":   {retry(customizers.RetryPolicy{MaxAttempts: -1}), []string{"RetryPolicy.MaxAttempts", "-1"}},
		"negative MinBackoff": {retry(customizers.RetryPolicy{MinBackoff: -1}), []string{"RetryPolicy.MinBackoff is -1ns"}},
		"negative MaxBackoff": {retry(customizers.RetryPolicy{MaxBackoff: -1}), []string{"RetryPolicy.MaxBackoff is -1ns"}},
		"negative MaxWait":    {retry(customizers.RetryPolicy{MaxWait: -1}), []string{"RetryPolicy.MaxWait is -1ns"}},
		"MinBackoff over MaxBackoff": {
			retry(customizers.RetryPolicy{MinBackoff: 2 * time.Second, MaxBackoff: time.Second}), []string{"MinBackoff is 2s", "MaxBackoff, 1s"},
		},
		"blank user agent":        {options{customizers.WithUserAgent(" ")}, []string{"user agent is blank"}},
		"user agent of two lines": {options{customizers.WithUserAgent("a\r\nX-Evil: 1")}, []string{"user agent"}},
		"user agent, not ASCII":   {options{customizers.WithUserAgent("aé")}, []string{"user agent"}},
		"followed by a valid one": {options{customizers.WithAPIVersion("v3"), customizers.WithAPIVersion(customizers.APIVersionV1)}, []string{`"v3"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := customizers.New("acme", customizers.ClientCredentials("the-id", "the-secret"), tt.opts...)
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.Nil(t, c)
			for _, s := range tt.says {
				assert.ErrorContains(t, err, s)
			}
		})
	}
}

func TestLastOptionWins(t *testing.T) {
	t.Parallel()
	wire := newScript(respond(200, "[]"))
	c := clientOver(t, wire, customizers.WithAPIVersion(customizers.APIVersion2025), customizers.WithAPIVersion(customizers.APIVersion2026),
		customizers.WithUserAgent("first"), customizers.WithUserAgent("second"))
	require.NoError(t, list(t.Context(), c))
	assert.Equal(t, "/v2026/connector-customizers", wire.requests[0].URL.Path)
	assert.True(t, strings.HasPrefix(wire.requests[0].UserAgent(), "second "))
}

// Of the options for the rate limit, the last one wins.
func TestLastRateLimitWins(t *testing.T) {
	t.Parallel()
	limit, none, limiter := customizers.WithRateLimit(1, time.Second), customizers.WithoutRateLimit(), customizers.WithRateLimiter(minuteLimiter{})
	for _, tt := range []struct {
		opts []customizers.Option
		took time.Duration // by two calls
	}{
		{[]customizers.Option{limiter, limit}, time.Second},
		{[]customizers.Option{limit, limiter}, 2 * time.Minute},
		{[]customizers.Option{limiter, none}, 0},
		{[]customizers.Option{limit, none}, 0},
		{[]customizers.Option{none, limit}, time.Second},
		{[]customizers.Option{none, limiter}, 2 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := clientOver(t, respond(200, "[]"), tt.opts...)
			start := time.Now()
			for range 2 {
				require.NoError(t, list(t.Context(), c))
			}
			assert.Equal(t, tt.took, time.Since(start))
		})
	}
}

// A minuteLimiter makes each request wait for a minute.
type minuteLimiter struct{}

func (minuteLimiter) Wait(context.Context) error {
	time.Sleep(time.Minute)
	return nil
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string][]customizers.Option{
		`^connector-customizers-go/\S+ \(go\S+.*; \w+\)$`:                nil,
		`^acme-sync/1\.4 connector-customizers-go/\S+ \(go\S+.*; \w+\)$`: {customizers.WithUserAgent(" acme-sync/1.4 ")},
	} {
		srv := newServer(t)
		require.NoError(t, list(testContext(t), quickClient(t, srv, opts...)))
		require.Len(t, srv.Requests(), 2)
		for _, r := range srv.Requests() {
			assert.Regexp(t, want, r.Header.Get("User-Agent"), r.Path)
		}
	}
}

// Zero fields take their defaults. internal/transport has the waits.
func TestRetryPolicy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		policy      customizers.RetryPolicy
		most        []time.Duration // before each retry
		longest     string          // Retry-After that a call waits for, in seconds
		longestWait time.Duration
	}{
		"default":     {customizers.RetryPolicy{}, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}, "60", time.Minute},
		"one attempt": {customizers.RetryPolicy{MaxAttempts: 1}, nil, "", 0},
		"own":         {customizers.RetryPolicy{MaxAttempts: 3, MinBackoff: time.Second, MaxBackoff: time.Second, MaxWait: time.Hour}, []time.Duration{time.Second, time.Second}, "3600", time.Hour},
		"MinBackoff over the default": {
			customizers.RetryPolicy{MaxAttempts: 3, MinBackoff: time.Minute}, []time.Duration{time.Minute, time.Minute}, "", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var longest time.Duration
				for range 20 {
					wire := newScript(respond(503, ""))
					requireFailure(t, list(t.Context(), clientOver(t, wire, customizers.WithRetry(tt.policy))), customizers.ErrServer)
					require.Len(t, wire.times, len(tt.most)+1)
					for i, most := range tt.most {
						wait := wire.times[i+1].Sub(wire.times[i])
						assert.LessOrEqual(t, wait, most)
						longest = max(longest, wait)
					}
				}
				if tt.most != nil {
					assert.Greater(t, longest, tt.most[0]/3)
				}
				if tt.longest == "" {
					return
				}
				start := time.Now()
				wire := newScript(respond(503, "", "Retry-After", tt.longest), respond(503, "", "Retry-After", tt.longest+"1"))
				e := failure(t, list(t.Context(), clientOver(t, wire, customizers.WithRetry(tt.policy))), customizers.ErrServer)
				assert.Equal(t, 2, e.Attempts, "the second wait is too long")
				assert.Equal(t, tt.longestWait, time.Since(start))
			})
		})
	}
}

// A retry that gets no slot in time fails with the last failure, too.
func TestRetryWithoutASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := list(ctx, clientOver(t, respond(503, ""), customizers.WithRateLimit(1, time.Hour)))
		requireFailure(t, err, customizers.ErrServer, customizers.ErrRateLimited)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// The default is the service's own limit, 100 requests in 10 seconds.
func TestDefaultRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := newScript(respond(200, "[]"))
		c := clientOver(t, wire)
		start := time.Now()
		var wg sync.WaitGroup
		for range 350 {
			wg.Go(func() { assert.NoError(t, list(t.Context(), c)) })
		}
		wg.Wait()
		assert.Equal(t, 30*time.Second, time.Since(start))
		for i := 100; i < len(wire.times); i++ {
			assert.GreaterOrEqual(t, wire.times[i].Sub(wire.times[i-100]), 10*time.Second)
		}
	})
}
