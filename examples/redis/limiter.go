// Package redis shows how programs on several hosts share one rate limit: a
// [customizers.RateLimiter] that counts in Redis. Copy it, and change what your programs
// need otherwise.
//
//	limiter := redis.New(store, "customizers:"+clientID, 100, 10*time.Second)
//	client, err := customizers.NewFromEnv(customizers.WithRateLimiter(limiter))
//
// It keeps a log of the requests of the last period, so that no window of that length has
// more than the limit, wherever it begins. Limiters of the token-bucket kind, such as
// redis_rate, let up to twice the limit through in one period after an idle one, or have
// to be set so low that a burst waits.
package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/connector-customizers/customizers"
)

// A Limiter lets at most n requests of all programs with the same key through in any
// period. The service counts by client ID and API version: use a key for each.
type Limiter struct {
	store redis.UniversalClient
	keys  []string // the log of requests, and the pause
	n     int
	per   time.Duration
}

var _ customizers.RateLimiter = (*Limiter)(nil)

// New makes a Limiter of n requests in a period. Redis needs no set-up.
func New(store redis.UniversalClient, key string, n int, per time.Duration) *Limiter {
	// The braces put both keys on the same node of a cluster.
	return &Limiter{store: store, keys: []string{"{" + key + "}:log", "{" + key + "}:pause"}, n: n, per: per}
}

const (
	// underWay is for how long a request counts whose program does not tell of its end.
	underWay = 5 * time.Minute
	// askAgain is when to look again when all slots are held by requests under way.
	askAgain = 20 * time.Millisecond
	// slack is added to the period, for clocks that do not go alike.
	slack = time.Millisecond
	// holdUp is how long a call is held up at most until Redis is told something.
	holdUp = time.Second
	// tellWithin is for how long that is tried.
	tellWithin = 30 * time.Second
)

// take answers how many microseconds to wait, or 0 for a slot, and whether that is a pause.
// In the log each request has the time when its slot is free again, by the clock of Redis.
// The name of one that is under way begins with a tilde.
var take = redis.NewScript(`
local limit, period, hold, again, id = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
redis.call('ZREM', KEYS[1], '~' .. id) -- of a try whose reply was lost: go-redis sends again
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then return {pause * 1000, 1} end
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) < limit then
  redis.call('ZADD', KEYS[1], now + hold, '~' .. id)
  redis.call('PEXPIRE', KEYS[1], math.ceil((hold + period) / 1000))
  return {0, 0}
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if string.sub(first[1], 1, 1) == '~' then return {again, 0} end
return {math.max(1, tonumber(first[2]) - now), 0}
`)

// done frees a slot one period from now, or at once when nothing was sent.
var done = redis.NewScript(`
redis.call('ZREM', KEYS[1], '~' .. ARGV[1])
if ARGV[2] == '0' then return 0 end
local t = redis.call('TIME')
redis.call('ZADD', KEYS[1], t[1] * 1000000 + t[2] + ARGV[2], ARGV[1])
local left = math.ceil(ARGV[2] / 1000)
if redis.call('PTTL', KEYS[1]) < left then redis.call('PEXPIRE', KEYS[1], left) end
return 1
`)

// pause makes the pause last so many milliseconds at least.
var pause = redis.NewScript(`
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[2], 1, 'PX', ARGV[1]) end
return 0
`)

// Take implements [customizers.RateLimiter]. It ends with ctx: go-redis by itself would go on
// reading until its ReadTimeout.
func (l *Limiter) Take(ctx context.Context) (customizers.Slot, error) {
	id := rand.Text()
	reply := make(chan *redis.Cmd, 1)
	go func() {
		reply <- take.Run(ctx, l.store, l.keys, l.n, (l.per + slack).Microseconds(), underWay.Microseconds(), askAgain.Microseconds(), id)
	}()
	var answer []int64
	var err error
	select {
	case r := <-reply:
		answer, err = r.Int64Slice()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		l.done(ctx, id, false) // the slot may have been taken, and the reply lost
		return customizers.Slot{}, fmt.Errorf("redis: %w", err)
	}
	if wait := time.Duration(answer[0]) * time.Microsecond; wait > 0 {
		return customizers.Slot{Wait: wait, Paused: answer[1] == 1}, nil
	}
	return customizers.Slot{Done: func(sent bool) { l.done(ctx, id, sent) }}, nil
}

// done tells Redis of the end of a request. When that fails its slot is free after
// underWay, which is safe.
func (l *Limiter) done(ctx context.Context, id string, sent bool) {
	var free int64
	if sent {
		free = (l.per + slack).Microseconds()
	}
	l.tell(ctx, done, id, free)
}

// Refused implements [customizers.RateLimiter]. When it can't be told, the others learn of
// it from the service.
func (l *Limiter) Refused(ctx context.Context, retryAfter time.Duration) {
	l.tell(ctx, pause, retryAfter.Milliseconds())
}

// tell runs a script, whatever becomes of ctx. It returns when Redis knows, since a program
// may exit right after its call; but a Redis that hangs holds the call up no longer than
// holdUp, and is told behind it.
func (l *Limiter) tell(ctx context.Context, script *redis.Script, args ...any) {
	told := make(chan struct{})
	go func() {
		defer close(told)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
		defer cancel()
		_ = script.Run(ctx, l.store, l.keys, args...).Err()
	}()
	select {
	case <-told:
	case <-time.After(holdUp):
	}
}
