package customizers_test

import (
	"fmt"
	"net/http"
	"runtime"
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
		{7, customizers.ListOptions{Limit: 3, Offset: 5}, 2, 2}, // three with the one before the offset, as many as a full page
		{7, customizers.ListOptions{Offset: 7}, 0, 1},
		{7, customizers.ListOptions{Offset: 70, Count: true}, 0, 1},
		{10_000, customizers.ListOptions{}, 10_000, 41},
	} {
		t.Run(fmt.Sprintf("%d %+v", tt.records, tt.opts), func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, customizerstest.WithCustomizerCount(tt.records))
			seen := map[string]bool{}
			for c, err := range quickClient(t, srv).All(testContext(t), tt.opts) {
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
	c := quickClient(t, newServer(t, customizerstest.WithCustomizerCount(7)))
	pages := c.Pages(testContext(t), customizers.ListOptions{Limit: 3, Count: true})
	for range 2 { // each loop starts at the beginning
		var got [][3]int // offset, items and total
		for p, err := range pages {
			require.NoError(t, err)
			got = append(got, [3]int{p.Offset, len(p.Items), p.Total})
		}
		assert.Equal(t, [][3]int{{0, 3, 7}, {3, 3, 7}, {6, 1, 7}}, got)
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
	c := quickClient(t, srv)
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

// The body of a page may be large, and its elements many or odd, without much memory.
func TestListBody(t *testing.T) {
	t.Parallel()
	large := strings.Repeat(" ", 300<<10) // above the size that is decoded at once
	for name, tt := range map[string]struct{ body, want string }{
		"null":                {"null", "null instead of a list"},
		"object":              {`{"id":"1"}`, "it is a JSON object"},
		"no id":               {`[{"id":"1"},{"name":"n"}]`, "customizer 1: the ID is empty"},
		"null element":        {`[null]`, "customizer 0: the ID is empty"},
		"line break in an id": {`[{"id":"1"},{"id":"2\n3"}]`, `customizer 1: the ID "2\n3" has white space or control characters`},
		"control character":   {`[{"id":"\u009b2J"}]`, `customizer 0: the ID "\u009b2J" has white space or control characters`},
		"slash in an id":      {`[{"id":"../x"}]`, `customizer 0: the ID "../x" has a slash`},
		"number for a name":   {`[{"id":"1","name":5}]`, "name is a JSON number"},
		"long id":             {`[{"id":"` + strings.Repeat("x ", 1<<20) + `"}]`, "customizer 0: the ID"},
	} {
		for size, body := range map[string]string{"small": tt.body, "large": large + tt.body} {
			_, err := clientOver(t, respond(200, body)).List(t.Context(), customizers.ListOptions{})
			require.Error(t, err, name)
			if name == "null" || name == "object" && size == "large" {
				require.Regexp(t, "null instead of a list|it is not a list", err.Error())
				continue
			}
			require.ErrorContains(t, err, tt.want, "%s, %s", name, size)
			assert.Less(t, len(err.Error()), 2000, name)
		}
	}
	for name, tt := range map[string]struct{ body, want string }{
		"no end":     {large + `[{"id":"1"},`, "unexpected"},
		"text after": {large + `[{"id":"1"}] x`, "invalid character"},
		"two lists":  {large + `[{"id":"1"}] []`, "text after the list"},
		"too many":   {"[" + strings.Repeat(`{"id":"1","name":"a name of some length"},`, 10_000) + `{"id":"1"}]`, "more than 10000 customizers on a page"},
	} {
		_, err := clientOver(t, respond(200, tt.body)).List(t.Context(), customizers.ListOptions{})
		require.ErrorContains(t, err, tt.want, name)
	}
	p, err := clientOver(t, respond(200, large+`[{"id":"1"},{"id":"2"}] `)).List(t.Context(), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, p.Items, 2)
}

func TestListMemory(t *testing.T) { // not parallel: it counts allocations
	for name, element := range map[string]string{"empty objects": "{},", "numbers": "1,", "null": "null,", "short ids": `{"id":"1"},`} {
		body := "[" + strings.Repeat(element, 15<<20/len(element))
		body = strings.TrimSuffix(body, ",") + "]"
		c := clientOver(t, respond(200, body))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.List(t.Context(), customizers.ListOptions{})
		runtime.ReadMemStats(&after)
		require.Error(t, err, name)
		assert.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(64), "MiB for a body of 15 MiB of %s", name)
	}
}

func TestGetByName(t *testing.T) {
	t.Parallel()
	srv := newServer(t, customizerstest.WithCustomizerCount(300), customizerstest.WithCustomizers(
		customizers.Customizer{ID: "1", Name: "one"}, customizers.Customizer{ID: "2", Name: "two"}, customizers.Customizer{ID: "3", Name: "two"},
	))
	c := quickClient(t, srv)
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

	large := clientOver(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		q := req.URL.Query()
		q.Set("limit", "500") // whatever was asked for
		req = req.Clone(req.Context())
		req.URL.RawQuery = q.Encode()
		return respond(200, recordsOf(req, 600))(req)
	}))
	_, err = large.GetByName(t.Context(), "customizer-599")
	require.NoError(t, err, "on the second page, though the first is longer than the limit")

	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Skip: 1, Status: 403})
	_, err = c.GetByName(testContext(t), "one")
	requireFailure(t, err, customizers.ErrForbidden)
}
