package customizerstest_test

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	p := newPeer(t, serve(t, customizerstest.WithRateLimit(3, time.Hour)))
	for range 3 {
		require.Equal(t, http.StatusOK, p.get(collection).status)
	}
	got := p.get(collection)
	require.Equal(t, http.StatusTooManyRequests, got.status)
	assert.JSONEq(t, `{"message": " Rate Limit Exceeded "}`, string(got.body))
	after, err := strconv.Atoi(got.header.Get("Retry-After"))
	require.NoError(t, err)
	assert.InDelta(t, 3600, after, 60)
	p = newPeer(t, p.srv)
	assert.Equal(t, http.StatusTooManyRequests, p.get(collection).status, "another token, the same client ID")
	assert.Equal(t, http.StatusTooManyRequests, p.send(http.MethodPost, collection, recordType, `{"name":"a"}`).status)
	assert.Empty(t, p.srv.Customizers())
	for _, path := range []string{"/v2025/connector-customizers", "/connector-customizers/v1", instances, "/oauth/info"} {
		assert.Equal(t, http.StatusOK, p.get(path).status, path)
	}
}

// A slot frees up one period after the request that used it.
func TestRateLimitPeriod(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts []customizerstest.Option
		took time.Duration
	}{
		"none by default":  {nil, 0},
		"100 a 10 seconds": {[]customizerstest.Option{customizerstest.WithRateLimit(100, 10*time.Second)}, 10 * time.Second},
		"rounded up":       {[]customizerstest.Option{customizerstest.WithRateLimit(100, 1500*time.Millisecond)}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := serve(t, append(tt.opts, customizerstest.WithoutSocket())...)
				client, start := srv.Client(), time.Now()
				for range 150 {
					_, err := client.List(t.Context(), customizers.ListOptions{})
					require.NoError(t, err)
				}
				assert.Equal(t, tt.took, time.Since(start))
			})
		})
	}
}
