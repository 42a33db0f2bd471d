package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The sessions that README and docs show are what the command writes.
func TestSessions(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	require.NoError(t, err)
	session := regexp.MustCompile("(?ms)^```console\n(.*?)^```$")
	n := 0
	for _, page := range append(pages, filepath.Join("..", "..", "README.md")) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range session.FindAllStringSubmatch(string(text), -1) {
			n++
			s := newSession(t)
			for _, step := range strings.Split("\n"+m[1], "\n$ ")[1:] {
				line, want, _ := strings.Cut(step, "\n")
				_, got := s.run(line)
				assert.Equal(t, settled(want), settled(strings.TrimSuffix(got, "\n")+"\n"), "%s: %s", page, line)
			}
		}
	}
	assert.Equal(t, 2, n)
}

// settled takes from a text what differs from run to run.
func settled(text string) string {
	for pattern, constant := range map[string]string{
		`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`: "ea09e09f-4147-46cf-9c2d-636101ab11ab",
		`127\.0\.0\.1:\d+`:                          "127.0.0.1:8787",
		`sandbox-[a-z0-9]{8}`:                       "sandbox-5eqeseav",
		`\b(\d+m)?\d+(\.\d+)?(ms|µs|s)\b`:           "1s",
		`\d{4}-\d\d-\d\dT[\d:]+Z`:                   "2026-11-23T21:29:42Z",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, constant)
	}
	return strings.TrimRight(text, "\n") + "\n"
}

// The commands that docs/migrating.md has for those of SailPoint's CLI work, in their order.
func TestMigratedCommands(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "migrating.md"))
	require.NoError(t, err)
	_, part, found := strings.Cut(string(text), "## From the CLI")
	require.True(t, found)
	commands := regexp.MustCompile("(?m)^\\| .* \\| `(customizers [^`]+)`.* \\|$").FindAllStringSubmatch(part, -1)
	require.Len(t, commands, 7)
	s := newSession(t)
	for _, m := range commands {
		code, out := s.run(m[1])
		assert.Zero(t, code, "%s\n%s", m[1], out)
	}
	names := []string{}
	for _, c := range s.p.tenant.Customizers() {
		names = append(names, c.Name)
	}
	assert.Contains(t, names, "hr-feed", "it is there again")
	assert.NotContains(t, names, "badge-sync", "it was deleted")
}

// A session is a shell in a folder with a customizer, and a sandbox.
type session struct {
	p   *project
	dir string
}

func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{newProject(t), t.TempDir()}
	for range 3 {
		s.p.tenant.Add("of-others")
	}
	program, err := built()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.p.tools, "customizers"), program, 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "dist"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "dist", "hr-feed-0.1.0.zip"), customizerZip(t, "first"), 0o600))
	return s
}

// run runs a line, and returns its exit code and all that it writes.
func (s *session) run(line string) (code int, output string) {
	before := len(s.p.output.String())
	code = s.p.shell(s.dir, s.p.credentials("production"), line+"\n", "sh")
	return code, s.p.output.String()[before:]
}
