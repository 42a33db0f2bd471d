package cli

import (
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/assert"
)

func TestRenderTable(t *testing.T) {
	t.Parallel()
	rows := [][]string{{"ID", "NAME", "CREATED"}, {"id-1", "a long name", "just now"}, {"id-2", "東京", "-"}}
	for name, tt := range map[string]struct {
		fits  []fit
		width int
		want  []string
	}{
		"wide":       {[]fit{whole, cut, drop}, 80, []string{"ID    NAME         CREATED", "id-1  a long name  just now", "id-2  東京         -"}},
		"exact":      {[]fit{whole, cut, drop}, 27, []string{"ID    NAME         CREATED", "id-1  a long name  just now", "id-2  東京         -"}},
		"cut":        {[]fit{whole, cut, drop}, 26, []string{"ID    NAME        CREATED", "id-1  a long na…  just now", "id-2  東京        -"}},
		"dropped":    {[]fit{whole, cut, drop}, 23, []string{"ID    NAME", "id-1  a long name", "id-2  東京"}},
		"both":       {[]fit{whole, cut, drop}, 12, []string{"ID    NAME", "id-1  a lon…", "id-2  東京"}},
		"too narrow": {[]fit{whole, cut, drop}, 1, []string{"ID    NA…", "id-1  a …", "id-2  東…"}},
		"wraps":      {[]fit{whole, wrap, whole}, 22, []string{"ID    NAME    CREATED", "id-1  a long  just now", "      name", "id-2  東京    -"}},
		"fixed":      {[]fit{whole, whole, whole}, 10, []string{"ID    NAME         CREATED", "id-1  a long name  just now", "id-2  東京         -"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, strings.Split(strings.TrimSuffix(renderTable(rows, tt.fits, tt.width), "\n"), "\n"))
		})
	}
}

// Colors take no width.
func TestRenderTableColors(t *testing.T) {
	t.Parallel()
	red := text.Colors{text.FgRed}.Sprint("FAILED")
	assert.Equal(t, red+"  a\nok      b\n", renderTable([][]string{{red, "a"}, {"ok", "b"}}, []fit{whole, cut}, 9))
}
