package soak

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
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
	workers     = 32
	clients     = 4 // each with a token, a pool of connections and workers of its own
	immortals   = 120
	longest     = 5 * time.Minute
	roundLength = 20 * time.Second // bounds what a tenant must remember
)

// Toxiproxy's toxics log to zerolog's global logger, whatever logger it is given.
func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	os.Exit(m.Run())
}

// TestSoakBriefly is the soak of TestSoak for a few seconds. SOAK_SEED sets its seed,
// which is 1 otherwise.
func TestSoakBriefly(t *testing.T) {
	if os.Getenv("SOAK_DURATION") != "" {
		t.Skip("TestSoak takes long enough")
	}
	seed := seedOr(t, 1)
	report := newReport()
	for n := 0; n == 0 || report.total("ok") < 100 && n < 5; n++ { // on a slow machine more than once
		soak(t, report, seed, n, 3*time.Second)
	}
	t.Log(report)
	assert.GreaterOrEqual(t, report.total("ok"), 100)
}

// TestSoak runs for as long as SOAK_DURATION says, 90s or 5m, five minutes at most,
// in rounds with a fresh tenant and fresh clients each. It fails too when some kind of
// fault or outcome did not occur, as may be in less than a minute.
//
// SOAK_SEED repeats the random choices of a run. It does not repeat the run: what meets
// what is up to the scheduler, to the clock, and to the dice of Toxiproxy and of the
// SDK's backoff.
func TestSoak(t *testing.T) {
	limit := os.Getenv("SOAK_DURATION")
	if limit == "" {
		t.Skip("SOAK_DURATION is not set")
	}
	d, err := time.ParseDuration(limit)
	require.NoError(t, err)
	d = min(d, longest)
	seed := seedOr(t, uint64(time.Now().UnixNano()))
	report := newReport()
	end := time.Now().Add(d)
	for n := 0; time.Until(end) > time.Second && !t.Failed(); n++ {
		soak(t, report, seed, n, min(roundLength, time.Until(end)))
	}
	t.Logf("SOAK_SEED=%d\n%v", seed, report)
	assert.Empty(t, report.missing(), "what never occurred, so that nothing is known of it")
}

func seedOr(t *testing.T, seed uint64) uint64 {
	if s := os.Getenv("SOAK_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("SOAK_SEED=%d", seed)
	return seed
}

// A round is one tenant, one network and its clients.
type round struct {
	t        *testing.T
	report   *report
	srv      *customizerstest.Server
	network  *network
	bodies   atomic.Int64 // of answers, that are not closed
	pulse    pulse
	immortal map[string]bool
	problems atomic.Int32
}

func (r *round) bad(format string, args ...any) {
	if r.problems.Add(1) <= 20 {
		r.t.Errorf(format, args...)
	}
}

// soak runs one round and checks it.
func soak(t *testing.T, report *report, seed uint64, number int, d time.Duration) {
	before := goroutines()
	r := &round{t: t, report: report, immortal: map[string]bool{}}
	r.srv = customizerstest.NewServer(customizerstest.WithTokenLifetime(5 * time.Second))
	defer r.srv.Close()
	for i := range immortals {
		r.immortal[r.srv.Add(fmt.Sprintf("immortal-%03d", i))[0].ID] = true
	}
	var err error
	r.network, err = newNetwork(strings.TrimPrefix(r.srv.URL, "http://"))
	require.NoError(t, err)
	random := func(n int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(number)<<16|uint64(n))) }

	var transports []*http.Transport
	var all []*worker
	for i := range workers {
		if i%(workers/clients) == 0 {
			transports = append(transports, &http.Transport{
				DialContext:           r.network.dial,
				MaxIdleConnsPerHost:   workers,
				IdleConnTimeout:       time.Second,
				ExpectContinueTimeout: time.Second,
			})
		}
		all = append(all, &worker{round: r, id: i, rng: random(1 + i)})
	}
	for i, transport := range transports {
		client := r.srv.Client(
			customizers.WithHTTPClient(&http.Client{Transport: &tagger{transport, &r.bodies}, Timeout: perTry}),
			customizers.WithRateLimit(0, 0),
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

	pulsing, stop := context.WithCancel(t.Context())
	defer stop()
	r.pulse.tick()
	go r.pulse.run(pulsing)

	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { r.faults(ctx, random(0)) })
	for _, w := range all {
		wg.Go(func() { w.run(ctx) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	if !waitFor(d+time.Minute, func() bool { return isClosed(done) }) {
		t.Fatalf("a call did not return:\n%s", stacks())
	}

	stop()

	// Cut what is still on its way, and see that every client works again.
	require.NoError(t, r.network.down())
	require.NoError(t, r.network.up())
	for i := range clients {
		r.recovers(all[i*(workers/clients)].client)
	}
	for _, transport := range transports {
		transport.CloseIdleConnections()
	}
	require.NoError(t, r.network.down())
	r.srv.Close() // waits for the requests that it is at

	r.compare(all)
	r.noLeak(before)
	report.stalls(&r.pulse)
}

// A pulse notes when nothing ran in this process, as on a machine that others keep
// busy, so that it is not taken for the SDK's slowness.
type pulse struct {
	mu   sync.Mutex
	last time.Time
	gaps []gap
}

type gap struct {
	end  time.Time
	took time.Duration
}

const beat = 20 * time.Millisecond

func (p *pulse) run(ctx context.Context) {
	for pause(ctx, beat) {
		p.tick()
	}
}

func (p *pulse) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if took := now.Sub(p.last) - beat; !p.last.IsZero() && took > 5*beat {
		p.gaps = append(p.gaps, gap{now, took})
	}
	p.last = now
}

// missed is how long nothing ran since a time.
func (p *pulse) missed(since time.Time) (total time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.gaps {
		if g.end.After(since) {
			total += g.took
		}
	}
	return total + max(0, time.Since(p.last)-beat) // it may be late right now
}

// recovers waits until a client reads the list as it is.
func (r *round) recovers(client *customizers.Client) {
	var last string
	ok := waitFor(20*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(r.t.Context(), perCall)
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
		last = fmt.Sprintf("got %d, and there are %d", len(got), len(want))
		return slices.Equal(got, want)
	})
	if !ok {
		r.bad("a client does not recover: %s", last)
	}
}

// compare holds what the workers were told against the tenant's state and log.
func (r *round) compare(all []*worker) {
	state, log := r.srv.Customizers(), r.srv.Requests()
	r.report.log(log)
	if len(log) >= 100_000 {
		r.bad("the tenant does not remember all requests")
	}
	arrived := map[string][]customizerstest.Request{}
	for _, req := range log {
		if tag := req.Header.Get(tagHeader); tag != "" {
			arrived[tag] = append(arrived[tag], req)
		}
	}
	born := map[string]bool{}
	for _, w := range all {
		w.check(state, arrived)
		for _, t := range w.things {
			born[t.born] = true
		}
	}
	left := len(r.immortal)
	for _, c := range state {
		name, _, _ := strings.Cut(c.Name, " ")
		switch {
		case r.immortal[c.ID]:
			left--
		case !born[name]:
			r.bad("nobody has created %+v", c)
		}
	}
	if left > 0 {
		r.bad("%d immortals are gone", left)
	}
}

// noLeak waits until connections, bodies and goroutines are what they were before.
func (r *round) noLeak(before map[string]string) {
	conns, stuck := 0, 0
	ok := waitFor(15*time.Second, func() bool {
		conns, stuck = r.network.state()
		return conns == 0 && r.bodies.Load() == 0
	})
	if !ok {
		r.bad("%d connections and %d bodies are open", conns, r.bodies.Load())
	}
	var left []string
	theirs := 0
	ok = waitFor(15*time.Second, func() bool {
		left, theirs = nil, 0
		for id, stack := range goroutines() {
			_, was := before[id]
			switch {
			case was:
			case strings.Contains(stack, "Shopify/toxiproxy"):
				theirs++ // it leaves some behind whose connection was lost
			default:
				left = append(left, stack)
			}
		}
		return len(left) == 0
	})
	if !ok {
		r.bad("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
	r.report.round(stuck, theirs)
}

// goroutines are the stacks of all goroutines but this one, by number.
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

// waitFor asks again and again until ok or until d has passed.
func waitFor(d time.Duration, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for !ok() {
		if !pause(ctx, 10*time.Millisecond) {
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
	start    time.Time
	rounds   int
	calls    map[string]map[string]int // kinds of calls, and how they ended
	faults   map[string]int
	requests map[string]int
	statuses map[int]int

	there, notThere int             // customizers and versions of an unknown outcome
	lateNames       int             // overwritten by a try that came after them
	over            time.Duration   // the most that a call took after its context's end
	slowest         *call           // which one that was
	stalled         []time.Duration // when nothing ran in this process
	stuck, theirs   int             // Toxiproxy's deadlocks, and goroutines that it left
}

func newReport() *report {
	return &report{
		start:    time.Now(),
		calls:    map[string]map[string]int{},
		faults:   map[string]int{},
		requests: map[string]int{},
		statuses: map[int]int{},
	}
}

func (r *report) call(c *call, kind, outcome string, over time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls[kind] == nil {
		r.calls[kind] = map[string]int{}
	}
	r.calls[kind][outcome]++
	if over > r.over {
		r.over, r.slowest = over, c
	}
}

func (r *report) fault(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[kind]++
}

func (r *report) unknown(there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if there {
		r.there++
	} else {
		r.notThere++
	}
}

func (r *report) late() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lateNames++
}

func (r *report) stalls(p *pulse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.gaps {
		r.stalled = append(r.stalled, g.took)
	}
}

func (r *report) log(log []customizerstest.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, req := range log {
		r.requests[string(req.Operation)]++
		r.statuses[req.Status]++
	}
}

func (r *report) round(stuck, theirs int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rounds++
	r.stuck += stuck
	r.theirs += theirs
}

func (r *report) total(outcome string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, outcomes := range r.calls {
		n += outcomes[outcome]
	}
	return n
}

// missing names what a long run should have seen and has not.
func (r *report) missing() (out []string) {
	for _, outcome := range []string{
		"ok", "unknown", "not found", "rate limited", "server error", "broken",
		context.DeadlineExceeded.Error(), context.Canceled.Error(),
	} {
		if r.total(outcome) == 0 {
			out = append(out, outcome)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	need := func(ok bool, what string) {
		if !ok {
			out = append(out, what)
		}
	}
	for _, kind := range []string{"create", "get", "update", "delete", "version", "list", "all"} {
		need(r.calls[kind]["ok"] > 0, kind+" ok")
	}
	need(r.calls["create"]["unknown"] > 0, "create unknown")
	need(r.calls["version"]["unknown"] > 0, "version unknown")
	need(r.there > 0, "unknown and there")
	need(r.notThere > 0, "unknown and not there")
	need(r.faults["down"] > 0, "down")
	for _, kind := range toxicTypes {
		need(r.faults["toxic "+kind] > 0, "toxic "+kind)
	}
	for _, kind := range tenantFaultNames {
		need(r.faults["tenant "+kind] > 0, "tenant "+kind)
	}
	for _, status := range []int{0, 200, 201, 204, 401, 404, 429, 500, 502, 503, 504} {
		need(r.statuses[status] > 0, fmt.Sprintf("status %d", status))
	}
	return out
}

func (r *report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	calls := 0
	for _, kind := range slices.Sorted(maps.Keys(r.calls)) {
		n := 0
		for _, count := range r.calls[kind] {
			n += count
		}
		calls += n
		fmt.Fprintf(&b, "%-8s %6d: %s\n", kind, n, counts(r.calls[kind]))
	}
	fmt.Fprintf(&b, "requests: %s\n", counts(r.requests))
	fmt.Fprintf(&b, "statuses, 0 for cut: %s\n", counts(r.statuses))
	fmt.Fprintf(&b, "faults: %s\n", counts(r.faults))
	fmt.Fprintf(&b, "unknown outcomes: %d were there, %d were not\n", r.there, r.notThere)
	fmt.Fprintf(&b, "updates that came late: %d\n", r.lateNames)
	if r.slowest != nil {
		fmt.Fprintf(&b, "longest past the end of its context, by %v: %v\n", r.over.Round(time.Millisecond), r.slowest)
	}
	if n := len(r.stalled); n > 0 {
		fmt.Fprintf(&b, "nothing ran here for over %v: %d times, at most %v\n", 5*beat, n, slices.Max(r.stalled).Round(time.Millisecond))
	}
	fmt.Fprintf(&b, "toxiproxy: stuck %d times, left %d goroutines\n", r.stuck, r.theirs)
	return fmt.Sprintf("%d calls in %d rounds, %v\n", calls, r.rounds, time.Since(r.start).Round(time.Second)) + b.String()
}

func counts[K string | int](m map[K]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%v %d", k, m[k]))
	}
	return strings.Join(out, ", ")
}
