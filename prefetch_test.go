package customizers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// A slowly takes its time for each request, and notes what is asked.
type slowly struct {
	http.Handler
	takes time.Duration

	mu                 sync.Mutex
	offsets            []int       // of the requests, in their order
	begun              []time.Time // when they came
	running, most, cut int         // requests under way, the most at once, and those that were cancelled
}

func (s *slowly) RoundTrip(req *http.Request) (*http.Response, error) {
	var offset int
	_, _ = fmt.Sscan(req.URL.Query().Get("offset"), &offset)
	s.count(func() {
		s.offsets, s.begun = append(s.offsets, offset), append(s.begun, time.Now())
		s.running++
		s.most = max(s.most, s.running)
	})
	defer s.count(func() { s.running-- })
	select {
	case <-time.After(s.takes):
		return inMemory{s.Handler}.RoundTrip(req)
	case <-req.Context().Done():
		s.count(func() { s.cut++ })
		return nil, req.Context().Err()
	}
}

func (s *slowly) count(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *slowly) client(t *testing.T, opts ...customizers.Option) *customizers.Client {
	return newClient(t, "acme", append([]customizers.Option{
		customizers.WithTokenSource(static("t")), customizers.WithHTTPClient(&http.Client{Transport: s}), quick,
	}, opts...)...)
}

// past is how many requests were for nothing but what comes after the last of n records.
func (s *slowly) past(n int) (past int) {
	for _, offset := range s.offsets {
		if offset >= n {
			past++
		}
	}
	return past
}

func TestPrefetch(t *testing.T) {
	t.Parallel()
	const fortyPages = 250 + 39*249
	for _, tt := range []struct {
		records int
		opts    customizers.ListOptions
		takes   time.Duration // the whole list, at 100 ms a request
		past    int           // the most requests past the end
	}{
		{fortyPages - 1, customizers.ListOptions{}, 4 * time.Second, 0},
		{fortyPages - 1, customizers.ListOptions{Prefetch: 1}, 4 * time.Second, 0}, // the loop takes no time
		{fortyPages - 1, customizers.ListOptions{Prefetch: 2}, 2100 * time.Millisecond, 2},
		{fortyPages - 1, customizers.ListOptions{Prefetch: 8}, 600 * time.Millisecond, 8},
		{fortyPages - 1, customizers.ListOptions{Prefetch: 8, Count: true}, 600 * time.Millisecond, 0},
		{fortyPages, customizers.ListOptions{Prefetch: 8, Count: true}, 700 * time.Millisecond, 0},
		{fortyPages, customizers.ListOptions{Prefetch: 8}, 600 * time.Millisecond, 8},
		{0, customizers.ListOptions{Prefetch: 8}, 100 * time.Millisecond, 1},
		{249, customizers.ListOptions{Prefetch: 8}, 100 * time.Millisecond, 0},
		{250, customizers.ListOptions{Prefetch: 8}, 200 * time.Millisecond, 8},
		{20, customizers.ListOptions{Prefetch: 4, Limit: 1, Offset: 3}, 600 * time.Millisecond, 4},
	} {
		t.Run(fmt.Sprintf("%d %+v", tt.records, tt.opts), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &slowly{Handler: newShifting(tt.records), takes: 100 * time.Millisecond}
				start, seen := time.Now(), tt.opts.Offset
				for c, err := range s.client(t).All(t.Context(), tt.opts) {
					require.NoError(t, err)
					seen++
					require.Equal(t, fmt.Sprintf("id-%d", seen), c.ID, "in order")
				}
				assert.Equal(t, tt.records, seen)
				assert.Equal(t, tt.takes, time.Since(start))
				assert.LessOrEqual(t, s.most, max(1, tt.opts.Prefetch))
				assert.LessOrEqual(t, s.past(tt.records), tt.past)
				assert.Zero(t, s.running, "requests are under way after the loop")
			})
		})
	}
}

func TestPrefetchEndsWithTheLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowly{Handler: newShifting(10_000), takes: 100 * time.Millisecond}
		pages := 0
		for p, err := range s.client(t).Pages(t.Context(), customizers.ListOptions{Prefetch: 8}) {
			require.NoError(t, err)
			assert.NotEmpty(t, p.Items)
			if pages++; pages == 3 {
				synctest.Wait()
				break
			}
		}
		assert.Zero(t, s.running)
		assert.Equal(t, 2, s.cut, "of the eight of the second round, those begun when the second and third page came")
		assert.Len(t, s.offsets, 3+8)
		time.Sleep(time.Minute)
		assert.Len(t, s.offsets, 3+8, "nothing is sent after the loop")
	})
}

// An error comes after the pages before it, however early it was known.
func TestPrefetchErrorsComeInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := newShifting(10_000)
		s := &slowly{takes: 100 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var offset int
			_, _ = fmt.Sscan(r.FormValue("offset"), &offset)
			if offset > 1000 {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			list.ServeHTTP(w, r)
		})}
		seen := 0
		var failed error
		for p, err := range s.client(t).Pages(t.Context(), customizers.ListOptions{Prefetch: 8}) {
			require.NoError(t, failed, "an error ends the loop")
			if failed = err; err == nil {
				assert.Equal(t, seen, p.Offset)
				seen += len(p.Items)
			}
		}
		assert.ErrorIs(t, failed, customizers.ErrForbidden)
		assert.Equal(t, 250+4*249, seen)
	})
}

// What was fetched ahead is not given to a loop whose context has ended.
func TestPrefetchGivesNothingAfterTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowly{Handler: newShifting(10_000)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pages := 0
		var failed error
		for _, err := range s.client(t).Pages(ctx, customizers.ListOptions{Prefetch: 8}) {
			if failed = err; err == nil {
				pages++
			}
			synctest.Wait() // all eight have come
			cancel()
		}
		assert.Equal(t, 1, pages)
		assert.ErrorIs(t, failed, context.Canceled)
	})
}

func TestPrefetchEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowly{Handler: newShifting(10_000), takes: 100 * time.Millisecond}
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(150*time.Millisecond, func() { cancel(why) })
		start, pages := time.Now(), 0
		var failed error
		for _, err := range s.client(t).Pages(ctx, customizers.ListOptions{Prefetch: 8}) {
			if failed = err; err == nil {
				pages++
			}
		}
		assert.Equal(t, 1, pages)
		assert.ErrorIs(t, failed, context.Canceled)
		assert.ErrorIs(t, failed, why)
		assert.Equal(t, 150*time.Millisecond, time.Since(start))
		assert.Zero(t, s.running)
	})
}

func TestPrefetchKeepsTheRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowly{Handler: newShifting(6000), takes: 100 * time.Millisecond}
		c := s.client(t, customizers.WithRateLimit(5, 10*time.Second))
		n := 0
		for _, err := range c.All(t.Context(), customizers.ListOptions{Prefetch: 8}) {
			require.NoError(t, err)
			n++
		}
		assert.Equal(t, 6000, n)
		for i := 5; i < len(s.begun); i++ {
			assert.GreaterOrEqual(t, s.begun[i].Sub(s.begun[i-5]), 10*time.Second)
		}
	})
}

// When the limit is spent, the page that is needed first has the first slot.
func TestPrefetchUnderASpentRateLimitKeepsTheOrder(t *testing.T) {
	t.Parallel()
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			s := &slowly{Handler: newShifting(250 + 9*249 - 1)}
			start, pages := time.Now(), 0
			for _, err := range s.client(t, customizers.WithRateLimit(1, 10*time.Second)).Pages(t.Context(), customizers.ListOptions{Prefetch: 8}) {
				require.NoError(t, err)
				assert.Equal(t, time.Duration(pages)*10*time.Second, time.Since(start), "page %d", pages)
				pages++
			}
			assert.Equal(t, 10, pages)
			assert.IsIncreasing(t, s.offsets)
		})
	}
}

// One that is sent again has its slot before those that follow it.
func TestPrefetchRetriesBeforeThePagesBehind(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			list := newShifting(250 + 39*249 - 1)
			n := 0
			s := &slowly{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if n++; n == 2 {
					w.WriteHeader(status)
					return
				}
				list.ServeHTTP(w, r)
			})}
			start, pages := time.Now(), 0
			for _, err := range s.client(t, customizers.WithRateLimit(1, 10*time.Second)).Pages(t.Context(), customizers.ListOptions{Prefetch: 8}) {
				require.NoError(t, err)
				if pages++; pages == 2 {
					break
				}
			}
			assert.Equal(t, 30*time.Second, time.Since(start), "the third page had the slot before, the second comes next")
		})
	}
}

// Without a rate limit there is nothing to wait for.
func TestPrefetchWithoutARateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowly{Handler: newShifting(250 + 39*249 - 1), takes: 100 * time.Millisecond}
		start := time.Now()
		for _, err := range s.client(t, customizers.WithRateLimit(0, 0)).Pages(t.Context(), customizers.ListOptions{Prefetch: 8}) {
			require.NoError(t, err)
		}
		assert.Equal(t, 600*time.Millisecond, time.Since(start))
		assert.Equal(t, 8, s.most)
	})
}

func TestPrefetchIsBounded(t *testing.T) {
	t.Parallel()
	s := &slowly{Handler: newShifting(10)}
	for _, depth := range []int{-1, 9} {
		for _, err := range s.client(t).Pages(t.Context(), customizers.ListOptions{Prefetch: depth}) {
			assert.ErrorIs(t, err, customizers.ErrInvalidRequest)
		}
	}
	assert.Empty(t, s.offsets)
}
