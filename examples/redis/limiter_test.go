package redis_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	store "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/examples/redis"
)

// The limiter of golang.org/x/time/rate is a RateLimiter too.
var _ customizers.RateLimiter = (*rate.Limiter)(nil)

// startRedis starts a Redis server for the test and returns its socket.
func startRedis(t *testing.T) (socket string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not on PATH: install it to run this test")
	}
	dir, err := os.MkdirTemp("", "redis") // t.TempDir is too long for the path of a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	db := connect(t, socket)
	require.Eventually(t, func() bool { return db.Ping(t.Context()).Err() == nil }, 10*time.Second, 10*time.Millisecond)
	return socket
}

func connect(t *testing.T, socket string) *store.Client {
	db := store.NewClient(&store.Options{Network: "unix", Addr: socket, MaxRetries: -1, ReadTimeout: time.Minute})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// newClient returns a client of srv that uses l and does not retry.
func newClient(srv *customizerstest.Server, l *redis.Limiter) *customizers.Client {
	return srv.Client(customizers.WithRateLimiter(l),
		customizers.WithObserver(customizers.Observer{OnAttempt: l.Observe}),
		customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
}

func TestClientsShareTheLimit(t *testing.T) {
	t.Parallel()
	const limit, per = 30, time.Second
	socket := startRedis(t)
	srv := customizerstest.NewServer(customizerstest.WithRateLimit(limit, per))
	t.Cleanup(srv.Close)
	var wg sync.WaitGroup
	for range 3 {
		client := newClient(srv, redis.New(connect(t, socket), "test", limit, per))
		for range 4 {
			wg.Go(func() {
				for range 5 {
					_, err := client.List(t.Context(), customizers.ListOptions{})
					assert.NoError(t, err)
				}
			})
		}
	}
	wg.Wait()
	requests := srv.Requests(customizerstest.List)
	assert.Len(t, requests, 60)
	for _, r := range requests {
		assert.Equal(t, http.StatusOK, r.Status)
	}
}

func TestPauseIsShared(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	socket := startRedis(t)
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	srv.Inject(customizerstest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"2"}}})
	one := newClient(srv, redis.New(connect(t, socket), "test", 100, time.Second))
	other := newClient(srv, redis.New(connect(t, socket), "test", 100, time.Second))

	start := time.Now()
	_, err := one.List(ctx, customizers.ListOptions{})
	require.ErrorIs(t, err, customizers.ErrRateLimited)
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = other.List(short, customizers.ListOptions{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, short.Err(), "Wait fails before the deadline")
	require.Len(t, srv.Requests(customizerstest.List), 1)
	_, err = other.List(ctx, customizers.ListOptions{})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(start), 2*time.Second)
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	socket := startRedis(t)
	l := redis.New(connect(t, socket), "test", 1, time.Hour)
	require.NoError(t, l.Wait(t.Context()))
	cancelledSoon := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		return ctx
	}
	require.ErrorIs(t, l.Wait(cancelledSoon()), context.Canceled, "while it waits for a grant")
	require.NoError(t, connect(t, socket).Do(t.Context(), "CLIENT", "PAUSE", time.Hour.Milliseconds(), "WRITE").Err())
	assert.ErrorIs(t, l.Wait(cancelledSoon()), context.Canceled, "while Redis does not respond")
}

func TestRedisIsDown(t *testing.T) {
	t.Parallel()
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	l := redis.New(connect(t, filepath.Join(t.TempDir(), "none")), "test", 1, time.Hour)
	_, err := newClient(srv, l).List(t.Context(), customizers.ListOptions{})
	require.ErrorIs(t, err, customizers.ErrRateLimited)
	require.ErrorContains(t, err, "the rate limiter failed: redis: dial unix")
	assert.Empty(t, srv.Requests())
}
