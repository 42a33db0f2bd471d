package customizerstest

import (
	"sync"
	"time"
)

// A limiter allows n requests in any period of length per, for each key.
type limiter struct {
	n   int
	per time.Duration

	mu   sync.Mutex
	seen map[string][]time.Time // when requests were allowed, oldest first
}

func newLimiter(n int, per time.Duration) *limiter {
	return &limiter{n: n, per: per, seen: map[string][]time.Time{}}
}

// take allows a request and returns 0, or returns the time until the next one is allowed.
func (l *limiter) take(key string) time.Duration {
	if l.n <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	seen := l.seen[key]
	for len(seen) > 0 && now.Sub(seen[0]) >= l.per {
		seen = seen[1:]
	}
	if len(seen) >= l.n {
		l.seen[key] = seen
		return max(1, seen[0].Add(l.per).Sub(now))
	}
	l.seen[key] = append(seen, now)
	return 0
}
