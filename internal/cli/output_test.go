package cli

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// YAML 1.1 and 1.2 both read a name as a string.
func TestYAMLNames(t *testing.T) {
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	setEnvironment(t, srv)
	for _, name := range []string{
		"yes", "No", "on", "y", "true", "null", "~", "=", "1", "1e3", "0o7", "0777", "0x1F", "1_000", "1:20", ".inf",
		"2021-05-11", "2026-02-30", "2001-12-14 21:59:43.10 -5", "0x_", "a: b", "# a", "- a", "hr-feed", "hr feed 2",
	} {
		c, err := srv.Client().Create(t.Context(), customizers.CreateRequest{Name: name})
		require.NoError(t, err)
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), []string{"get", c.ID, "-o", "yaml"}, nil, &stdout, &stderr), stderr.String())
		assert.Contains(t, stdout.String(), "\nname: "+strconv.Quote(name)+"\n")
	}
}

// JSON leaves characters unescaped that YAML refuses or folds.
func TestYAMLControlCharacters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a\x7fb", "a\u0085b", "a\u009fb", "a\ufeffb", "a\uffffb", "a\r\nb", "a\nb", "a\u2028b", `a\u007fb`} {
		var out bytes.Buffer
		a := &app{out: &out, console: newConsole(io.Discard), output: output{format: formatYAML}}
		require.NoError(t, one(a, customizerView, customizers.Customizer{Name: name}), "%q", name)
		var got struct{ Name string }
		require.NoError(t, yaml.Unmarshal(out.Bytes(), &got), "%q: %s", name, out.String())
		assert.Equal(t, name, got.Name)
	}
}

// Some tenants accept a new name and keep the old one.
func TestUpdateWithoutEffect(t *testing.T) {
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	setEnvironment(t, srv)
	id := srv.Add("hr-feed")[0].ID
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Update, Status: http.StatusOK, Body: `{"id":"` + id + `","name":"hr-feed"}`})
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitFailure, run(t.Context(), []string{"update", id, "--name", "new"}, nil, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "hr-feed")
	assert.Empty(t, stdout.String())
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
