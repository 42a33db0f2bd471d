package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInitRejects(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ name, folder, says string }{
		"upper case":          {"HR", "new", `"HR" is not an npm package name`},
		"empty":               {"", "new", "<name> is empty"},
		"too long":            {strings.Repeat("a", 215), "new", "npm package name"},
		"reserved":            {"node_modules", "new", "npm package name"},
		"folder not empty":    {"hr", "full", "is not empty (it has file)"},
		"file of the project": {"hr", "ours", ".gitignore already exists (move it away"},
		"pipeline":            {"hr", "repository/new", ".gitlab-ci.yml already exists (leave out its flag, and add the project's jobs by hand"},
		"folder is a file":    {"hr", "full/file", "the folder can't be used"},
		"folder without name": {"hr", "", "[folder] is empty"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, file := range []string{"full/file", "ours/.gitignore", "repository/.gitlab-ci.yml", "repository/.git"} {
				require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(file)), nil, 0o600))
			}
			folder := tt.folder
			if folder != "" {
				folder = filepath.Join(dir, filepath.FromSlash(folder))
			}
			var stdout, stderr bytes.Buffer
			assert.Equal(t, 2, run(t.Context(), []string{"init", tt.name, folder, "--gitlab"}, nil, &stdout, &stderr))
			assert.Empty(t, stdout.String())
			assert.Contains(t, stderr.String(), tt.says)
			assert.NoDirExists(t, filepath.Join(dir, "new"))
			assert.NoDirExists(t, filepath.Join(dir, "repository", "new"))
		})
	}
}

// The pipelines are those of the docs, except for the build.
func TestInitPipelines(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "hr-feed")
	var stdout, stderr bytes.Buffer
	require.Equal(t, 0, run(t.Context(), []string{"init", "hr-feed", folder, "--gitlab", "--github"}, nil, &stdout, &stderr), &stderr)
	for file, page := range map[string]string{".gitlab-ci.yml": "pipelines-gitlab.md", ".github/workflows/deploy.yml": "pipelines-github.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", page))
		require.NoError(t, err)
		documented := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindStringSubmatch(string(text))
		want := regexp.MustCompile(`(?m)^( +(?:- )?)npm run pack-zip$`).ReplaceAllString(documented[1], "${1}npm test\n${1}npm run build")
		want = strings.ReplaceAll(want, "dist/*.zip", "dist/")
		got, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(file)))
		require.NoError(t, err)
		assert.Equal(t, want, string(got), file)
	}
}

// GitHub shares concurrency groups and caches between the workflows of a repository, and a group
// cancels all but the newest of the jobs that wait.
func TestInitWorkflowsOfOneRepository(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, ".git"), 0o700))
	owner := map[string]string{}
	for _, name := range []string{"hr-feed", "badge-sync"} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 0, run(t.Context(), []string{"init", name, filepath.Join(root, name), "--github"}, nil, &stdout, &stderr), &stderr)
		text, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "deploy-"+name+".yml"))
		require.NoError(t, err)
		values := regexp.MustCompile(`(?m)^ +(?:group|key|restore-keys): (.*)$`).FindAllSubmatch(text, -1)
		require.NotEmpty(t, values)
		for _, v := range values {
			other, taken := owner[string(v[1])]
			assert.False(t, taken && other != name, "%s and %s share %s", name, other, v[1])
			owner[string(v[1])] = name
		}
		assert.Regexp(t, `if: always\(\)\n +uses: actions/cache/save@`, string(text), "a failed deployment keeps the ID of what it created")
	}
}

// A pipeline goes to the repository that the folder is really in, whatever links lead there.
func TestInitThroughLinks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		folder string
		want   string // the pipeline's path
	}{
		"a link into a repository":               {"in", "repository/.github/workflows/deploy-hr.yml"},
		"a new folder under it":                  {"in/new", "repository/.github/workflows/deploy-hr.yml"},
		"a link out of a repository":             {"repository/out", "outside/.github/workflows/deploy.yml"},
		"a new folder under it, far from a root": {"repository/out/a/b", "outside/a/b/.github/workflows/deploy.yml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, d := range []string{"repository/.git", "repository/sub", "outside"} {
				require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o700))
			}
			if os.Symlink(filepath.Join(dir, "repository", "sub"), filepath.Join(dir, "in")) != nil {
				t.Skip("links need a permission")
			}
			require.NoError(t, os.Symlink(filepath.Join(dir, "outside"), filepath.Join(dir, "repository", "out")))
			var stdout, stderr bytes.Buffer
			require.Equal(t, 0, run(t.Context(), []string{"init", "hr", filepath.Join(dir, tt.folder), "--github"}, nil, &stdout, &stderr), &stderr)
			assert.FileExists(t, filepath.Join(dir, tt.want))
		})
	}
}

// The shell of a pipeline would split, expand or run other paths.
func TestInitPipelineOfAnOddFolder(t *testing.T) {
	t.Parallel()
	for folder, ok := range map[string]bool{"HR feed": false, "$(id)": false, "a'b": false, "-x": false, "a*": false, "Zürich/hr-feed_1.2": true, ".hr": true} {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, ".git"), 0o700))
		for _, flag := range []string{"--github", "--gitlab"} {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"init", "hr", filepath.Join(dir, folder, flag[2:]), flag}, nil, &stdout, &stderr)
			assert.Equal(t, ok, code == 0, "%s: %s", folder, &stderr)
			if !ok {
				assert.Equal(t, 2, code)
				assert.Contains(t, stderr.String(), "can't be used in a pipeline")
			}
		}
	}
}
