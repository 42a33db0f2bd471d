package customizers

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// passes sends n requests that are under way for the time that each takes, and returns
// when each began and ended, since the start.
func passes(t *testing.T, g *gate, n int, takes func(i int) time.Duration) (began, ended []time.Duration) {
	t.Helper()
	start := time.Now()
	began, ended = make([]time.Duration, n), make([]time.Duration, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			l, err := g.acquire(context.Background(), new(place), time.Minute)
			assert.NoError(t, err)
			began[i] = time.Since(start)
			if d := takes(i); d > 0 {
				time.Sleep(d)
			}
			ended[i] = time.Since(start)
			g.release(l, true)
		})
	}
	wg.Wait()
	return began, ended
}

func gateOf(n int, per time.Duration) *gate {
	return newGate(newWindow(n, per))
}

func atOnce(int) time.Duration { return 0 }

func TestGateSpendsTheLimitAsFastAsItAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, _ := passes(t, gateOf(100, 10*time.Second), 350, atOnce)
		slices.Sort(began)
		for i, at := range began {
			assert.Equal(t, time.Duration(i/100)*10*time.Second, at, "request %d", i)
		}
	})
}

// Whenever the service counts a request, between its start and its end, no window has
// more than the limit.
func TestGateHoldsByTheServicesClock(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			const n, per = 10, time.Second
			rnd := rand.New(rand.NewPCG(seed, 0))
			takes := make([]time.Duration, 100)
			for i := range takes {
				takes[i] = time.Duration(rnd.Int64N(int64(per)))
			}
			began, ended := passes(t, gateOf(n, per), len(takes), func(i int) time.Duration { return takes[i] })
			counted := make([]time.Duration, len(takes))
			for i := range counted {
				counted[i] = began[i] + time.Duration(rnd.Int64N(int64(ended[i]-began[i])+1))
			}
			slices.Sort(counted)
			for i := n; i < len(counted); i++ {
				require.GreaterOrEqual(t, counted[i]-counted[i-n], per, "seed %d, request %d", seed, i)
			}
		})
	}
}

func TestGateSlotsOfLongRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, _ := passes(t, gateOf(1, time.Second), 3, func(int) time.Duration { return time.Hour })
		slices.Sort(began)
		assert.Equal(t, []time.Duration{0, time.Hour + time.Second, 2 * (time.Hour + time.Second)}, began,
			"a request that is under way may not have been counted yet")
	})
}

func TestGateKeepsTheOrderOfCalls(t *testing.T) {
	for _, pause := range []bool{false, true} { // that begins while they wait
		synctest.Test(t, func(t *testing.T) {
			g := gateOf(1, time.Second)
			start := time.Now()
			var order []int
			var took []time.Duration
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					l, err := g.acquire(context.Background(), new(place), time.Minute)
					assert.NoError(t, err)
					order, took = append(order, i), append(took, time.Since(start)) // one at a time, a second apart
					g.release(l, true)
				})
				synctest.Wait()
			}
			if pause {
				g.pause(5 * time.Second)
			}
			wg.Wait()
			assert.IsIncreasing(t, order)
			if pause {
				assert.Equal(t, []time.Duration{0, 5 * time.Second, 6 * time.Second}, took[:3])
			}
		})
	}
}

// One that gives up in the queue leaves the others their places and their turn.
func TestGateWithThoseThatGiveUp(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			const n, per = 3, time.Second
			g := gateOf(n, per)
			start := time.Now()
			passed := make([]time.Duration, 60) // when, or 0 if it gave up
			var wg sync.WaitGroup
			for i := range passed {
				ctx, cancel := context.WithCancel(context.Background())
				if rnd.IntN(2) == 0 {
					time.AfterFunc(time.Duration(rnd.Int64N(int64(20*per))), cancel)
				}
				sent := rnd.IntN(4) > 0
				wg.Go(func() {
					defer cancel()
					s, err := g.acquire(ctx, new(place), time.Minute)
					if err != nil {
						assert.ErrorIs(t, err, context.Canceled)
						return
					}
					passed[i] = time.Since(start) + 1
					g.release(s, sent)
				})
				synctest.Wait()
			}
			if rnd.IntN(2) == 0 {
				time.AfterFunc(per, func() { g.pause(3 * per) })
			}
			wg.Wait()
			passed = slices.DeleteFunc(passed, func(at time.Duration) bool { return at == 0 })
			assert.IsNonDecreasing(t, passed)
			assert.Empty(t, g.queue)
			assert.Zero(t, g.told)
			w := g.limiter.(*window)
			time.Sleep(per)
			s, err := w.Take(context.Background())
			require.NoError(t, err)
			assert.NotNil(t, s.Done)
			assert.Equal(t, n-1, w.free, "every slot is free again but the one just taken")
		})
	}
}

func TestGateReleasesAtOnceWhatWasNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(1, time.Second)
		start := time.Now()
		for range 3 {
			l, err := g.acquire(context.Background(), new(place), time.Minute)
			require.NoError(t, err)
			g.release(l, false)
		}
		assert.Zero(t, time.Since(start))
	})
}

func TestGatePause(t *testing.T) {
	for _, n := range []int{0, 100} { // without and with a rate limit
		synctest.Test(t, func(t *testing.T) {
			g := gateOf(n, time.Second)
			g.pause(7 * time.Second)
			g.pause(2 * time.Second) // shorter: the longer one stays
			start := time.Now()
			l, err := g.acquire(context.Background(), new(place), time.Minute)
			require.NoError(t, err)
			assert.Equal(t, 7*time.Second, time.Since(start))
			g.release(l, true)

			g.pause(2 * time.Minute)
			_, err = g.acquire(context.Background(), new(place), time.Minute)
			var w *waitError
			require.ErrorAs(t, err, &w)
			assert.Equal(t, 2*time.Minute, w.wait)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

// A pause that begins while requests wait for slots reaches them all.
func TestGatePauseReachesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(1, 10*time.Second)
		l, err := g.acquire(context.Background(), new(place), time.Minute)
		require.NoError(t, err)
		g.release(l, true)
		errs := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := g.acquire(context.Background(), new(place), time.Minute)
				errs <- err
			}()
		}
		synctest.Wait()
		start := time.Now()
		g.pause(time.Hour)
		for range 3 {
			var w *waitError
			require.ErrorAs(t, <-errs, &w)
		}
		assert.Zero(t, time.Since(start), "a wait that the policy does not allow fails at once")
	})
}

func TestGateWaitsEndWithTheContext(t *testing.T) {
	stop := errors.New("enough")
	states := map[string]func(*gate){
		"pause": func(g *gate) { g.pause(30 * time.Second) },
		"slot": func(g *gate) {
			l, _ := g.acquire(context.Background(), new(place), time.Minute)
			g.release(l, true)
		},
		"turn": func(g *gate) {
			l, _ := g.acquire(context.Background(), new(place), time.Minute)
			g.release(l, true)
			go func() { _, _ = g.acquire(context.Background(), new(place), time.Minute) }()
		},
	}
	for name, prepare := range states {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := gateOf(1, 30*time.Second)
				prepare(g)
				synctest.Wait()
				ctx, cancel := context.WithCancelCause(context.Background())
				go func() {
					time.Sleep(3 * time.Second)
					cancel(stop)
				}()
				start := time.Now()
				_, err := g.acquire(ctx, new(place), time.Minute)
				require.ErrorIs(t, err, stop)
				assert.Equal(t, 3*time.Second, time.Since(start))

				start = time.Now()
				short, cancelShort := context.WithTimeout(context.Background(), time.Second)
				defer cancelShort()
				_, err = g.acquire(short, new(place), time.Minute)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Zero(t, time.Since(start), "it is plain at once that the wait is too long")
				time.Sleep(time.Minute) // lets the one ahead in the queue finish
			})
		})
	}
}

func TestGateDoesNotWaitForASlotPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(1, 30*time.Second)
		l, err := g.acquire(context.Background(), new(place), time.Minute)
		require.NoError(t, err)
		g.release(l, true)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err = g.acquire(ctx, new(place), time.Minute)
		var w *waitError
		require.ErrorAs(t, err, &w)
		assert.Equal(t, 30*time.Second, w.wait)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, time.Since(start))
	})
}

// A longer pause counts at once, also one that begins while an observer is told of the
// one before.
func TestGatePauseWhileAnObserverIsTold(t *testing.T) {
	for _, n := range []int{0, 10} {
		synctest.Test(t, func(t *testing.T) {
			g := gateOf(n, time.Second)
			g.pause(30 * time.Second)
			c := &call{sender: &sender{observer: Observer{Wait: func(context.Context, Wait) { time.Sleep(time.Second) }}}}
			c.req = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2024/connector-customizers", nil)
			c.observed()
			time.AfterFunc(time.Second/2, func() { g.pause(10 * time.Minute) })
			start := time.Now()
			_, err := g.acquire(c.req.Context(), new(place), time.Minute)
			var w *waitError
			require.ErrorAs(t, err, &w)
			assert.Equal(t, time.Second, time.Since(start))
		})
	}
}

// What the first of the queue was told is forgotten when it has left.
func TestGateForgetsWhatTheFirstWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(1, 30*time.Second)
		s, err := g.acquire(t.Context(), new(place), time.Minute)
		require.NoError(t, err)
		go func() {
			_, err := g.acquire(context.Background(), new(place), time.Minute)
			assert.NoError(t, err)
		}()
		synctest.Wait()
		require.False(t, g.full.IsZero())
		g.release(s, false)
		synctest.Wait()
		assert.True(t, g.full.IsZero())
	})
}
