// Package tools_test tests the generation of code from openapi.yaml, and of docs/command.md.
package tools_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	apiFile    = "api/api.gen.go"
	serverFile = "customizerstest/internal/server/server.gen.go"
	strayFile  = "api/stray.gen.go"
	pageFile   = "docs/command.md"
)

func TestDrift(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	output, err := c.run("internal/tools/drift.sh")
	require.NoError(t, err, output)
}

func TestDriftOfGeneratedFiles(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.replace(apiFile, "\npackage api\n", "\npackage api // edited\n")
	require.NoError(t, os.Remove(filepath.Join(c.dir, serverFile)))
	c.write(strayFile, "package api\n")
	c.replace(pageFile, "# The command\n", "# The program\n")

	output, err := c.run("internal/tools/drift.sh")
	require.Error(t, err)
	assert.Regexp(t, `(?m)^< .*/`+apiFile, output)
	assert.Regexp(t, `(?m)^> .*/`+apiFile, output)
	assert.Regexp(t, `(?m)^> .*/`+serverFile, output)
	assert.Regexp(t, `(?m)^< .*/`+strayFile, output)
	assert.Regexp(t, `(?m)^> .*/`+pageFile, output)
	assert.NotContains(t, output, "types.gen.go")
	assert.Contains(t, output, "make generate")
	assert.Contains(t, c.read(apiFile), "// edited", "drift.sh changes no file")
}

func TestDriftOfContract(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.replace("openapi.yaml", "description: Name of the customizer.", "description: What people call the customizer.")
	output, err := c.run("internal/tools/drift.sh")
	require.Error(t, err)
	assert.Contains(t, output, apiFile)
	assert.Contains(t, output, serverFile)
}

// A contract that can't be read is an error.
func TestDriftOfBrokenContract(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.write("openapi.yaml", "openapi: [")
	output, err := c.run("internal/tools/drift.sh")
	require.Error(t, err, output)
}

// The types, the client, the sandbox and the command support a new property without a manual
// change.
func TestNewProperty(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	const name = "          description: Name of the customizer.\n          example: hr-feed-customizer\n          x-order: 2\n"
	c.replace("openapi.yaml", name, name+"        description: {type: string}\n        reviewed: {type: string, format: date-time}\n")
	c.generate()
	c.write("cmd/added/main.go", useProperty)
	output, err := c.run("go", "run", "./cmd/added")
	require.NoError(t, err, output)
	decoder := json.NewDecoder(strings.NewReader(output))
	for _, source := range []string{"get", "update", "list", "command"} {
		var customizer map[string]any
		require.NoError(t, decoder.Decode(&customizer), output)
		assert.Equal(t, "Maps cost centres.", customizer["description"], source)
		assert.Equal(t, "2009-11-10T23:00:00Z", customizer["reviewed"], source)
	}
}

const useProperty = `package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func main() {
	seed := customizers.Customizer{Name: "hr-feed", Description: "Maps cost centres."}
	_ = json.Unmarshal([]byte("\"2009-11-10T23:00:00Z\""), &seed.Reviewed)
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(seed))
	defer srv.Close()
	ctx, client, id := context.Background(), srv.Client(), srv.Customizers()[0].ID
	got, err := client.Get(ctx, id)
	write(got, err)
	updated, err := client.Update(ctx, id, customizers.UpdateRequest{Name: "hr-feed-2"})
	write(updated, err)
	page, err := client.List(ctx, customizers.ListOptions{})
	write(page.Items[0], err)
	get := exec.Command("go", "run", "./cmd/customizers", "get", id, "-o", "json")
	get.Env = append(os.Environ(), "SAIL_BASE_URL="+srv.URL, "SAIL_CLIENT_ID="+srv.ClientID, "SAIL_CLIENT_SECRET="+srv.ClientSecret)
	out, err := get.Output()
	write(json.RawMessage(out), err)
}

func write(v any, err error) {
	if err != nil {
		panic(err)
	}
	_ = json.NewEncoder(os.Stdout).Encode(v)
}
`

// After a new operation, the sandbox does not compile until it implements the operation.
func TestNewOperation(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.replace("openapi.yaml", "\npaths:\n", `
paths:
  /connector-customizers/{id}/logs:
    get:
      operationId: getConnectorCustomizerLogs
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {'204': {description: Nothing.}}
`)
	c.generate()
	output, err := c.run("go", "build", "./api", "./customizerstest/internal/server")
	require.NoError(t, err, output)
	output, err = c.run("go", "build", "./customizerstest")
	require.Error(t, err)
	assert.Contains(t, output, "missing method GetConnectorCustomizerLogs")
}

// A checkout is a copy of the work tree.
type checkout struct {
	t   *testing.T
	dir string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	if testing.Short() {
		t.Skip("generates code")
	}
	c := &checkout{t, t.TempDir()}
	top, err := filepath.Abs("../..")
	require.NoError(t, err)
	output, err := c.run("sh", "-c", "tar -C '"+top+"' -cf - --exclude .git --exclude node_modules . | tar -xf -")
	require.NoError(t, err, output)
	return c
}

// run runs a command in the checkout and returns its combined output.
func (c *checkout) run(name string, args ...string) (output string, err error) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), name, args...)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *checkout) generate() {
	c.t.Helper()
	output, err := c.run("go", "generate", "./...")
	require.NoError(c.t, err, output)
}

func (c *checkout) read(name string) string {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, name))
	require.NoError(c.t, err)
	return string(data)
}

func (c *checkout) write(name, content string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	require.NoError(c.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(c.t, os.WriteFile(path, []byte(content), 0o600))
}

func (c *checkout) replace(name, old, replacement string) {
	c.t.Helper()
	content := c.read(name)
	require.Contains(c.t, content, old)
	c.write(name, strings.ReplaceAll(content, old, replacement))
}
