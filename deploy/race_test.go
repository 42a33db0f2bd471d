package deploy_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/deploy"
)

// Deployments of one new name at once, over a service that is slow, whose clocks differ,
// and whose list lags behind: one customizer is left, nobody is told of success with
// another, and none that has a version is ever deleted. It is what [deploy.Deploy] promises.
func TestDeployRace(t *testing.T) {
	t.Parallel()
	const seeds = 300
	for name, tt := range map[string]struct {
		conditions

		cancelled bool // some deployments are, at any time
		tired     bool // some wait in vain for others to go
	}{
		"fast":                      {conditions: conditions{latency: 20 * time.Millisecond}},
		"usual":                     {conditions: conditions{latency: time.Second}},
		"slow":                      {conditions: conditions{latency: 8 * time.Second}},
		"very slow":                 {conditions: conditions{latency: 30 * time.Second}},
		"slower than is waited for": {conditions: conditions{latency: 5 * time.Minute}, tired: true},
		"clocks differ":             {conditions: conditions{latency: 300 * time.Millisecond, skew: 450 * time.Millisecond, lag: time.Second}},
		"very slow, clocks differ":  {conditions: conditions{latency: 30 * time.Second, skew: 450 * time.Millisecond, lag: time.Second}},
		"the list is behind":        {conditions: conditions{latency: time.Second, behind: 15 * time.Second, lag: time.Second}},
		"no dates":                  {conditions: conditions{latency: time.Second, lag: time.Second, undated: true}},
		"cancelled":                 {conditions: conditions{latency: 300 * time.Millisecond}, cancelled: true},
		"slow and cancelled":        {conditions: conditions{latency: 8 * time.Second}, cancelled: true},
		"answers lost":              {conditions: conditions{latency: time.Second, skew: 450 * time.Millisecond, lag: time.Second, lost: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archive := filepath.Join(t.TempDir(), "a.zip")
			require.NoError(t, os.WriteFile(archive, zipped(t, simple(t)), 0o600))
			var successes, ambiguous, ended int
			var broken []string // promises
			for seed := range uint64(seeds) {
				broke := func(what string, err error) { broken = append(broken, fmt.Sprintf("seed %d: %s: %v", seed, what, err)) }
				synctest.Test(t, func(t *testing.T) {
					rnd := rand.New(rand.NewPCG(seed, 1))
					s := &slowService{conditions: tt.conditions, rnd: rnd, customizers: map[string]listed{}}
					results, failures := make([]*deploy.Result, 2+rnd.IntN(3)), make([]error, 4)
					var wg sync.WaitGroup
					for i := range results {
						start := s.upTo(2 * tt.latency)
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if tt.cancelled && s.upTo(1) == 0 {
							time.AfterFunc(start+s.upTo(6*tt.latency+4*time.Second), cancel)
						}
						wg.Go(func() {
							<-time.After(start)
							results[i], failures[i] = deploy.Deploy(ctx, s, "hr-feed", archive, deploy.Options{})
						})
					}
					wg.Wait()

					for i, r := range results {
						switch err := failures[i]; {
						case err == nil:
							successes++
							if s.customizers[r.Customizer.ID].ImageVersion == 0 {
								broke("success with one that was deleted", nil)
							}
						case errors.Is(err, context.Canceled) && tt.cancelled:
							ended++
						case errors.Is(err, deploy.ErrAmbiguous) && (tt.tired || tt.lost):
							ambiguous++
						case errors.Is(err, customizers.ErrOutcomeUnknown) && tt.lost:
						default:
							broke("failed", err)
						}
					}
					if s.versionsDeleted > 0 {
						broke("one that has a version was deleted", nil)
					}
					// Whose the customizer of a lost answer is can't be told, so it stays.
					if len(s.customizers) == 0 && !tt.cancelled || len(s.customizers) > 1+s.answersLost {
						broke(fmt.Sprintf("%d customizers are left", len(s.customizers)), nil)
					}
				})
			}
			t.Logf("success %d, ambiguous %d, cancelled %d", successes, ambiguous, ended)
			assert.Empty(t, broken)
			assert.Greater(t, successes, seeds)
		})
	}
}

// Conditions are what a service is like, at worst.
type conditions struct {
	latency time.Duration // of a request
	skew    time.Duration // of a clock
	behind  time.Duration // of the list, in order
	lag     time.Duration // of the list, in any order
	undated bool          // there are no dates
	lost    bool          // some answers to a create are
}

// A slowService carries each request out at some moment between request and answer.
type slowService struct {
	conditions

	mu                           sync.Mutex
	rnd                          *rand.Rand
	customizers                  map[string]listed
	versionsDeleted, answersLost int
}

// A listed customizer is in the list from some time on.
type listed struct {
	customizers.Customizer

	shown time.Time
}

func (s *slowService) upTo(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chance(d)
}

func (s *slowService) chance(d time.Duration) time.Duration {
	return time.Duration(s.rnd.Int64N(int64(d) + 1))
}

// at carries out a request in the midst of its latency, and not at all when the context
// ends before. The error is that of the context, or else that of act.
func (s *slowService) at(ctx context.Context, latency time.Duration, act func() error) error {
	before := s.upTo(latency)
	if err := nap(ctx, before); err != nil {
		return err
	}
	s.mu.Lock()
	err := act()
	s.mu.Unlock()
	return cmp.Or(nap(ctx, latency-before), err)
}

func nap(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// All yields what is there for the whole time, and of the rest what chance has it.
func (s *slowService) All(ctx context.Context, _ customizers.ListOptions) iter.Seq2[customizers.Customizer, error] {
	return func(yield func(customizers.Customizer, error) bool) {
		latency, seen := s.upTo(s.latency), map[string]int{}
		found := map[string]customizers.Customizer{}
		look := func() error {
			for id, c := range s.customizers {
				if !time.Now().Before(c.shown) {
					found[id] = c.Customizer
					seen[id]++
				}
			}
			return nil
		}
		if err := cmp.Or(s.at(ctx, latency/2, look), s.at(ctx, latency/2, look)); err != nil {
			yield(customizers.Customizer{}, err)
			return
		}
		for id, c := range found {
			if (seen[id] == 2 || s.upTo(1) == 0) && !yield(c, nil) {
				return
			}
		}
	}
}

func (s *slowService) Get(ctx context.Context, id string) (*customizers.Customizer, error) {
	var c listed
	err := s.at(ctx, s.upTo(s.latency), func() (err error) {
		c, err = s.find(id)
		return err
	})
	return &c.Customizer, err
}

// Create does not heed the context: what becomes of a create that breaks off is told by lost.
func (s *slowService) Create(ctx context.Context, r customizers.CreateRequest) (*customizers.Customizer, error) {
	var c customizers.Customizer
	err := s.at(context.WithoutCancel(ctx), s.upTo(s.latency), func() error {
		now := time.Now()
		c = customizers.Customizer{ID: strconv.FormatInt(s.rnd.Int64(), 36), Name: r.Name}
		if !s.undated {
			c.Created = customizers.Timestamp{Time: now.Add(s.chance(2*s.skew) - s.skew)}
		}
		s.customizers[c.ID] = listed{c, now.Add(s.behind + s.chance(s.lag))}
		if s.lost && s.rnd.IntN(4) == 0 {
			s.answersLost++
			return customizers.ErrOutcomeUnknown
		}
		return nil
	})
	return &c, err
}

func (s *slowService) Delete(ctx context.Context, id string) error {
	return s.at(ctx, s.upTo(s.latency), func() error {
		c, err := s.find(id)
		if c.ImageVersion > 0 {
			s.versionsDeleted++
		}
		delete(s.customizers, id)
		return err
	})
}

func (s *slowService) CreateVersion(ctx context.Context, id string, _ io.Reader) (*customizers.Version, error) {
	var c listed
	err := s.at(ctx, s.upTo(s.latency), func() (err error) {
		if c, err = s.find(id); err != nil {
			return err
		}
		c.ImageVersion++
		s.customizers[id] = c
		return nil
	})
	return &customizers.Version{CustomizerID: id, Version: c.ImageVersion}, err
}

func (s *slowService) find(id string) (listed, error) {
	c, ok := s.customizers[id]
	if !ok {
		return c, customizers.ErrNotFound
	}
	return c, nil
}
