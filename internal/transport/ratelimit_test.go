package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

type limiter func(context.Context) error

func (l limiter) Wait(ctx context.Context) error { return l(ctx) }

func TestWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := NewWindow(2, 10*time.Second)
		assert.Zero(t, w.take())
		assert.Zero(t, w.take())
		assert.Equal(t, 10*time.Second, w.take(), "both are in use")
		time.Sleep(time.Hour)
		assert.Equal(t, 10*time.Second, w.take(), "both are still in use")
		w.release(true)
		time.Sleep(4 * time.Second)
		w.release(true)
		assert.Equal(t, 6*time.Second, w.take())
		time.Sleep(6 * time.Second)
		assert.Zero(t, w.take())
		assert.Equal(t, 4*time.Second, w.take())
		w.release(false)
		assert.Zero(t, w.take(), "released unused")
	})
}

// The service counts no more than n requests in any period, whenever between start and end
// it counts each. Without delays the client uses the whole limit.
func TestLimitHoldsByTheServicesClock(t *testing.T) {
	t.Parallel()
	const n, per = 10, time.Second
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			var counted []time.Time
			random := func(most time.Duration) time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(rnd.Int64N(int64(most)))
			}
			h := newChain(func(*http.Request) (*http.Response, error) {
				if seed > 0 {
					time.Sleep(random(per))
				}
				mu.Lock()
				counted = append(counted, time.Now())
				mu.Unlock()
				if seed > 0 {
					time.Sleep(random(per))
				}
				return newResponse(200, ""), nil
			}, withWindow(n, per), withFetch(func(context.Context, Handler) (*oauth2.Token, error) {
				if seed > 0 {
					time.Sleep(random(5 * per))
				}
				return &oauth2.Token{AccessToken: "token"}, nil
			}))
			start := time.Now()
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					_, err := get(t.Context(), h)
					assert.NoError(t, err)
				})
			}
			wg.Wait()
			slices.SortFunc(counted, time.Time.Compare)
			for i := n; i < len(counted); i++ {
				require.GreaterOrEqual(t, counted[i].Sub(counted[i-n]), per, "seed %d, request %d", seed, i)
			}
			if seed == 0 {
				assert.Equal(t, 9*per, time.Since(start))
			}
		})
	}
}

// Calls are admitted in order, also if a pause begins while they queue. Calls that are canceled
// or send nothing take no slot.
func TestQueue(t *testing.T) {
	t.Parallel()
	const n, per = 3, time.Second
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			g := newGate(Options{Window: NewWindow(n, per), Retry: policy})
			var mu sync.Mutex
			var latest time.Time
			admitted := map[int]time.Time{}
			var wg sync.WaitGroup
			for i := range 60 {
				ctx, cancel := context.WithCancel(t.Context())
				if rnd.IntN(2) == 0 {
					time.AfterFunc(time.Duration(rnd.Int64N(int64(20*per))), cancel)
				}
				c := newCall(ctx, http.MethodGet)
				c.sent = rnd.IntN(4) > 0
				wg.Go(func() {
					defer cancel()
					if err := g.acquire(c); err != nil {
						assert.ErrorIs(t, err, context.Canceled)
						return
					}
					mu.Lock()
					admitted[i] = time.Now()
					mu.Unlock()
					g.release(c)
				})
				synctest.Wait()
			}
			if seed%2 == 0 {
				time.AfterFunc(per, func() { g.pause(3 * per) })
			}
			wg.Wait()
			for i := range 60 {
				if at, ok := admitted[i]; ok {
					require.False(t, at.Before(latest), "seed %d: call %d was admitted before one that came earlier", seed, i)
					latest = at
				}
			}
			time.Sleep(per)
			for range n {
				require.Zero(t, g.window.take(), "every slot is free again")
			}
			assert.NotZero(t, g.window.take())
		})
	}
}

// A slot that is released unused goes to the next call at once.
func TestUnusedSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Options{Window: NewWindow(1, time.Hour), Retry: policy})
		holder, waiter := newCall(t.Context(), http.MethodGet), newCall(t.Context(), http.MethodGet)
		require.NoError(t, g.acquire(holder))
		time.AfterFunc(7*time.Second, func() { g.release(holder) })
		start := time.Now()
		require.NoError(t, g.acquire(waiter))
		assert.Equal(t, 7*time.Second, time.Since(start))
	})
}

// If its slot would free up after its deadline, the first call in the queue fails at once and
// reports the wait. A later one fails when its deadline comes.
func TestSlotAfterDeadline(t *testing.T) {
	t.Parallel()
	for queued, wait := range []time.Duration{30 * time.Second, 0} {
		synctest.Test(t, func(t *testing.T) {
			h := newChain(always(200), withWindow(1, 30*time.Second))
			_, err := get(t.Context(), h)
			require.NoError(t, err)
			var wg sync.WaitGroup
			for range queued {
				wg.Go(func() { _, _ = get(t.Context(), h) })
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
			defer cancel()
			took, err := get(ctx, h)
			assert.Equal(t, time.Duration(queued)*29*time.Second, took)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, noSlot)
			e := errorOf(t, err)
			assert.Equal(t, wait, e.RetryAfter)
			assert.True(t, e.NotSent)
			assert.Zero(t, e.Attempts)
			wg.Wait()
		})
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"no limit": func(*Options) {},
		"window":   withWindow(100, time.Second),
		"limiter":  func(o *Options) { o.Limiter = limiter(func(context.Context) error { return nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := Options{Retry: policy}
				change(&o)
				g := newGate(o)
				g.pause(7 * time.Second)
				g.pause(2 * time.Second) // does not shorten it
				start := time.Now()
				require.NoError(t, g.acquire(newCall(t.Context(), http.MethodGet)))
				assert.Equal(t, 7*time.Second, time.Since(start))

				var waits []time.Duration
				g.hooks.OnWait = func(_ *Call, _ int, _ *Error, reason Reason, wait time.Duration) {
					assert.Equal(t, RetryAfter, reason)
					waits = append(waits, wait)
				}
				g.pause(20 * time.Second)
				time.AfterFunc(5*time.Second, func() { g.pause(40 * time.Second) }) // extends it
				start = time.Now()
				require.NoError(t, g.acquire(newCall(t.Context(), http.MethodGet)))
				assert.Equal(t, 45*time.Second, time.Since(start))
				assert.Equal(t, []time.Duration{20 * time.Second, 40 * time.Second}, waits)

				g.pause(2 * time.Minute) // longer than MaxWait
				start = time.Now()
				err := g.acquire(newCall(t.Context(), http.MethodGet))
				var w *WaitError
				require.ErrorAs(t, err, &w)
				assert.Equal(t, 2*time.Minute, w.Wait)
				require.EqualError(t, err, paused)
				assert.Zero(t, time.Since(start))

				time.Sleep(90 * time.Second)
				start = time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
				defer cancel()
				err = g.acquire(newCall(ctx, http.MethodGet))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorAs(t, err, &w)
				assert.Equal(t, 30*time.Second, w.Wait)
				assert.Zero(t, time.Since(start))

				g.pause(1e6 * time.Hour)
				time.Sleep(maxPause)
				require.NoError(t, g.acquire(newCall(t.Context(), http.MethodGet)), "maxPause limits the pause")
			})
		})
	}
}

// If a pause that is too long begins while calls queue, all fail at once and report it.
func TestPauseWhileCallsQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		h := newChain(func(*http.Request) (*http.Response, error) {
			if n++; n == 2 {
				time.Sleep(time.Second)
				return newResponse(429, "", "Retry-After", "300"), nil
			}
			return newResponse(200, ""), nil
		}, withWindow(1, 30*time.Second))
		_, err := get(t.Context(), h)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 5 { // the first gets the 429, one second after its slot frees up
			wg.Go(func() {
				took, err := get(t.Context(), h)
				assert.Equal(t, 31*time.Second, took)
				assert.Equal(t, 5*time.Minute, errorOf(t, err).RetryAfter)
			})
		}
		wg.Wait()
		assert.Equal(t, 2, n)
	})
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g *gate
		waiting := 0
		grant := func(context.Context) error {
			waiting++
			defer func() { waiting-- }()
			assert.Equal(t, 1, waiting, "one call at a time waits for the limiter")
			time.Sleep(time.Second)
			return nil
		}
		g = newGate(Options{Limiter: limiter(func(ctx context.Context) error { return grant(ctx) }), Retry: policy})
		start := time.Now()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				c := newCall(t.Context(), http.MethodGet)
				assert.NoError(t, g.acquire(c))
				g.release(c)
			})
		}
		wg.Wait()
		assert.Equal(t, 5*time.Second, time.Since(start))

		grant = func(context.Context) error { g.pause(10 * time.Second); return nil }
		start = time.Now()
		require.NoError(t, g.acquire(newCall(t.Context(), http.MethodGet)))
		assert.Equal(t, 10*time.Second, time.Since(start), "a pause began while the call waited for the limiter")

		broken := errors.New("broken")
		grant = func(context.Context) error { return broken }
		err := g.acquire(newCall(t.Context(), http.MethodGet))
		require.ErrorIs(t, err, broken)
		require.EqualError(t, err, "the rate limiter failed: broken")
	})
}
