package customizers

import (
	"errors"
	"fmt"
	"time"

	"github.com/connector-customizers/customizers/internal/transport"
)

// A RetryPolicy bounds retries. Which failures are retried is fixed: see the package
// documentation. A zero field takes its default.
//
// The wait before attempt n+1 is random between zero and MinBackoff·2ⁿ⁻¹, at most
// MaxBackoff, and never shorter than the service's Retry-After.
type RetryPolicy struct {
	MaxAttempts int           // includes the first attempt; default 4; 1 turns retries off
	MinBackoff  time.Duration // bounds the wait before the second attempt; default 0.5 s
	MaxBackoff  time.Duration // bounds the wait before any attempt; default 20 s, or MinBackoff if that is longer
	// MaxWait is the longest Retry-After that a call waits for; default 60 s. If the
	// service asks for more, the call fails at once with [ErrRateLimited], and
	// Error.RetryAfter holds the time.
	MaxWait time.Duration
}

func (p RetryPolicy) withDefaults() transport.Policy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = 4
	}
	if p.MinBackoff == 0 {
		p.MinBackoff = 500 * time.Millisecond
	}
	if p.MaxBackoff == 0 {
		p.MaxBackoff = max(20*time.Second, p.MinBackoff)
	}
	if p.MaxWait == 0 {
		p.MaxWait = 60 * time.Second
	}
	return transport.Policy(p)
}

func (p RetryPolicy) check() error {
	switch {
	case p.MaxAttempts < 0:
		return fmt.Errorf("RetryPolicy.MaxAttempts is %d (want 1 or more, or 0 for the default)", p.MaxAttempts)
	case p.MinBackoff < 0, p.MaxBackoff < 0, p.MaxWait < 0:
		return errors.New("a duration of the RetryPolicy is negative")
	case p.MaxBackoff != 0 && p.MinBackoff > p.MaxBackoff:
		return fmt.Errorf("RetryPolicy.MinBackoff, %v, is longer than MaxBackoff, %v", p.MinBackoff, p.MaxBackoff)
	}
	return nil
}
