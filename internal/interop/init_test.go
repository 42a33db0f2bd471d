package interop_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

// A new project can be installed, tested, built and deployed. The uploaded archive customizes a
// connector of SailPoint's SDK.
func TestInit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := customizerstest.NewServer(customizerstest.WithInstanceCount(1))
	t.Cleanup(srv.Close)
	var uploads uploads
	tenant := httptest.NewServer(uploads.record(srv))
	t.Cleanup(tenant.Close)
	command := filepath.Join(dir, "customizers")
	project := filepath.Join(dir, "hr-feed")
	script, err := filepath.Abs("customized.js")
	require.NoError(t, err)
	env := append(os.Environ(), "HOME="+dir,
		"SAIL_BASE_URL="+tenant.URL, "SAIL_CLIENT_ID="+srv.ClientID, "SAIL_CLIENT_SECRET="+srv.ClientSecret)
	run := func(dir string, env []string, name string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %v\n%s", name, args, out)
		return string(out)
	}

	run("../..", nil, "go", "build", "-o", command, "./cmd/customizers")
	run(dir, env, command, "init", "hr-feed")
	run(project, nil, "npm", "install", "--no-audit", "--no-fund")
	assert.Contains(t, run(project, nil, "npm", "test"), "fail 0")
	assert.Regexp(t, `(?m)^before:std:account:create\nafter:std:account:read$`, run(project, nil, "npm", "run", "build"), "the hooks of the bundle")
	built, err := os.ReadDir(filepath.Join(project, "dist"))
	require.NoError(t, err)
	require.Len(t, built, 1)
	require.Equal(t, "index.js", built[0].Name())

	// SailPoint's extension for VS Code runs pack-zip. deploy leaves out its zip file.
	run(project, nil, "npm", "run", "pack-zip")
	require.FileExists(t, filepath.Join(project, "dist", "hr-feed-0.1.0.zip"))

	run(project, env, command, "deploy", "hr-feed", "dist/", "--no-record", "--link", "instance-000001")
	deployed := srv.Customizers()
	require.Len(t, deployed, 1)
	assert.Equal(t, "hr-feed", deployed[0].Name)
	require.Len(t, srv.Versions(deployed[0].ID), 1)
	assert.Equal(t, deployed[0].ID, srv.Instances()[0].CustomizerID)

	assert.Contains(t, run(project, env, command, "deploy", "hr-feed", "dist/hr-feed-0.1.0.zip", "--no-record", "--dry-run"), "Would upload version 2")

	// A bundle that can't be loaded fails the build.
	require.NoError(t, os.WriteFile(filepath.Join(project, "src", "index.ts"), []byte("throw new Error('no')\nexport const connectorCustomizer = 1\n"), 0o600))
	broken := exec.CommandContext(t.Context(), "npm", "run", "build")
	broken.Dir = project
	require.Error(t, broken.Run())

	unpacked := filepath.Join(dir, "unpacked")
	require.NoError(t, os.CopyFS(unpacked, uploads.archive(t)))
	result := filepath.Join(dir, "sent.json")
	run(project, nil, "node", script, filepath.Join(unpacked, "index.js"), result)
	text, err := os.ReadFile(result)
	require.NoError(t, err)
	var sent map[string]map[string]any
	require.NoError(t, json.Unmarshal(text, &sent))
	assert.Equal(t, map[string]map[string]any{
		"std:account:create": {"email": "ada@example.com"},
		"std:account:read":   {"firstName": "Ada", "lastName": "Lovelace", "displayName": "Ada Lovelace"},
	}, sent)
}

// The commands of docs/getting-started.md succeed from top to bottom, in a sandbox.
func TestGettingStarted(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/getting-started.md")
	require.NoError(t, err)
	script := ""
	for _, block := range regexp.MustCompile("(?ms)^```(sh|console)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		for _, line := range strings.Split(block[2], "\n") {
			command, isCommand := strings.CutPrefix(line, "$ ")
			if block[1] == "sh" || isCommand {
				script += command + "\n"
			}
		}
	}
	_, script, found := strings.Cut(script, "go install ./cmd/customizers\n") // done below
	require.True(t, found)
	script = "set -e\n" + strings.Replace(script, "customizers sandbox\n", "", 1) // srv

	dir := t.TempDir()
	srv := customizerstest.NewServer(customizerstest.WithInstanceCount(2))
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "-C", "../..", "build", "-o", filepath.Join(dir, "customizers"), "./cmd/customizers")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"),
		"SAIL_BASE_URL="+srv.URL, "SAIL_CLIENT_ID="+srv.ClientID, "SAIL_CLIENT_SECRET="+srv.ClientSecret)
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "before:std:account:create\nafter:std:account:read\n", "as the page shows")
	require.Len(t, srv.Customizers(), 1)
	assert.Len(t, srv.Versions(srv.Customizers()[0].ID), 1)
}

// uploads records the bodies of requests that create a version.
type uploads struct {
	mu     sync.Mutex
	bodies [][]byte
}

// record returns a handler that passes requests to next and keeps a copy of each archive.
func (u *uploads) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/versions") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			u.mu.Lock()
			u.bodies = append(u.bodies, body)
			u.mu.Unlock()
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})
}

// archive returns the uploaded archive. There must be one, with index.js as its only file.
func (u *uploads) archive(t *testing.T) *zip.Reader {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	require.Len(t, u.bodies, 1)
	z, err := zip.NewReader(bytes.NewReader(u.bodies[0]), int64(len(u.bodies[0])))
	require.NoError(t, err)
	require.Len(t, z.File, 1)
	require.Equal(t, "index.js", z.File[0].Name)
	return z
}
