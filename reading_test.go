package customizers_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// A shifting is a list that changes after each request for a part of it.
type shifting struct {
	mu       sync.Mutex
	ids      []string
	next     int
	requests int
	change   func(s *shifting)
	past400  bool // an offset past the end gets a 400
}

func newShifting(n int) *shifting {
	s := &shifting{}
	for range n {
		s.insert(len(s.ids))
	}
	return s
}

func (s *shifting) insert(at int) {
	s.next++
	s.ids = slices.Insert(s.ids, at, fmt.Sprintf("id-%d", s.next))
}

func (s *shifting) remove(at, n int) { s.ids = slices.Delete(s.ids, at, at+n) }

func (s *shifting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var offset, limit int
	_, _ = fmt.Sscan(r.FormValue("offset"), &offset)
	_, _ = fmt.Sscan(r.FormValue("limit"), &limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if r.FormValue("count") == "true" {
		w.Header().Set("X-Total-Count", fmt.Sprint(len(s.ids)))
	}
	if s.past400 && offset > 0 && offset >= len(s.ids) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"messages":[{"text":"Specified offset is invalid."}]}`)
	} else {
		page := []customizers.Customizer{}
		for _, id := range s.ids[min(offset, len(s.ids)):min(offset+limit, len(s.ids))] {
			page = append(page, customizers.Customizer{ID: id})
		}
		_ = json.NewEncoder(w).Encode(page)
	}
	if s.change != nil {
		s.change(s)
	}
}

func (s *shifting) client(t *testing.T) *customizers.Client {
	return newClient(t, "acme", customizers.TokenSource(static("t")), customizers.WithRateLimit(0, 0),
		customizers.WithHTTPClient(&http.Client{Transport: inMemory{s}}))
}

// readAll reads the list and checks that what was there for the whole time was yielded
// exactly once, and nothing twice.
func (s *shifting) readAll(t *testing.T, opts customizers.ListOptions) {
	t.Helper()
	lasting := map[string]bool{}
	for _, id := range s.ids[min(opts.Offset, len(s.ids)):] {
		lasting[id] = true
	}
	change := s.change
	s.change = func(s *shifting) {
		if change == nil {
			return
		}
		change(s)
		there := map[string]bool{}
		for _, id := range s.ids {
			there[id] = true
		}
		for id := range lasting {
			if !there[id] {
				delete(lasting, id)
			}
		}
	}
	seen := map[string]bool{}
	for c, err := range s.client(t).All(t.Context(), opts) {
		require.NoError(t, err)
		require.False(t, seen[c.ID], "%s was yielded twice", c.ID)
		seen[c.ID] = true
	}
	for id := range lasting {
		require.True(t, seen[id], "%s was missed", id)
	}
}

// plainly is how many requests a list of n needs that nobody changes.
func plainly(t *testing.T, n int) int {
	s := newShifting(n)
	s.readAll(t, customizers.ListOptions{})
	return s.requests
}

// prefetches are the depths that a list is read with.
var prefetches = []int{0}

func TestAllUnderChange(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		n      int
		opts   customizers.ListOptions
		change func(*shifting)
		extra  int // requests more than without the change
	}{
		"nothing changes":                   {n: 700},
		"one before is deleted":             {n: 700, change: func(s *shifting) { s.remove(0, 1) }, extra: 2},
		"the last one seen is deleted":      {n: 700, change: func(s *shifting) { s.remove(249, 1) }, extra: 2},
		"the last three seen are deleted":   {n: 700, change: func(s *shifting) { s.remove(247, 3) }, extra: 2},
		"all that were seen are deleted":    {n: 700, change: func(s *shifting) { s.remove(0, 250) }, extra: 2},
		"all but the first are deleted":     {n: 700, change: func(s *shifting) { s.remove(1, 699) }, extra: 2},
		"all are deleted":                   {n: 700, change: func(s *shifting) { s.remove(0, 700) }, extra: 2},
		"the next one is deleted":           {n: 700, change: func(s *shifting) { s.remove(250, 1) }},
		"one is created at the front":       {n: 700, change: func(s *shifting) { s.insert(0) }},
		"one is created amid":               {n: 700, change: func(s *shifting) { s.insert(249) }, extra: 2},
		"one is created at the end":         {n: 700, change: func(s *shifting) { s.insert(700) }},
		"a page is created at the front":    {n: 700, change: func(s *shifting) { many(250, func() { s.insert(0) }) }, extra: 5},
		"three pages at the front":          {n: 700, change: func(s *shifting) { many(750, func() { s.insert(0) }) }, extra: 8},
		"with a count":                      {n: 700, opts: customizers.ListOptions{Count: true}, change: func(s *shifting) { s.remove(0, 100) }, extra: 3},
		"with a count, created":             {n: 499, opts: customizers.ListOptions{Count: true}, change: func(s *shifting) { s.insert(0) }, extra: 1},
		"from an offset":                    {n: 900, opts: customizers.ListOptions{Offset: 100}, change: func(s *shifting) { s.remove(0, 50) }, extra: 2},
		"from an offset, all before it":     {n: 900, opts: customizers.ListOptions{Offset: 100}, change: func(s *shifting) { s.remove(0, 100) }, extra: 2},
		"from an offset, more at the front": {n: 900, opts: customizers.ListOptions{Offset: 100}, change: func(s *shifting) { s.insert(0) }},
	} {
		for _, past400 := range []bool{false, true} {
			for range prefetches {
				t.Run(fmt.Sprintf("%s, past400 %v", name, past400), func(t *testing.T) {
					t.Parallel()
					s := newShifting(tt.n)
					s.past400 = past400
					done := false
					s.change = func(s *shifting) {
						if tt.change != nil && !done {
							done = true
							tt.change(s)
						}
					}
					opts := tt.opts
					s.readAll(t, opts)
					atMost := plainly(t, tt.n) + tt.extra
					assert.LessOrEqual(t, s.requests, atMost)
				})
			}
		}
	}
}

func many(n int, do func()) {
	for range n {
		do()
	}
}

// Random changes after every request, small and large, anywhere.
func TestAllUnderRandomChange(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		opts := customizers.ListOptions{
			Limit: []int{0, 1, 2, 10, 100, 250}[rnd.IntN(6)],
			Count: rnd.IntN(2) == 0,
		}
		most := 1500
		if opts.Limit > 0 {
			most = min(most, 50*opts.Limit)
		}
		s := newShifting(rnd.IntN(most))
		s.past400 = seed%2 == 0
		changes := 0
		s.change = func(s *shifting) {
			for range rnd.IntN(4) {
				changes++
				if rnd.IntN(2) == 0 {
					s.insert(rnd.IntN(len(s.ids) + 1))
				} else if len(s.ids) > 0 {
					at := rnd.IntN(len(s.ids))
					s.remove(at, 1+rnd.IntN(min(5, len(s.ids)-at)))
				}
			}
		}
		t.Run(fmt.Sprintf("seed %d, %+v", seed, opts), func(t *testing.T) {
			n := len(s.ids)
			s.readAll(t, opts)
			page := opts.Limit
			if page == 0 || page == 250 {
				page = 249
			}
			assert.LessOrEqual(t, s.requests, (n+changes)/page+2+3*changes, "the requests are bounded")
		})
	}
}

// A loop that deletes what it is given gets every record.
func TestAllWhileTheLoopDeletes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		start int
		keep  func(i int) bool
	}{
		"all":                 {0, func(int) bool { return false }},
		"all but the oldest":  {0, func(i int) bool { return i < 5 }},
		"every other":         {0, func(i int) bool { return i%2 == 0 }},
		"all from the second": {1, func(int) bool { return false }},
		"all from the 300th":  {300, func(int) bool { return false }},
	} {
		for range prefetches {
			t.Run(fmt.Sprintf("%s", name), func(t *testing.T) {
				t.Parallel()
				const n = 3000
				keep := tt.keep
				s := newShifting(n + tt.start)
				seen := 0
				for c, err := range s.client(t).All(t.Context(), customizers.ListOptions{Offset: tt.start}) {
					require.NoError(t, err)
					require.Equal(t, fmt.Sprintf("id-%d", tt.start+seen+1), c.ID)
					if !keep(seen) {
						s.mu.Lock()
						at := slices.Index(s.ids, c.ID)
						s.remove(at, 1)
						s.mu.Unlock()
					}
					seen++
				}
				assert.Equal(t, n, seen)
				assert.LessOrEqual(t, s.requests, 6*(n/249+1))
			})
		}
	}
}
