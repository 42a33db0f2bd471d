package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func TestFindAll(t *testing.T) {
	t.Parallel()
	const a, b, c = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
	for name, tt := range map[string]struct {
		args        []string
		want        []string // IDs
		says        string   // error
		lists, gets int
	}{
		"an ID":                        {[]string{a}, []string{a}, "", 0, 1},
		"a name":                       {[]string{"two"}, []string{b}, "", 1, 0},
		"IDs and names":                {[]string{"two", a}, []string{b, a}, "", 1, 0},
		"an ID in capitals":            {[]string{strings.ToUpper(a), "two"}, []string{a, b}, "", 1, 0},
		"a duplicate":                  {[]string{"one", a, "one"}, []string{a}, "", 1, 0},
		"an ID wins over a name":       {[]string{"three", "one"}, []string{"three", a}, "", 1, 0},
		"a name that looks like an ID": {[]string{c}, []string{"other-b"}, "", 1, 1},
		"an ambiguous name":            {[]string{a, "twin"}, nil, `ambiguous name "twin": other-c, other-d`, 1, 0},
		"one ambiguous name":           {[]string{"twin"}, nil, `ambiguous name "twin": other-c, other-d`, 1, 0},
		"no such name":                 {[]string{"one", "no-such"}, nil, `not found: no customizer has the ID or name "no-such"`, 1, 0},
		"no such ID":                   {[]string{strings.Replace(a, "a", "d", 1)}, nil, `not found: no customizer has the ID or name "daaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"`, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := customizerstest.NewServer(customizerstest.WithCustomizers([]customizers.Customizer{
				{ID: a, Name: "one"}, {ID: b, Name: "two"}, {ID: "other-a", Name: "three"}, {ID: "other-b", Name: c},
				{ID: "other-c", Name: "twin"}, {ID: "other-d", Name: "twin"}, {ID: "three", Name: "four"},
			}...))
			t.Cleanup(srv.Close)
			found, err := findAll(t.Context(), srv.Client(), tt.args)
			var ids []string
			for _, c := range found {
				ids = append(ids, c.ID)
			}
			assert.Equal(t, tt.want, ids)
			if tt.says == "" {
				require.NoError(t, err)
			} else {
				assert.Equal(t, tt.says, strings.TrimPrefix(err.Error(), "customizers: "))
			}
			assert.Len(t, srv.Requests(customizerstest.List), tt.lists)
			assert.Len(t, srv.Requests(customizerstest.Get), tt.gets)
		})
	}
}
