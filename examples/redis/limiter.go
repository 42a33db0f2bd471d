// Package redis shows how programs on several hosts share one rate limit. It provides a
// [customizers.RateLimiter] that keeps a log of grants in Redis. Copy it and adapt it.
//
//	limiter := redis.New(store, "customizers:"+clientID, 100, 10*time.Second)
//	client, err := customizers.NewFromEnv(
//		customizers.WithRateLimiter(limiter),
//		customizers.WithObserver(customizers.Observer{OnAttempt: limiter.Observe}),
//	)
package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/connector-customizers/customizers"
)

// margin is added to the period for which a grant counts. The service counts a request when it
// arrives. A delayed request and those of the next period may arrive within one period. Two
// seconds allow for a token request, a TLS handshake and one lost packet. They reduce the
// throughput: at most 100 requests in 12 seconds, not in 10. A request that takes longer to
// arrive may cause a 429, which [Limiter.Observe] shares.
const margin = 2 * time.Second

// A Limiter grants at most n requests in any period to all programs with the same key. The
// service counts by client ID and API version, so use a key for each pair.
type Limiter struct {
	store redis.UniversalClient
	keys  []string // of the log of grants and of the pause
	n     int
	per   time.Duration
}

var _ customizers.RateLimiter = (*Limiter)(nil)

// New returns a Limiter of n requests in a period. Redis needs no setup.
func New(store redis.UniversalClient, key string, n int, per time.Duration) *Limiter {
	// The braces place both keys on the same node of a cluster.
	return &Limiter{store: store, keys: []string{"{" + key + "}:log", "{" + key + "}:pause"}, n: n, per: per}
}

// grant adds a grant to the log and returns 0, or returns how many milliseconds to wait.
var grant = redis.NewScript(`
local limit, window, id = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then return pause end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) < limit then
  redis.call('ZADD', KEYS[1], now, id)
  redis.call('PEXPIRE', KEYS[1], window)
  return 0
end
return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] + window - now
`)

// pause starts a pause of the given milliseconds, unless a longer one is in progress.
var pause = redis.NewScript(`
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[2], '', 'PX', ARGV[1]) end
return 0
`)

// Wait blocks until Redis grants a request or ctx ends. If the deadline of ctx is before the next
// grant, Wait fails immediately. A pause may last twenty minutes, so set a deadline.
func (l *Limiter) Wait(ctx context.Context) error {
	id := rand.Text()
	for {
		ms, err := l.run(ctx, grant, l.n, (l.per + margin).Milliseconds(), id)
		if err != nil {
			return fmt.Errorf("redis: %w", err)
		}
		if ms == 0 {
			return nil
		}
		wait := time.Duration(ms) * time.Millisecond
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return fmt.Errorf("%w: the next request may be sent in %v", context.DeadlineExceeded, wait)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Observe pauses all programs for a Retry-After that this program receives. Set it as the
// OnAttempt of a [customizers.Observer], or call it from yours. If Redis fails, the other programs
// get a 429 of their own.
func (l *Limiter) Observe(ctx context.Context, a customizers.Attempt) {
	e, ok := errors.AsType[*customizers.Error](a.Err)
	if !ok || a.StatusCode != http.StatusTooManyRequests || e.RetryAfter <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = l.run(ctx, pause, e.RetryAfter.Milliseconds())
}

// run runs a script. It returns when ctx ends: go-redis would wait for its ReadTimeout.
func (l *Limiter) run(ctx context.Context, script *redis.Script, args ...any) (int64, error) {
	done := make(chan *redis.Cmd, 1)
	go func() { done <- script.Run(ctx, l.store, l.keys, args...) }()
	select {
	case cmd := <-done:
		return cmd.Int64()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
