package customizers_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// Under an outage the retries of a client end, and come back with its successes.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests, status := 0, http.StatusOK
		c := newClient(t, "acme", customizers.TokenSource(static("token")), customizers.WithRateLimit(0, 0),
			customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				requests++
				resp, _ := fixed([]byte("[]"))(req)
				resp.StatusCode = status
				return resp, nil
			})}))
		calls := func(n int) (sent int, err error) {
			requests = 0
			for range n {
				_, err = c.List(t.Context(), customizers.ListOptions{})
			}
			return requests, err
		}
		status = http.StatusServiceUnavailable
		sent, _ := calls(10)
		assert.Equal(t, 40, sent, "a short failure is retried in full")
		sent, _ = calls(100)
		assert.Equal(t, 100+70, sent, "until 100 retries are spent")
		sent, err := calls(100)
		assert.Equal(t, 100, sent, "then the client adds no load")
		require.ErrorContains(t, err, "too many of the client's requests fail")
		require.ErrorIs(t, err, customizers.ErrServer)

		status = http.StatusOK
		_, err = calls(50)
		require.NoError(t, err)
		status = http.StatusServiceUnavailable
		sent, _ = calls(20)
		assert.Equal(t, 20+10, sent, "five successes earn a retry")

		status = http.StatusOK
		_, err = calls(10_000)
		require.NoError(t, err)
		status = http.StatusServiceUnavailable
		sent, _ = calls(200)
		assert.Equal(t, 200+100, sent, "and no more than at first")
	})
}

// A retry that succeeds gives back what it took, so faults that pass cost nothing.
func TestRetryBudgetOfFaultsThatPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := newClient(t, "acme", customizers.TokenSource(static("token")), customizers.WithRateLimit(0, 0),
			customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				n++
				resp, _ := fixed([]byte("[]"))(req)
				if n%2 == 1 {
					resp.StatusCode = http.StatusBadGateway
				}
				return resp, nil
			})}))
		for range 1000 {
			_, err := c.List(t.Context(), customizers.ListOptions{})
			require.NoError(t, err)
		}
		assert.Equal(t, 2000, n)
	})
}
