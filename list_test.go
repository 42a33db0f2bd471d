package customizers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func TestAllNumberOfRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		records        int
		opts           customizers.ListOptions
		want, requests int
	}{
		{0, customizers.ListOptions{}, 0, 1},
		{1, customizers.ListOptions{}, 1, 1},
		{249, customizers.ListOptions{}, 249, 1},
		{250, customizers.ListOptions{}, 250, 2}, // more may follow a full page
		{250, customizers.ListOptions{Count: true}, 250, 1},
		{0, customizers.ListOptions{Count: true}, 0, 1},
		{499, customizers.ListOptions{}, 499, 3}, // 250 and 249, because pages overlap by one record
		{500, customizers.ListOptions{Count: true}, 500, 3},
		{7, customizers.ListOptions{Limit: 3}, 7, 3},
		{7, customizers.ListOptions{Limit: 3, Count: true}, 7, 3},
		{7, customizers.ListOptions{Limit: 3, Offset: 5}, 2, 1},
		{7, customizers.ListOptions{Offset: 7}, 0, 1},
		{7, customizers.ListOptions{Offset: 70, Count: true}, 0, 1},
		{10_000, customizers.ListOptions{}, 10_000, 41},
	} {
		t.Run(fmt.Sprintf("%d %+v", tt.records, tt.opts), func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, customizerstest.WithCustomizerCount(tt.records))
			seen := map[string]bool{}
			for c, err := range checkedClient(t, srv).All(testContext(t), tt.opts) {
				require.NoError(t, err)
				seen[c.ID] = true
			}
			assert.Len(t, seen, tt.want)
			assert.Len(t, srv.Requests(customizerstest.List), tt.requests)
			for i, r := range srv.Requests(customizerstest.List) {
				assert.Equal(t, tt.opts.Count && i == 0, strings.Contains(r.Query, "count=true"), "only the first request asks for the count")
			}
		})
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	type page struct{ offset, items, total int }
	c := checkedClient(t, newServer(t, customizerstest.WithCustomizerCount(7)))
	for _, tt := range []struct {
		opts customizers.ListOptions
		want []page
	}{
		{customizers.ListOptions{Limit: 3}, []page{{0, 3, -1}, {3, 3, -1}, {6, 1, -1}}},
		{customizers.ListOptions{Limit: 3, Count: true}, []page{{0, 3, 7}, {3, 3, 7}, {6, 1, 7}}},
		{customizers.ListOptions{Offset: 9}, []page{{9, 0, -1}}},
	} {
		pages := c.Pages(testContext(t), tt.opts)
		for range 2 { // each loop starts at the beginning
			var got []page
			for p, err := range pages {
				require.NoError(t, err)
				got = append(got, page{p.Offset, len(p.Items), p.Total})
			}
			assert.Equal(t, tt.want, got)
		}
	}
}

// Some collections respond with 400 to an offset past the end. Any other 400 is an error.
func TestOffsetPastTheEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ records, refused, offset, want, errs int }{
		{records: 500, refused: 500, want: 500},
		{records: 1000, refused: 500, want: 749, errs: 1}, // the last accepted offset is 499
		{records: 3, refused: 3, offset: 5, errs: 1},
	} {
		c := clientOver(t, roundTripper(func(req *http.Request) (*http.Response, error) {
			offset := 0
			_, _ = fmt.Sscan(req.URL.Query().Get("offset"), &offset)
			if offset >= tt.refused {
				return respond(400, `{"messages":[{"text":"Specified offset is invalid."}]}`)(req)
			}
			return respond(200, recordsOf(req, tt.records))(req)
		}))
		n, errs := 0, 0
		for _, err := range c.All(t.Context(), customizers.ListOptions{Offset: tt.offset}) {
			if err != nil {
				errs++
				require.ErrorIs(t, err, customizers.ErrBadRequest)
				continue
			}
			n++
		}
		assert.Equal(t, tt.want, n)
		assert.Equal(t, tt.errs, errs)
	}
}

func TestPagesStopsAtBreak(t *testing.T) {
	t.Parallel()
	srv := newServer(t, customizerstest.WithCustomizerCount(600))
	c := checkedClient(t, srv)
	n := 0
	for _, err := range c.All(testContext(t), customizers.ListOptions{}) {
		require.NoError(t, err)
		if n++; n == 250 {
			break
		}
	}
	for _, err := range c.Pages(testContext(t), customizers.ListOptions{}) {
		require.NoError(t, err)
		break
	}
	assert.Len(t, srv.Requests(customizerstest.List), 2)
}

func TestPagesInvalidArgument(t *testing.T) {
	t.Parallel()
	c := clientOver(t, newScript(respond(200, "[]")))
	errs := 0
	for p, err := range c.Pages(t.Context(), customizers.ListOptions{Limit: 251}) {
		assert.Nil(t, p)
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		errs++
	}
	for item, err := range c.All(t.Context(), customizers.ListOptions{Offset: -1}) {
		assert.Zero(t, item)
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		errs++
	}
	assert.Equal(t, 2, errs)
}

func TestGetByName(t *testing.T) {
	t.Parallel()
	srv := newServer(t, customizerstest.WithCustomizerCount(300), customizerstest.WithCustomizers(
		customizers.Customizer{ID: "1", Name: "one"}, customizers.Customizer{ID: "2", Name: "two"}, customizers.Customizer{ID: "3", Name: "two"},
	))
	c := checkedClient(t, srv)
	got, err := c.GetByName(testContext(t), "one")
	require.NoError(t, err)
	assert.Equal(t, "1", got.ID)

	for _, name := range []string{"none", "One", "one "} {
		_, err = c.GetByName(testContext(t), name)
		require.ErrorIs(t, err, customizers.ErrNotFound, name)
		require.ErrorContains(t, err, name)
	}
	_, err = c.GetByName(testContext(t), "two")
	require.ErrorIs(t, err, customizers.ErrAmbiguous)
	var ambiguous *customizers.AmbiguousError
	require.ErrorAs(t, err, &ambiguous)
	assert.Len(t, ambiguous.Customizers, 2)
	require.ErrorContains(t, err, "2, 3")

	_, err = c.GetByName(testContext(t), " ")
	require.ErrorIs(t, err, customizers.ErrInvalidArgument)

	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Skip: 1, Status: 403})
	_, err = c.GetByName(testContext(t), "one")
	requireFailure(t, err, customizers.ErrForbidden)
}
