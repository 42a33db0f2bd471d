package interop_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// The contract has no finding of the linters that API teams use.
func TestLint(t *testing.T) {
	t.Parallel()
	env := []string{"REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true"}
	runNode(t, env, "@redocly/cli/bin/cli.js", "lint", "--extends=recommended-strict", "../../openapi.yaml")
	runNode(t, nil, "@stoplight/spectral-cli/dist/index.js", "lint", "--fail-severity=hint", "--ruleset=spectral.yaml", "../../openapi.yaml")
}

// The contract needs no configuration of the generator: the default client compiles.
func TestPlainGoClient(t *testing.T) {
	t.Parallel()
	require.NoError(t, os.MkdirAll("build/plain", 0o750))
	for _, args := range [][]string{
		{"tool", "-modfile=../tools/codegen/go.mod", "oapi-codegen", "-generate=types,client", "-package=plain", "-o=build/plain/client.gen.go", "../../openapi.yaml"},
		{"vet", "./build/plain"},
	} {
		out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}
