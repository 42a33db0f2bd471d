package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// YAML reads a name as a string, and so do the parsers of YAML 1.1.
func TestYAMLNames(t *testing.T) {
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	setEnvironment(t, srv)
	for _, name := range []string{
		"yes", "No", "on", "y", "true", "null", "~", "1", "1e3", "0o7", "0777", "0x1F", "1_000", "1:20", ".inf", "2021-05-11", "a: b", "# a", "- a",
	} {
		c, err := srv.Client().Create(t.Context(), customizers.CreateRequest{Name: name})
		require.NoError(t, err)
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), []string{"get", c.ID, "-o", "yaml"}, nil, &stdout, &stderr), stderr.String())
		assert.Regexp(t, `\nname: ["']`+regexp.QuoteMeta(name)+`["']\n`, stdout.String())
	}
}

// Output for programs keeps every character of a name, and contains none that controls a
// terminal. A table replaces them. IDs don't end early.
func TestOutputControlCharacters(t *testing.T) {
	t.Parallel()
	control := regexp.MustCompile(`[^\n\t\P{Cc}]|\p{Cf}`)
	const family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
	decode := map[string]func([]byte, any) error{formatJSON: json.Unmarshal, formatJSONL: json.Unmarshal, formatYAML: yaml.Unmarshal}
	for _, name := range []string{
		"a\x1b[31mb", "a\x7fb", "a\u0085b", "a\u009b31mb", "a\u202eb", "a\u061cb", "a\u200fb", "a\u2066b", "a\ufeffb", "a\ufffeb", "a\uffffb", "a\r\nb", "a\nb",
		"a\tb", "a\u2028b", `a\u007fb`, `a\\nb`, "<a> & b", "hr-feed", "-", family,
	} {
		for _, format := range formats {
			var out bytes.Buffer
			a := &app{out: &out, console: newConsole(io.Discard), output: output{format: format}}
			p := newPrinter(a, customizerView, true)
			p.print(customizers.Customizer{ID: name, Name: name})
			p.print(customizers.Customizer{ID: "second", Name: name})
			require.NoError(t, p.end(), "%q", name)
			assert.NotRegexp(t, control, strings.ReplaceAll(out.String(), "\u200d", ""), "%s %q", format, name)
			if decode[format] == nil {
				assert.LessOrEqual(t, strings.Count(out.String(), "\n"), 3, "%s %q", format, name)
				assert.Equal(t, name == family, strings.Contains(out.String(), family), format)
				continue
			}
			out.Reset()
			require.NoError(t, one(a, customizerView, customizers.Customizer{Name: name}))
			var got struct{ Name string }
			require.NoError(t, decode[format](out.Bytes(), &got), "%s %q: %s", format, name, out.String())
			assert.Equal(t, name, got.Name)
		}
	}
}

// A value that has no JSON form, such as a time after the year 9999, is an error.
func TestPrintError(t *testing.T) {
	t.Parallel()
	c := customizers.Customizer{Name: "hr-feed", Created: customizers.Timestamp{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}
	for _, format := range []string{formatJSON, formatJSONL, formatYAML} {
		a := &app{out: io.Discard, console: newConsole(io.Discard), output: output{format: format}}
		assert.ErrorContains(t, one(a, customizerView, c), "year outside of range", format)
		p := newPrinter(a, customizerView, true)
		p.print(c)
		p.print(customizers.Customizer{})
		assert.ErrorContains(t, p.end(), "year outside of range", format)
	}
}
