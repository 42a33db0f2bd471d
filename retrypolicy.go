package customizers

import (
	"fmt"
	"time"

	"github.com/connector-customizers/customizers/internal/transport"
)

// A RetryPolicy limits retries. Which failures are retried is fixed: see the package
// documentation. A zero field takes its default.
//
// The wait before attempt n+1 is random between zero and MinBackoff·2ⁿ⁻¹ or, if that is less,
// MaxBackoff. It is never shorter than the service's Retry-After.
type RetryPolicy struct {
	MaxAttempts int           // includes the first attempt; default 4; 1 turns retries off
	MinBackoff  time.Duration // maximum backoff before the second attempt; default 0.5 s
	MaxBackoff  time.Duration // maximum backoff before any attempt; default 20 s, or MinBackoff if that is longer
	// MaxWait is the longest Retry-After that a call waits for; default 60 s. If the service
	// asks for more, the call fails at once, and Error.RetryAfter holds the wait. The error
	// matches the sentinel of the status, or [ErrRateLimited] if nothing was sent.
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
	if p.MaxAttempts < 0 {
		return fmt.Errorf("RetryPolicy.MaxAttempts is %d (want 1 or more, or 0 for the default)", p.MaxAttempts)
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"MinBackoff", p.MinBackoff}, {"MaxBackoff", p.MaxBackoff}, {"MaxWait", p.MaxWait}} {
		if f.value < 0 {
			return fmt.Errorf("RetryPolicy.%s is %v (want a positive duration, or 0 for the default)", f.name, f.value)
		}
	}
	if p.MaxBackoff != 0 && p.MinBackoff > p.MaxBackoff {
		return fmt.Errorf("RetryPolicy.MinBackoff is %v (want at most MaxBackoff, %v)", p.MinBackoff, p.MaxBackoff)
	}
	return nil
}
