package soak

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

const (
	workers        = 32
	clients        = 4   // each has its own token, connection pool and workers
	permanentCount = 120 // customizers that are never deleted
	maxDuration    = 5 * time.Minute
	roundLength    = 75 * time.Second // limits the requests that a tenant remembers
)

// TestMain disables zerolog's global logger, which toxics use even if Toxiproxy has another, and
// the log of net/http's servers, whose handshakes fail all the time.
func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// TestSoakShort runs the soak for a few seconds. SOAK_SEED sets the seed; the default is 1.
func TestSoakShort(t *testing.T) {
	if os.Getenv("SOAK_DURATION") != "" {
		t.Skip("SOAK_DURATION is set: TestSoak runs instead")
	}
	seed := seedFromEnv(t, 1)
	report := newReport()
	for n := 0; n < len(ways) || report.count("ok") < 100 && n < 20; n++ { // a slow machine needs more rounds
		soak(t, report, seed, n, time.Second)
	}
	t.Log(report)
	assert.GreaterOrEqual(t, report.count("ok"), 100)
}

// TestSoak runs the soak for SOAK_DURATION, for example 90s, and at most five minutes. Each
// round has a new tenant, new clients and the next of the ways. The test also fails if a kind of fault or result did
// not occur, which may happen in a run of less than a minute.
//
// SOAK_SEED repeats the random choices of a run. It does not repeat the run, which also depends
// on the scheduler, the clock, and the random numbers of Toxiproxy and of the SDK's backoff.
func TestSoak(t *testing.T) {
	limit := os.Getenv("SOAK_DURATION")
	if limit == "" {
		t.Skip("SOAK_DURATION is not set")
	}
	d, err := time.ParseDuration(limit)
	require.NoError(t, err)
	d = min(d, maxDuration)
	seed := seedFromEnv(t, uint64(time.Now().UnixNano()))
	report := newReport()
	end := time.Now().Add(d)
	for n := 0; time.Until(end) > time.Second && !t.Failed(); n++ {
		soak(t, report, seed, n, min(roundLength, d/time.Duration(len(ways)), time.Until(end)))
	}
	t.Logf("SOAK_SEED=%d\n%v", seed, report)
	assert.Empty(t, report.missing(), "faults and results that never occurred")
}

// TestBlackhole checks that a client without timeouts or deadlines survives a connection that has
// died silently. It runs if SOAK_DURATION is set, and takes about a minute and a half.
func TestBlackhole(t *testing.T) {
	if os.Getenv("SOAK_DURATION") == "" {
		t.Skip("SOAK_DURATION is not set")
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			r := newRound(t, w)
			defer r.close()
			transport := r.transport()
			transport.IdleConnTimeout = 0
			defer transport.CloseIdleConnections()
			c := r.srv.Client(customizers.WithHTTPClient(&http.Client{Transport: transport}))
			create := func(d time.Duration, name string) error {
				ctx, cancel := context.WithTimeout(t.Context(), d)
				defer cancel()
				_, err := c.Create(ctx, customizers.CreateRequest{Name: name})
				return err
			}
			require.NoError(t, create(time.Minute, "first"))

			_, err := r.network.swallow()
			require.NoError(t, err)
			start := time.Now()
			page, err := c.List(t.Context(), customizers.ListOptions{})
			require.NoError(t, err)
			assert.Len(t, page.Items, 1)
			t.Logf("a list without a deadline took %v", time.Since(start).Round(time.Millisecond))
			assert.Less(t, time.Since(start), 70*time.Second)

			require.NoError(t, r.network.reset())
			require.NoError(t, create(time.Minute, "second"))
			_, err = r.network.swallow()
			require.NoError(t, err)
			if err := create(5*time.Second, "third"); err != nil { // sent on the dead connection
				require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
			}
			require.NoError(t, create(20*time.Second, "fourth"))
			var names []string
			for _, item := range r.srv.Customizers() {
				names = append(names, item.Name)
			}
			assert.Subset(t, []string{"first", "second", "third", "fourth"}, names)
			assert.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names), "created twice")
		})
	}
}

// seedFromEnv returns SOAK_SEED, or the default seed.
func seedFromEnv(t *testing.T, seed uint64) uint64 {
	if s := os.Getenv("SOAK_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("SOAK_SEED=%d", seed)
	return seed
}

// A round has one tenant, one network and the clients.
type round struct {
	t         *testing.T
	report    *report
	srv       *customizerstest.Server
	close     func() // stops the tenant; may be repeated
	network   *network
	way       way
	permanent map[string]bool // by ID
	errors    atomic.Int32

	swallowing atomic.Bool  // a blackhole lasts
	swallowed  atomic.Int64 // when it began, in Unix nanoseconds; 0 before
}

// errorf reports an error, up to 20 in a round.
func (r *round) errorf(format string, args ...any) {
	if r.errors.Add(1) <= 20 {
		r.t.Errorf(format, args...)
	}
}

// newRound starts a tenant and a network that leads to it.
func newRound(t *testing.T, w way) *round {
	r := &round{t: t, permanent: map[string]bool{}, way: w}
	opts := []customizerstest.Option{customizerstest.WithTokenLifetime(5 * time.Second)}
	if w.tls {
		opts = append(opts, customizerstest.WithTLS())
	}
	r.srv = customizerstest.NewServer(opts...)
	r.close = r.srv.Close // waits for requests in progress
	_, upstream, _ := strings.Cut(r.srv.URL, "://")
	if w.proxy {
		proxy := httptest.NewServer(http.HandlerFunc(tunnel))
		r.close = func() {
			r.srv.Close()
			proxy.Close()
		}
		upstream = proxy.Listener.Addr().String()
	}
	var err error
	r.network, err = newNetwork(upstream)
	require.NoError(t, err)
	return r
}

// soak runs one round and checks it.
func soak(t *testing.T, report *report, seed uint64, number int, d time.Duration) {
	before := goroutines()
	r := newRound(t, ways[number%len(ways)])
	defer r.close()
	r.report = report
	for i := range permanentCount {
		r.permanent[r.srv.Add(fmt.Sprintf("permanent-%03d", i))[0].ID] = true
	}
	random := func(n int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(number)<<16|uint64(n))) }

	var transports []*http.Transport
	var all []*worker
	for i := range workers {
		if i%(workers/clients) == 0 {
			transports = append(transports, r.transport())
		}
		all = append(all, &worker{round: r, id: i, rng: random(1 + i)})
	}
	for i, transport := range transports {
		client := r.srv.Client(
			customizers.WithHTTPClient(&http.Client{Transport: &tagger{transport}, Timeout: attemptTimeout}),
			customizers.WithoutRateLimit(),
			customizers.WithRetry(customizers.RetryPolicy{
				MaxAttempts: maxAttempts,
				MinBackoff:  5 * time.Millisecond,
				MaxBackoff:  60 * time.Millisecond,
				MaxWait:     500 * time.Millisecond,
			}))
		for j := range workers / clients {
			all[i*(workers/clients)+j].client = client
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { r.injectFaults(ctx, random(0)) })
	if d > 10*time.Second {
		wg.Go(func() { r.swallow(ctx, d/3) })
	}
	for _, w := range all {
		wg.Go(func() { w.run(ctx) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	if !waitFor(d+time.Minute, func() bool { return isClosed(done) }) {
		t.Fatalf("a call did not return:\n%s", stacks())
	}

	// Close the connections that are left, then check that each client works again.
	require.NoError(t, r.network.down())
	require.NoError(t, r.network.up())
	for i := range clients {
		r.checkRecovery(all[i*(workers/clients)].client)
	}
	for _, transport := range transports {
		transport.CloseIdleConnections()
	}
	require.NoError(t, r.network.down())
	r.close()

	r.checkState(all)
	r.checkLeaks(before)
}

// checkRecovery waits until a client reads the tenant's list without an error.
func (r *round) checkRecovery(client *customizers.Client) {
	var last string
	ok := waitFor(20*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(r.t.Context(), callTimeout)
		defer cancel()
		var got []string
		for c, err := range client.All(ctx, customizers.ListOptions{}) {
			if err != nil {
				last = err.Error()
				return false
			}
			got = append(got, c.ID+" "+c.Name)
		}
		var want []string
		for _, c := range r.srv.Customizers() {
			want = append(want, c.ID+" "+c.Name)
		}
		last = fmt.Sprintf("got %d customizers (want %d)", len(got), len(want))
		return slices.Equal(got, want)
	})
	if !ok {
		r.errorf("a client does not recover: %s", last)
	}
}

// checkState compares the workers' records with the tenant's state and log.
func (r *round) checkState(all []*worker) {
	state, requests := r.srv.Customizers(), r.srv.Requests()
	if len(requests) >= 100_000 {
		r.errorf("the tenant does not remember all requests")
	}
	received := map[string][]customizerstest.Request{}
	for _, req := range requests {
		r.report.add(fmt.Sprintf("status %d", req.Status))
		if tag := req.Header.Get(tagHeader); tag != "" {
			received[tag] = append(received[tag], req)
		}
	}
	known := map[string]bool{} // by initial name
	for _, w := range all {
		w.check(state, received)
		for _, rec := range w.records {
			known[rec.initialName] = true
		}
	}
	missing := len(r.permanent)
	for _, c := range state {
		name, _, _ := strings.Cut(c.Name, " ")
		switch {
		case r.permanent[c.ID]:
			missing--
		case !known[name]:
			r.errorf("no worker created %+v", c)
		}
	}
	if missing > 0 {
		r.errorf("%d permanent customizers are missing", missing)
	}
}

// checkLeaks waits until no goroutine of this round is left, and so no connection or body.
func (r *round) checkLeaks(before map[string]string) {
	var left []string
	ok := waitFor(15*time.Second, func() bool {
		left = nil
		for id, stack := range goroutines() {
			if _, was := before[id]; !was && !strings.Contains(stack, "Shopify/toxiproxy") { // it leaks some after a lost connection
				left = append(left, stack)
			}
		}
		return len(left) == 0
	})
	if !ok {
		r.errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
}

// goroutines returns the stacks of all goroutines but this one, by number.
func goroutines() map[string]string {
	out := map[string]string{}
	for i, stack := range strings.Split(stacks(), "\n\n") {
		id, _, _ := strings.Cut(stack, " [")
		if i > 0 {
			out[id] = stack
		}
	}
	return out
}

func stacks() string {
	buf := make([]byte, 16<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// waitFor calls ok until it returns true or d has passed. It reports whether ok returned true.
func waitFor(d time.Duration, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for !ok() {
		if !sleep(ctx, 10*time.Millisecond) {
			return ok()
		}
	}
	return true
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A report counts what happened.
type report struct {
	mu       sync.Mutex
	counts   map[string]int
	recovery map[string][]time.Duration // from a blackhole to a worker's next success, by way
}

func newReport() *report {
	return &report{counts: map[string]int{}, recovery: map[string][]time.Duration{}}
}

func (r *report) add(what ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range what {
		r.counts[w]++
	}
}

func (r *report) addRecovery(way string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recovery[way] = append(r.recovery[way], took)
}

func (r *report) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[what]
}

// missing returns the faults and results that a long run should have but did not.
func (r *report) missing() []string {
	want := []string{
		"ok", "unknown", "not found", "rate limited", "server error", "broken", context.DeadlineExceeded.Error(), context.Canceled.Error(),
		"create ok", "get ok", "update ok", "delete ok", "version ok", "list ok", "all ok", "create unknown", "version unknown",
		"unknown and applied", "unknown and not applied", "down",
	}
	for _, way := range ways {
		if len(r.recovery[way.name]) == 0 {
			want = append(want, "recovery from a blackhole, "+way.name)
		}
	}
	for _, kind := range toxicTypes {
		want = append(want, "toxic "+kind)
	}
	for _, kind := range tenantFaultNames {
		want = append(want, "tenant "+kind)
	}
	for _, status := range []int{0, 200, 201, 204, 401, 404, 429, 500, 502, 503, 504} {
		want = append(want, fmt.Sprintf("status %d", status))
	}
	return slices.DeleteFunc(want, func(what string) bool { return r.count(what) > 0 })
}

func (r *report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(r.counts)) {
		fmt.Fprintf(&b, "%6d %s\n", r.counts[what], what)
	}
	for _, way := range slices.Sorted(maps.Keys(r.recovery)) {
		took := slices.Sorted(slices.Values(r.recovery[way]))
		fmt.Fprintf(&b, "workers that succeeded after a blackhole, %s: %d, after %v (median) to %v\n", way, len(took),
			took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	}
	return b.String()
}
