// Package tools_test tests what the make targets run.
package tools_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	typesFile  = "types.gen.go"
	apiFile    = "api/api.gen.go"
	serverFile = "internal/server/server.gen.go"
	manFile    = "cmd/customizers/man/customizers-list.1"
	bashFile   = "cmd/customizers/completions/customizers.bash"
)

// A repo is a committed copy of this repository.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T) *repo {
	t.Helper()
	if testing.Short() {
		t.Skip("it generates code")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	top, err := command(t, ".", "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Skip("this is no git repository")
	}
	from := strings.TrimSpace(string(top))
	list, err := command(t, from, "git", "ls-files", "-z").Output()
	require.NoError(t, err)

	r := &repo{t, t.TempDir()}
	for _, name := range strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		data, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		r.write(name, data, info.Mode().Perm())
	}
	r.git("init", "--quiet")
	r.git("add", "--all", "--force")
	r.git("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "copy")
	return r
}

// command runs without the variables by which git, in a hook, points to a repository.
func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "PWD="+dir)
	return cmd
}

func (r *repo) git(args ...string) {
	r.t.Helper()
	out, err := command(r.t, r.dir, "git", args...).CombinedOutput()
	require.NoError(r.t, err, "git %v: %s", args, out)
}

func (r *repo) write(name string, data []byte, mode fs.FileMode) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(r.t, os.WriteFile(path, data, mode))
}

func (r *repo) read(name string) []byte {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	require.NoError(r.t, err)
	return data
}

// drift runs the script, and checks that it leaves the work tree as it is. It returns
// the lines that complain about a file, by file.
func (r *repo) drift() (code int, complaints map[string][]string, output string) {
	r.t.Helper()
	before := r.tree()
	cmd := command(r.t, r.dir, filepath.Join("internal", "tools", "drift.sh"))
	tmp := r.t.TempDir()
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(r.t, err)
	}
	assert.Equal(r.t, before, r.tree(), "the work tree has changed")
	assertNoCopy(r.t, tmp)
	complaints = map[string][]string{}
	for line := range strings.Lines(stderr.String()) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "drift: "); ok {
			if file, what, ok := strings.Cut(rest, ": "); ok {
				complaints[file] = append(complaints[file], what)
			}
		}
	}
	return cmd.ProcessState.ExitCode(), complaints, stderr.String()
}

// assertNoCopy checks that no copy of the repository is left in dir.
func assertNoCopy(t *testing.T, dir string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "*", "tree"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// tree is a digest of every file, git's own left out, and git's view of them.
func (r *repo) tree() map[string]any {
	r.t.Helper()
	out := map[string]any{}
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" {
				return fs.SkipDir
			}
			return nil
		}
		data, err := os.ReadFile(path)
		out[path] = sha256.Sum256(data)
		return err
	})
	require.NoError(r.t, err)
	status, err := command(r.t, r.dir, "git", "status", "--porcelain").Output()
	require.NoError(r.t, err)
	out["git status"] = string(status)
	return out
}

func TestDriftNone(t *testing.T) {
	t.Parallel()
	code, complaints, output := newRepo(t).drift()
	assert.Equal(t, 0, code, output)
	assert.Empty(t, complaints)
}

func TestDriftOfFiles(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.write(apiFile, append(r.read(apiFile), "\n// edited\n"...), 0o600)
	require.NoError(t, os.Remove(filepath.Join(r.dir, serverFile)))
	r.write(typesFile, bytes.ReplaceAll(r.read(typesFile), []byte("TenantID string"), []byte("Tenant string")), 0o600)
	r.write("api/stale.gen.go", []byte("package api\n"), 0o600)
	r.git("add", "api/stale.gen.go")
	require.NoError(t, os.Remove(filepath.Join(r.dir, manFile)))
	r.write(bashFile, append(r.read(bashFile), "\n# edited\n"...), 0o600)
	r.write("cmd/customizers/man/customizers-stale.1", []byte(".TH STALE 1\n"), 0o600)

	code, complaints, output := r.drift()
	assert.NotEqual(t, 0, code)
	assert.Equal(t, map[string][]string{
		typesFile:          {"differs from what is generated"},
		apiFile:            {"differs from what is generated"},
		serverFile:         {"is missing"},
		"api/stale.gen.go": {"is not generated any more"},
		manFile:            {"is missing"},
		bashFile:           {"differs from what is generated"},
		"cmd/customizers/man/customizers-stale.1": {"is not generated any more"},
	}, complaints, output)
	assert.Contains(t, output, "-// edited", "a part of the difference")
	assert.Contains(t, output, "make generate")
}

func TestDriftUntracked(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.git("rm", "--cached", "--quiet", serverFile)
	code, complaints, output := r.drift()
	assert.NotEqual(t, 0, code)
	assert.Equal(t, map[string][]string{serverFile: {"is not tracked by git"}}, complaints, output)
}

func TestDriftOfTheContract(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	const was = "description: Name of the customizer."
	contract := string(r.read("openapi.yaml"))
	require.Contains(t, contract, was)
	r.write("openapi.yaml", []byte(strings.ReplaceAll(contract, was, "description: What people call the customizer.")), 0o600)

	code, complaints, output := r.drift()
	assert.NotEqual(t, 0, code)
	assert.Equal(t, map[string][]string{
		typesFile:  {"differs from what is generated"},
		apiFile:    {"differs from what is generated"},
		serverFile: {"differs from what is generated"},
	}, complaints, output)
}

// A command whose words change has another man page.
func TestDriftOfACommand(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	const file, was = "cmd/customizers/list.go", "List all customizers"
	require.Contains(t, string(r.read(file)), was)
	r.write(file, bytes.ReplaceAll(r.read(file), []byte(was), []byte("List every customizer")), 0o600)

	code, complaints, output := r.drift()
	assert.NotEqual(t, 0, code)
	assert.Equal(t, map[string][]string{manFile: {"differs from what is generated"}}, complaints, output)
}

// A contract that can't be read must not pass for one without drift.
func TestDriftOfABrokenContract(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.write("openapi.yaml", []byte("openapi: ["), 0o600)
	code, _, output := r.drift()
	assert.NotEqual(t, 0, code, output)
}
