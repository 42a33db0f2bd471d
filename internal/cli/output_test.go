package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// Readers of YAML 1.1 and 1.2 both read a name as the string that it is.
func TestYAMLNames(t *testing.T) {
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	inEnvironment(t, srv)
	for name, want := range map[string]string{
		"yes": `"yes"`, "No": `"No"`, "on": `"on"`, "y": `"y"`, "true": `"true"`, "null": `"null"`, "~": `"~"`, "=": `"="`,
		"1": `"1"`, "1e3": `"1e3"`, "0o7": `"0o7"`, "0777": `"0777"`, "0x1F": `"0x1F"`, "1_000": `"1_000"`, "1:20": `"1:20"`, ".inf": `".inf"`,
		"2021-05-11": `"2021-05-11"`, "a: b": `'a: b'`, "# a": `'# a'`, "- a": `'- a'`, "hr-feed": "hr-feed", "hr feed 2": "hr feed 2",
	} {
		c, err := srv.Client().Create(t.Context(), customizers.CreateRequest{Name: name})
		require.NoError(t, err)
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), []string{"get", c.ID, "-o", "yaml"}, nil, &stdout, &stderr), stderr.String())
		assert.Contains(t, stdout.String(), "\nname: "+want+"\n")
	}
}

// The completion of a name that can't be typed is its ID.
func TestCompletionOfInvisibleNames(t *testing.T) {
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(
		customizers.Customizer{ID: "id-1", Name: "hr-feed"}, customizers.Customizer{ID: "id-2", Name: "hr\u200cfeed"},
	))
	t.Cleanup(srv.Close)
	inEnvironment(t, srv)
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitOK, run(t.Context(), []string{"__complete", "get", "hr"}, nil, &stdout, &stderr), stderr.String())
	assert.Contains(t, stdout.String(), "hr-feed\tid-1\nid-2\thr\ufffdfeed\n")
}
