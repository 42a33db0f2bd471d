package redis_test

import (
	"context"
	"fmt"
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

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/examples/redis"
)

const (
	limit  = 50
	period = time.Second
)

// TestMain is also the program of which a test starts several: one that sends its share of
// the requests.
func TestMain(m *testing.M) {
	if os.Getenv("WORKER_REDIS") == "" {
		os.Exit(m.Run())
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func work() error {
	db := store.NewClient(&store.Options{Network: "unix", Addr: os.Getenv("WORKER_REDIS")})
	defer func() { _ = db.Close() }()
	client, err := customizers.NewFromEnv(customizers.WithRateLimiter(redis.New(db, "test", limit, period)),
		customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for range 10 {
		wg.Go(func() {
			for range 10 {
				if _, err := client.List(context.Background(), customizers.ListOptions{Limit: 1}); err != nil {
					errs <- err
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs // nil when there is none
}

// startRedis starts a server of the test's own, and answers its socket.
func startRedis(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed; Debian's package is redis-server")
	}
	dir, err := os.MkdirTemp("", "redis") // the name of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	db := clientOf(t, socket)
	require.Eventually(t, func() bool { return db.Ping(context.Background()).Err() == nil }, 10*time.Second, 10*time.Millisecond)
	return socket
}

func clientOf(t *testing.T, socket string) *store.Client {
	t.Helper()
	db := store.NewClient(&store.Options{Network: "unix", Addr: socket, MaxRetries: -1})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Three processes send 300 requests to a service that allows 50 a second, and none is
// refused.
func TestProcessesShareTheLimit(t *testing.T) {
	t.Parallel()
	socket := startRedis(t)
	srv := customizerstest.NewServer(customizerstest.WithSeed(1), customizerstest.WithRateLimit(limit, period))
	t.Cleanup(srv.Close)
	self, err := os.Executable()
	require.NoError(t, err)

	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), "WORKER_REDIS="+socket,
				"SAIL_BASE_URL="+srv.URL, "SAIL_CLIENT_ID="+srv.ClientID, "SAIL_CLIENT_SECRET="+srv.ClientSecret, "SAIL_ACCESS_TOKEN=")
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
	wg.Wait()
	requests := srv.Requests(customizerstest.List)
	require.Len(t, requests, 300)
	for _, r := range requests {
		assert.Equal(t, http.StatusOK, r.Status)
	}
	took := requests[299].Time.Sub(requests[0].Time)
	const ideal = (300 - 1) / limit * period
	t.Logf("300 requests of 3 processes took %v, %.3f times the ideal %v", took.Round(time.Millisecond), took.Seconds()/ideal.Seconds(), ideal)
}

// What one program is told of, the others keep.
func TestPauseIsShared(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	socket := startRedis(t)
	one := redis.New(clientOf(t, socket), "test", 1, time.Hour)
	other := redis.New(clientOf(t, socket), "test", 1, time.Hour)
	one.Refused(ctx, 20*time.Minute)
	one.Refused(ctx, time.Minute) // the longer one counts
	s, err := other.Take(ctx)
	require.NoError(t, err)
	assert.True(t, s.Paused)
	assert.InDelta(t, (20 * time.Minute).Seconds(), s.Wait.Seconds(), 60)

	unrelated, err := redis.New(clientOf(t, socket), "another", 1, time.Hour).Take(ctx)
	require.NoError(t, err)
	assert.Zero(t, unrelated.Wait)
}

func TestSlots(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := redis.New(clientOf(t, startRedis(t)), "test", 2, time.Hour)
	take := func() customizers.Slot {
		s, err := l.Take(ctx)
		require.NoError(t, err)
		require.False(t, s.Paused)
		return s
	}
	first, second := take(), take()
	assert.Zero(t, first.Wait)
	assert.Zero(t, second.Wait)
	third := take()
	assert.Positive(t, third.Wait)
	assert.Less(t, third.Wait, time.Second, "a request under way may end soon")

	second.Done(false)
	second = take()
	assert.Zero(t, second.Wait, "nothing was sent, so the slot is free at once")
	first.Done(true)
	second.Done(true)
	assert.InDelta(t, time.Hour.Seconds(), take().Wait.Seconds(), 60, "a period after the end")
}

// Without Redis a call fails, says why, and sends nothing.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	db := clientOf(t, filepath.Join(t.TempDir(), "none"))
	_, err := srv.Client(customizers.WithRateLimiter(redis.New(db, "test", 1, time.Hour))).List(t.Context(), customizers.ListOptions{})
	require.Error(t, err)
	assert.ErrorContains(t, err, "not sent: the rate limiter failed: redis: ")
	assert.Empty(t, srv.Requests(customizerstest.List))
}
