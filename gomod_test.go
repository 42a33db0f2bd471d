package customizers_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A module that imports the SDK gets at most 30 modules, its own and the SDK's included, and no
// web framework. The dependencies of the command, tests and tools are not among them. README.md
// states the number.
func TestModuleGraphOfUsers(t *testing.T) {
	t.Parallel()
	sdk, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module example.com/consumer\n\ngo 1.26.0\n\nrequire github.com/connector-customizers/customizers v0.0.0\n\n" +
			"replace github.com/connector-customizers/customizers => " + sdk + "\n",
		"main.go": "package main\n\nimport _ \"github.com/connector-customizers/customizers\"\n\nfunc main() {}\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, stderr.String())
		return string(out)
	}
	run("list", "-deps", ".") // adds the requirements
	modules := run("list", "-m", "all")
	assert.LessOrEqual(t, strings.Count(modules, "\n"), 30, modules)
	assert.NotRegexp(t, `/(gin|iris|echo|fiber|chi|mux|sonic|kin-openapi)\b`, modules)
}
