package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// hostile has names that a shell expands, splits or quotes, that look like others, or that
// are flags.
var hostile = []string{
	"$(touch /tmp/x)a", "`touch /tmp/x`a", "a$(id)", "a${HOME}", "a$HOME", "a;touch /tmp/x", "a|b", "a&b", "(touch /tmp/x)", "a(id)b",
	`a"b`, "a'b", "a\\b", "a b", " a", "a ", "a\tb", "a\nb", "a\r", "a!b", "!!", "~", "~root", "a*", "a?", "a[b]", "{a,b}", "a<b", "a>b",
	"#a", "a#b", "=ls", "a=b", "%a", "%self", "@a", "a,b", "a^b", "-a", "--yes", ":4", "a:b", "_activeHelp_ a", ".", "..", "", "\x1b[31ma", "\u009ba",
	"hr\u00a0feed", "hr\u3164feed", "hr\u200cfeed", "hr\u202efeed", "\ufeffhr", "Zu\u0308rich", "a\u2018b", "a\u201cb", "\u2013a", "a\xffb",
}

// complete returns the words that are offered for the last argument, without descriptions.
func complete(t *testing.T, args ...string) (words []string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitOK, run(t.Context(), append([]string{"__complete"}, args...), nil, &stdout, &stderr), stderr.String())
	// Scripts evaluate descriptions too.
	assert.Regexp(t, `^([\p{L}\p{Nd}\x{fffd} _./+\t\n-])*:[0-9]+\n$`, stdout.String())
	for line := range strings.Lines(stdout.String()) {
		if word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); !strings.HasPrefix(word, ":") {
			words = append(words, word)
		}
	}
	return words
}

// A name that is not a plain word completes to its ID, and a hostile ID to nothing.
func TestCompleteHostileNames(t *testing.T) {
	plain := []string{"hr-feed", "HR_feed.2", "Z\u00fcrich-feed", "team/hr+test", "\u6771\u4eac", "1-hr"}
	var all []customizers.Customizer
	var linked []customizerstest.Instance
	var want []string
	add := func(id, name string) {
		all = append(all, customizers.Customizer{ID: id, Name: name})
		linked = append(linked, customizerstest.Instance{ID: id, Name: name})
	}
	for i, name := range plain {
		add(fmt.Sprintf("p-%d", i), name)
		want = append(want, name)
	}
	for i, name := range hostile {
		add(fmt.Sprintf("id-%d", i), name)
		want = append(want, fmt.Sprintf("id-%d", i))
	}
	add("$(touch x)", "hostile-id") // a list with a slash or a control character in an ID is an error
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(all...), customizerstest.WithInstances(linked...))
	t.Cleanup(srv.Close)
	setEnvironment(t, srv)

	assert.Equal(t, want, complete(t, "get", ""))
	assert.Equal(t, want, complete(t, "unlink", ""))
	assert.Equal(t, want, complete(t, "deploy", "--link", ""))
	assert.Equal(t, want, complete(t, "deploy", "hr-feed", "dist", "--link", ""))
	assert.Equal(t, []string{"id-0"}, complete(t, "get", "$(touch"), "the ID replaces the beginning of its name")
	assert.Equal(t, []string{"hr-feed"}, complete(t, "get", "hr-"))
	assert.NotContains(t, complete(t, "delete", "hr-feed", ""), "hr-feed")
	assert.NotContains(t, complete(t, "link", "HR_feed.2", "hr-feed", ""), "hr-feed")
}

// Environments of the YAML file are offered if their names are plain words.
func TestCompleteEnvironments(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	require.NoError(t, os.Mkdir(filepath.Join(home, ".sailpoint"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".sailpoint", "config.yaml"), []byte(
		"environments:\n  live: {}\n  \"$(touch /tmp/x)\": {}\n  \"a b\": {}\n  -q: {}\n"), 0o600))
	assert.Equal(t, []string{"live"}, complete(t, "list", "--env", ""))
}
