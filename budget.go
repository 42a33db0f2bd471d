package customizers

import "sync"

// The numbers of the AWS SDK's standard mode.
const (
	budgetFull  = 500
	budgetRetry = 5 // what a retry takes, and gives back when it succeeds
	budgetFirst = 1 // what a first try that succeeds gives
)

// A budget keeps retries from multiplying an outage. When the service fails for long,
// a client has 100 retries in all, and one more for every five successes; without
// them each call sends one request.
type budget struct {
	mu    sync.Mutex
	spent int
}

// take takes a retry, if there is one left.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent+budgetRetry > budgetFull {
		return false
	}
	b.spent += budgetRetry
	return true
}

// give is for a request that succeeded.
func (b *budget) give(retried bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if retried {
		b.spent -= budgetRetry
	} else {
		b.spent -= budgetFirst
	}
	b.spent = max(0, b.spent)
}
