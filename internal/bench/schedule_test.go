package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

const (
	calls  = 350
	limit  = 100 // of the service, in a period
	others = 30  // of them, that a second process spends
	period = 10 * time.Second
	there  = 50 * time.Millisecond // and as long back
)

// A network brings requests to a tenant, in the time of the bubble.
type network struct {
	*customizerstest.Server
	mu      sync.Mutex
	refused int
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(there)
	in := req.Clone(req.Context())
	in.RequestURI = req.URL.RequestURI()
	rec := httptest.NewRecorder()
	n.ServeHTTP(rec, in)
	if rec.Code == http.StatusTooManyRequests {
		n.mu.Lock()
		n.refused++
		n.mu.Unlock()
	}
	time.Sleep(there)
	return rec.Result(), nil
}

// The schedule is that of the gate, so time is the bubble's and the result exact.
func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		name   string
		others int
		share  int           // that the client is told of
		ideal  time.Duration // from the first call to the last
		exact  bool          // the client knows its share: it keeps to the schedule and sees no 429
	}{
		{"alone", 0, limit, (calls - 1) / limit * period, true},
		{"beside-another", others, limit - others, (calls - 1) / (limit - others) * period, true},
		{"beside-another-unknown", others, limit, (calls - 1) / (limit - others) * period, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := customizerstest.NewServer(customizerstest.WithSeed(1), customizerstest.WithRateLimit(limit, period))
				srv.Close() // it answers without its socket, which is not of the bubble
				net := &network{Server: srv}
				client := func(n int) *customizers.Client {
					c, err := customizers.New("acme", customizers.WithClientCredentials(srv.ClientID, srv.ClientSecret),
						customizers.WithHTTPClient(&http.Client{Transport: net}), customizers.WithRateLimit(n, period))
					require.NoError(t, err)
					return c
				}
				ctx, cancel := context.WithCancel(t.Context())
				get := func(ctx context.Context, c *customizers.Client) error {
					_, err := c.Get(ctx, srv.Customizers()[0].ID)
					return err
				}
				// As long as there are calls to do, the second process does all that its
				// share allows, ten at a time.
				var neighbours, callers sync.WaitGroup
				if tt.others > 0 {
					neighbour := client(tt.others)
					for range 10 {
						neighbours.Go(func() {
							for get(ctx, neighbour) == nil {
								continue
							}
						})
					}
				}
				start := time.Now()
				c := client(tt.share)
				todo := make(chan struct{}, calls)
				for range calls {
					todo <- struct{}{}
				}
				close(todo)
				for range 32 {
					callers.Go(func() {
						for range todo {
							assert.NoError(t, get(ctx, c))
						}
					})
				}
				callers.Wait()
				took := time.Since(start)
				cancel()
				neighbours.Wait()
				ratio := took.Seconds() / tt.ideal.Seconds()
				t.Attr("schedule", fmt.Sprintf("%.1f s of %.0f s, %.3f times, %d answers of 429", took.Seconds(), tt.ideal.Seconds(), ratio, net.refused))
				if tt.exact {
					assert.LessOrEqual(t, ratio, 1.02)
					assert.Zero(t, net.refused)
				}
			})
		})
	}
}
