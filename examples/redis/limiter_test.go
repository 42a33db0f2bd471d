package redis_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

func clientOf(t *testing.T, socket string, change ...func(*store.Options)) *store.Client {
	t.Helper()
	opts := &store.Options{Network: "unix", Addr: socket, MaxRetries: -1}
	for _, f := range change {
		f(opts)
	}
	db := store.NewClient(opts)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// A wire is a way to Redis on which a reply can be lost.
type wire struct {
	addr string
	lose chan bool     // that of the next reply, and whether the connection with it
	lost chan struct{} // it is
}

func newWire(t *testing.T, socket string) *wire {
	t.Helper()
	w := &wire{addr: filepath.Join(filepath.Dir(socket), "w"), lose: make(chan bool, 1), lost: make(chan struct{}, 1)}
	l, err := net.Listen("unix", w.addr)
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", socket)
			if err != nil {
				_ = near.Close()
				continue
			}
			all.Go(func() {
				_, _ = io.Copy(far, near)
				_ = far.Close()
			})
			all.Go(func() { w.carry(near, far) })
		}
	})
	t.Cleanup(func() { // after the clients are closed
		_ = l.Close()
		all.Wait()
	})
	return w
}

// carry carries replies, until one is lost.
func (w *wire) carry(near, far net.Conn) {
	defer func() { _ = near.Close() }()
	b := make([]byte, 4096)
	for {
		n, err := far.Read(b)
		if err != nil {
			return
		}
		select {
		case cut := <-w.lose:
			w.lost <- struct{}{}
			if !cut {
				_, _ = io.Copy(io.Discard, far)
			}
			return
		default:
		}
		if _, err := near.Write(b[:n]); err != nil {
			return
		}
	}
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
	log, err := clientOf(t, socket).ZRange(t.Context(), "{test}:log", 0, -1).Result()
	require.NoError(t, err)
	assert.NotEmpty(t, log)
	for _, id := range log {
		assert.NotContains(t, id, "~", "a program that ends right after its last call has told of its end")
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

// A slot that Redis gave and nobody got is free again at once.
func TestLostReply(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		cut     bool // the connection with the reply
		options func(*store.Options)
		within  time.Duration // the deadline; cancelled when the reply is lost if zero
		err     error         // any when nil
		taken   bool
	}{
		"the connection breaks":         {cut: true, within: time.Minute},
		"and go-redis sends again":      {cut: true, within: time.Minute, options: func(o *store.Options) { o.MaxRetries = 1 }, taken: true},
		"the call is cancelled":         {err: context.Canceled},
		"the deadline comes":            {within: 200 * time.Millisecond, err: context.DeadlineExceeded},
		"and go-redis knows of it":      {within: 200 * time.Millisecond, options: func(o *store.Options) { o.ContextTimeoutEnabled = true }},
		"go-redis waits no longer":      {within: time.Minute, options: func(o *store.Options) { o.ReadTimeout = 500 * time.Millisecond }},
		"and sends again what was lost": {within: time.Minute, options: func(o *store.Options) { o.ReadTimeout, o.MaxRetries = 500*time.Millisecond, 1 }, taken: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := startRedis(t)
			w := newWire(t, socket)
			l := redis.New(clientOf(t, w.addr, func(o *store.Options) {
				o.ReadTimeout = time.Minute
				if tt.options != nil {
					tt.options(o)
				}
			}), "test", 1, time.Hour)
			first, err := l.Take(t.Context()) // which has the script loaded
			require.NoError(t, err)
			first.Done(false)

			ctx, cancel := context.WithCancel(t.Context())
			if tt.within != 0 {
				ctx, cancel = context.WithTimeout(t.Context(), tt.within)
			}
			defer cancel()
			w.lose <- tt.cut
			var lost sync.WaitGroup
			lost.Go(func() {
				<-w.lost
				if tt.within == 0 {
					cancel()
				}
			})
			s, err := l.Take(ctx)
			lost.Wait()
			if tt.taken {
				require.NoError(t, err)
				require.Zero(t, s.Wait)
				s.Done(false)
			} else {
				require.Error(t, err)
				assert.ErrorContains(t, err, "redis: ")
				if tt.err != nil {
					assert.ErrorIs(t, err, tt.err)
				}
			}
			s, err = redis.New(clientOf(t, socket), "test", 1, time.Hour).Take(t.Context())
			require.NoError(t, err)
			assert.Zero(t, s.Wait)
		})
	}
}

// A Redis that hangs holds no call up for long, and is told when it comes to itself.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	const log, pause = "{test}:log", "{test}:pause"
	size := func(n int64) func(*testing.T, *store.Client) bool {
		return func(t *testing.T, db *store.Client) bool {
			all, err := db.ZRange(t.Context(), log, 0, -1).Result()
			return err == nil && int64(len(all)) == n && !strings.Contains(strings.Join(all, ""), "~")
		}
	}
	tests := map[string]struct {
		do   func(t *testing.T, l *redis.Limiter, s customizers.Slot)
		told func(*testing.T, *store.Client) bool
	}{
		"a request ends": {
			do:   func(_ *testing.T, _ *redis.Limiter, s customizers.Slot) { s.Done(true) },
			told: size(1),
		},
		"nothing was sent": {
			do:   func(_ *testing.T, _ *redis.Limiter, s customizers.Slot) { s.Done(false) },
			told: size(0),
		},
		"a refusal": {
			do: func(t *testing.T, l *redis.Limiter, _ customizers.Slot) { l.Refused(t.Context(), 20*time.Minute) },
			told: func(t *testing.T, db *store.Client) bool {
				left, err := db.PTTL(t.Context(), pause).Result()
				return err == nil && left > 10*time.Minute
			},
		},
		"a call that is given up": {
			do: func(t *testing.T, l *redis.Limiter, s customizers.Slot) {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				_, err := l.Take(ctx)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				s.Done(true)
			},
			told: size(1),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := startRedis(t)
			db := clientOf(t, socket)
			l := redis.New(clientOf(t, socket, func(o *store.Options) { o.ReadTimeout = time.Minute }), "test", 2, time.Hour)
			s, err := l.Take(t.Context())
			require.NoError(t, err)
			require.NoError(t, db.Do(t.Context(), "CLIENT", "PAUSE", time.Hour.Milliseconds(), "WRITE").Err())
			start := time.Now()
			tt.do(t, l, s)
			assert.Less(t, time.Since(start), 15*time.Second)
			require.NoError(t, db.Do(t.Context(), "CLIENT", "UNPAUSE").Err())
			assert.Eventually(t, func() bool { return tt.told(t, db) }, 10*time.Second, 10*time.Millisecond)
		})
	}
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
