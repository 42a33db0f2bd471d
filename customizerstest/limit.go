package customizerstest

import (
	"sync"
	"time"
)

// A limiter grants n requests in any period of length per, for each key.
type limiter struct {
	n   int
	per time.Duration

	mu      sync.Mutex
	granted map[string][]time.Time // times of the last grants, oldest first
}

func newLimiter(n int, per time.Duration) *limiter {
	return &limiter{n: n, per: per, granted: map[string][]time.Time{}}
}

// take grants a request and returns 0, or returns the time until the next grant.
func (l *limiter) take(key string) time.Duration {
	if l.n <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	granted := l.granted[key]
	for len(granted) > 0 && now.Sub(granted[0]) >= l.per {
		granted = granted[1:]
	}
	if len(granted) >= l.n {
		l.granted[key] = granted
		return max(1, granted[0].Add(l.per).Sub(now))
	}
	l.granted[key] = append(granted, now)
	return 0
}
