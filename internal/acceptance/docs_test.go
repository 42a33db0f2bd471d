package acceptance

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The command writes what the sessions in README and docs show. The sessions of a page follow
// each other in one shell.
func TestSessions(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	n := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		sessions := codeBlocks(string(text), "console")
		if len(sessions) == 0 {
			continue
		}
		_, run := newShell(t)
		shown, written := numbers{}, numbers{}
		for _, session := range sessions {
			n++
			for _, step := range strings.Split("\n"+session, "\n$ ")[1:] {
				line, want, _ := strings.Cut(step, "\n")
				got, _ := run(line)
				assert.Equal(t, shown.normalize(want), written.normalize(got), "%s: %s", page, line)
			}
		}
	}
	assert.Greater(t, n, 5)
}

// numbers are the numbers of IDs in the order in which they appear, so that a page can't show
// one ID for two things.
type numbers map[string]string

// normalize replaces the parts of a text that differ from run to run.
func (ids numbers) normalize(text string) string {
	text = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllStringFunc(text, func(id string) string {
		if ids[id] == "" {
			ids[id] = fmt.Sprintf("ID %d", len(ids)+1)
		}
		return ids[id]
	})
	for pattern, constant := range map[string]string{
		`127\.0\.0\.1:\d+`:                "127.0.0.1:8787",
		`content [0-9a-f]{12}`:            "content 5eb1d1f3c0c5",
		`sandbox-[a-z0-9]{8}`:             "sandbox-5eqeseav",
		`\b(\d+m)?\d+(\.\d+)?(ms|µs|s)\b`: "1s",
		`\d{4}-\d\d-\d\dT[\d:.]+Z`:        "2026-11-23T21:29:42Z",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, constant)
	}
	return strings.TrimRight(text, "\n") + "\n"
}

// The commands in the CLI table of docs/migrating.md succeed when run from top to bottom.
func TestMigrationCommands(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/migrating.md")
	require.NoError(t, err)
	_, part, _ := strings.Cut(string(text), "## From the CLI")
	commands := regexp.MustCompile("(?m)^\\| .* \\| `(customizers [^`]+)`.* \\|$").FindAllStringSubmatch(part, -1)
	require.Len(t, commands, 12)
	dist, run := newShell(t)
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	require.NoError(t, errors.Join(z.AddFS(os.DirFS(dist)), z.Close()))
	require.NoError(t, os.WriteFile(filepath.Join(dist, "hr-feed-0.1.0.zip"), archive.Bytes(), 0o600))
	for _, m := range commands {
		out, err := run(m[1])
		require.NoError(t, err, "%s\n%s", m[1], out)
	}
	names, err := run("customizers list")
	require.NoError(t, err)
	assert.Contains(t, names, "hr-feed")
	assert.NotContains(t, names, "badge-sync")
}

// newShell creates a customizer project and starts a sandbox. It returns the project's dist
// folder and a function that runs a shell line in the project, on a terminal. That function
// returns the final screen.
func newShell(t *testing.T) (dist string, run func(line string) (string, error)) {
	t.Helper()
	env, _ := serve(t, "--customizers", "3")
	dir := t.TempDir()
	dist = filepath.Join(dir, "dist")
	require.NoError(t, os.Mkdir(dist, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dist, "index.js"), []byte("exports.connectorCustomizer = 1\n"), 0o600))
	return dist, func(line string) (string, error) {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir, cmd.Env = dir, slices.Concat(env, []string{"NO_COLOR=1"})
		term := startInTerminal(t, 160, cmd)
		screen := term.wait()
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			return screen, fmt.Errorf("exit code %d", code)
		}
		return screen, nil
	}
}

// codeBlocks returns the code blocks in a language.
func codeBlocks(text, language string) (blocks []string) {
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// cmdPipelines writes the scripts of docs/pipelines*.md to gitlab-JOB.sh, github-JOB.sh and several.sh.
func cmdPipelines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: pipelines")
	}
	blocks := func(page, language string) []string {
		text, err := os.ReadFile("../../docs/" + page)
		ts.Check(err)
		return codeBlocks(string(text), language)
	}
	var gitlab map[string]struct {
		Extends string
		Before  []string `yaml:"before_script"`
		Script  []string
	}
	var github struct {
		Jobs map[string]struct{ Steps []struct{ Run string } }
	}
	ts.Check(yaml.Unmarshal([]byte(blocks("pipelines-gitlab.md", "yaml")[0]), &gitlab))
	ts.Check(yaml.Unmarshal([]byte(blocks("pipelines-github.md", "yaml")[0]), &github))
	scripts := map[string][]string{"several": blocks("pipelines.md", "sh")[:1]}
	for name, job := range gitlab {
		scripts["gitlab-"+name] = slices.Concat(gitlab[job.Extends].Before, job.Script)
	}
	for name, job := range github.Jobs {
		for _, step := range job.Steps {
			scripts["github-"+name] = append(scripts["github-"+name], step.Run)
		}
	}
	for name, lines := range scripts {
		ts.Check(os.WriteFile(ts.MkAbs(name+".sh"), []byte(strings.Join(lines, "\n")), 0o600))
	}
}
