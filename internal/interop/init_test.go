package interop_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/instances"
)

// A new project installs, passes its tests, builds, and is deployed. What was built
// customizes a connector of SailPoint's SDK.
func TestInit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := customizerstest.NewServer(customizerstest.WithInstances(1))
	t.Cleanup(srv.Close)
	command := filepath.Join(dir, "customizers")
	project := filepath.Join(dir, "hr-feed")
	script, err := filepath.Abs("customized.js")
	require.NoError(t, err)
	env := append(os.Environ(), "HOME="+dir,
		"SAIL_BASE_URL="+srv.URL, "SAIL_CLIENT_ID="+srv.ClientID, "SAIL_CLIENT_SECRET="+srv.ClientSecret)
	do := func(dir string, env []string, name string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %v\n%s", name, args, out)
		return string(out)
	}

	do("../..", nil, "go", "build", "-o", command, "./cmd/customizers")
	do(dir, env, command, "init", "hr-feed")
	do(project, nil, "npm", "install", "--no-audit", "--no-fund")
	assert.Contains(t, do(project, nil, "npm", "test"), "fail 0")
	do(project, nil, "npm", "run", "build")
	built, err := os.ReadDir(filepath.Join(project, "dist"))
	require.NoError(t, err)
	require.Len(t, built, 1)
	require.Equal(t, "index.js", built[0].Name())

	result := filepath.Join(dir, "sent.json")
	do(project, nil, "node", script, result)
	text, err := os.ReadFile(result)
	require.NoError(t, err)
	var sent map[string]map[string]any
	require.NoError(t, json.Unmarshal(text, &sent))
	assert.Equal(t, map[string]map[string]any{
		"std:account:create": {"email": "ada@example.com"},
		"std:account:read":   {"firstName": "Ada", "lastName": "Lovelace", "displayName": "Ada Lovelace"},
	}, sent)

	do(project, env, command, "deploy", "hr-feed", "dist/", "--no-record")
	deployed := srv.Customizers()
	require.Len(t, deployed, 1)
	assert.Equal(t, "hr-feed", deployed[0].Name)
	require.Len(t, srv.Versions(deployed[0].ID), 1)

	all, err := instances.List(t.Context(), srv.Client())
	require.NoError(t, err)
	require.Len(t, all, 1)
	linked, err := instances.Link(t.Context(), srv.Client(), all[0].ID, deployed[0].ID)
	require.NoError(t, err)
	assert.Equal(t, deployed[0].ID, linked.CustomizerID)
}
