package customizers_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func TestAllSendsNoRequestMoreThanNeeded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		records  int
		opts     customizers.ListOptions
		want     int
		requests int
	}{
		{0, customizers.ListOptions{}, 0, 1},
		{1, customizers.ListOptions{}, 1, 1},
		{249, customizers.ListOptions{}, 249, 1},
		{250, customizers.ListOptions{}, 250, 2}, // only an empty page tells that a full one was the last
		{251, customizers.ListOptions{}, 251, 2},
		{250, customizers.ListOptions{Count: true}, 250, 1}, // the count tells
		// From the second page on one record is read again, to see whether the list has
		// shifted: 250, 249, 249, …
		{498, customizers.ListOptions{}, 498, 2},
		{499, customizers.ListOptions{}, 499, 3},
		{500, customizers.ListOptions{}, 500, 3},
		{500, customizers.ListOptions{Count: true}, 500, 3},
		{0, customizers.ListOptions{Count: true}, 0, 1},
		{7, customizers.ListOptions{Limit: 3}, 7, 3},
		{7, customizers.ListOptions{Limit: 3, Count: true}, 7, 3},
		{7, customizers.ListOptions{Limit: 3, Offset: 5}, 2, 1},
		{7, customizers.ListOptions{Offset: 7}, 0, 1},
		{7, customizers.ListOptions{Offset: 70, Count: true}, 0, 1},
	} {
		t.Run(fmt.Sprintf("%d %+v", tt.records, tt.opts), func(t *testing.T) {
			t.Parallel()
			srv := sandbox(t, customizerstest.WithSeed(tt.records))
			seen := map[string]bool{}
			for c, err := range clientOf(t, srv).All(ctxOf(t), tt.opts) {
				require.NoError(t, err)
				assert.False(t, seen[c.ID], "yielded twice")
				seen[c.ID] = true
			}
			assert.Len(t, seen, tt.want)
			assert.Equal(t, tt.requests, sent(srv, customizerstest.List))
			for i, r := range srv.Requests(customizerstest.List) {
				assert.Equal(t, tt.opts.Count && i == 0, containsCount(r.Query), "count is asked for once: %s", r.Query)
			}
		})
	}
}

func containsCount(query string) bool { return strings.Contains(query, "count=true") }

func TestPages(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(7))
	c := clientOf(t, srv)
	type page struct{ offset, items, total int }
	for _, tt := range []struct {
		opts customizers.ListOptions
		want []page
	}{
		{customizers.ListOptions{Limit: 3}, []page{{0, 3, -1}, {3, 3, -1}, {6, 1, -1}}},
		{customizers.ListOptions{Limit: 3, Count: true}, []page{{0, 3, 7}, {3, 3, 7}, {6, 1, 7}}},
		{customizers.ListOptions{Offset: 9}, []page{{9, 0, -1}}},
	} {
		var got []page
		for p, err := range c.Pages(ctxOf(t), tt.opts) {
			require.NoError(t, err)
			got = append(got, page{p.Offset, len(p.Items), p.Total})
		}
		assert.Equal(t, tt.want, got)
	}
}

func TestListTotal(t *testing.T) {
	t.Parallel()
	c := clientOf(t, sandbox(t, customizerstest.WithSeed(3)))
	p, err := c.List(ctxOf(t), customizers.ListOptions{Limit: 2})
	require.NoError(t, err)
	assert.Equal(t, -1, p.Total, "not asked for")
	p, err = c.List(ctxOf(t), customizers.ListOptions{Limit: 2, Offset: 2, Count: true})
	require.NoError(t, err)
	assert.Equal(t, 3, p.Total)
	assert.Equal(t, 2, p.Offset)
	assert.Len(t, p.Items, 1)
}

// past answers 400 to offsets past the last of n records, as some collections do, and
// to all offsets from broken on.
func past(t *testing.T, n, broken int) *customizers.Client {
	return answering(t, func(w http.ResponseWriter, r *http.Request) {
		var offset, limit int
		_, _ = fmt.Sscan(r.FormValue("offset"), &offset)
		_, _ = fmt.Sscan(r.FormValue("limit"), &limit)
		w.Header().Set("Content-Type", "application/json")
		if offset >= n || offset >= broken {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, `{"detailCode":"400.1","trackingId":"t1","messages":[{"text":"Specified offset is invalid."}]}`)
			return
		}
		_, _ = fmt.Fprint(w, "[")
		for i := offset; i < min(n, offset+limit); i++ {
			if i > offset {
				_, _ = fmt.Fprint(w, ",")
			}
			_, _ = fmt.Fprintf(w, `{"id":"%d"}`, i)
		}
		_, _ = fmt.Fprint(w, "]")
	})
}

func TestAllEndsAt400PastTheEnd(t *testing.T) {
	t.Parallel()
	n := 0
	for c, err := range past(t, 500, 1000).All(ctxOf(t), customizers.ListOptions{}) {
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint(n), c.ID)
		n++
	}
	assert.Equal(t, 500, n)
}

// A service that refuses offsets from some number on must not pass for the end.
func TestAllDoesNotTakeEvery400ForTheEnd(t *testing.T) {
	t.Parallel()
	n, failures := 0, 0
	for _, err := range past(t, 1000, 500).All(ctxOf(t), customizers.ListOptions{}) {
		if err != nil {
			failures++
			require.ErrorIs(t, err, customizers.ErrBadRequest)
			assert.ErrorContains(t, err, "Specified offset is invalid.")
			continue
		}
		n++
	}
	assert.Equal(t, 749, n, "up to the last offset that is not refused")
	assert.Equal(t, 1, failures)
}

func TestAllReportsA400ForItsFirstRequest(t *testing.T) {
	t.Parallel()
	var failed error
	for _, err := range past(t, 3, 1000).All(ctxOf(t), customizers.ListOptions{Offset: 5}) {
		failed = err
	}
	require.ErrorIs(t, failed, customizers.ErrBadRequest)
}

func TestAllYieldsAnErrorOnceAfterTheRecordsBefore(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(600))
	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Skip: 1, Status: http.StatusForbidden, Body: `{"detailCode":"403 Forbidden"}`})
	n, failures := 0, 0
	for c, err := range clientOf(t, srv).All(ctxOf(t), customizers.ListOptions{}) {
		if err != nil {
			failures++
			require.ErrorIs(t, err, customizers.ErrForbidden)
			assert.Zero(t, c)
			assert.Equal(t, 250, n)
			continue
		}
		n++
	}
	assert.Equal(t, 250, n)
	assert.Equal(t, 1, failures)
	assert.Equal(t, 2, sent(srv, customizerstest.List))
}

func TestAllStopsWhenTheLoopBreaks(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(600))
	n := 0
	for _, err := range clientOf(t, srv).All(ctxOf(t), customizers.ListOptions{}) {
		require.NoError(t, err)
		if n++; n == 250 {
			break
		}
	}
	assert.Equal(t, 1, sent(srv, customizerstest.List))
}

func TestAllRunsAnewEachTime(t *testing.T) {
	t.Parallel()
	c := clientOf(t, sandbox(t, customizerstest.WithSeed(5)))
	all := c.All(ctxOf(t), customizers.ListOptions{Limit: 2})
	for range 2 {
		n := 0
		for _, err := range all {
			require.NoError(t, err)
			n++
		}
		assert.Equal(t, 5, n)
	}
}

func TestListOptionsAreCheckedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	c := clientOf(t, srv)
	for _, opts := range []customizers.ListOptions{{Offset: -1}, {Limit: -1}, {Limit: 251}, {Offset: 1 << 31}} {
		_, err := c.List(ctxOf(t), opts)
		require.ErrorIs(t, err, customizers.ErrInvalidArgument, "%+v", opts)
		for seq := range 2 {
			var errs []error
			if seq == 0 {
				for _, err := range c.All(ctxOf(t), opts) {
					errs = append(errs, err)
				}
			} else {
				for p, err := range c.Pages(ctxOf(t), opts) {
					assert.Nil(t, p)
					errs = append(errs, err)
				}
			}
			require.Len(t, errs, 1)
			require.ErrorIs(t, errors.Join(errs...), customizers.ErrInvalidArgument)
		}
	}
	assert.Empty(t, srv.Requests())
}
