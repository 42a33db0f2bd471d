package acceptance

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// On a terminal delete asks for confirmation. Any answer but yes deletes nothing.
func TestDeleteAsks(t *testing.T) {
	t.Parallel()
	const id = "11111111-1111-4111-8111-111111111111"
	tests := map[string]struct {
		keys    string
		code    int
		deleted bool
		want    string
	}{
		"y":              {"y" + enter, 0, true, "Deleted hr-feed (" + id + "), version 3."},
		"yes":            {"Yes" + enter, 0, true, "Deleted hr-feed (" + id + "), version 3."},
		"enter":          {enter, 1, false, "customizers: nothing was deleted: the answer was not yes"},
		"yes and more":   {"yes?" + enter, 1, false, "customizers: nothing was deleted: the answer was not yes"},
		"Ctrl-C":         {ctrlC, 130, false, "customizers: nothing was deleted: interrupted"},
		"y, then Ctrl-C": {"y" + ctrlC, 130, false, "customizers: nothing was deleted: interrupted"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, log := serve(t, "-tenant", tenantFile(t))
			term := runInTerminal(t, 100, env, nil, "delete", "hr-feed")
			term.waitFor(`Delete this customizer and its versions from http://127\.0\.0\.1:\d+\? \[y/N\]$`)
			term.press(tt.keys)
			screen := lines(term.waitExit(tt.code))
			assert.Equal(t, id+"  hr-feed  version 3", screen[0])
			assert.Equal(t, tt.want, screen[len(screen)-1], "on a line of its own")
			data, err := os.ReadFile(log)
			require.NoError(t, err)
			assert.Equal(t, tt.deleted, strings.Contains(string(data), "DELETE /v2024/connector-customizers/"+id+" 204"))
		})
	}
}

// delete asks on a dumb terminal too, once for all its arguments.
func TestDeleteAsksOnDumbTerminal(t *testing.T) {
	t.Parallel()
	env, _ := serve(t, "-tenant", tenantFile(t))
	term := runInTerminal(t, 80, append(env, "TERM=dumb"), nil, "delete", "hr-feed", "badge-sync")
	term.waitFor(`Delete these 2 customizers and their versions from http://127\.0\.0\.1:\d+\? \[y/N\]$`)
	term.press("y" + enter)
	screen := term.waitExit(0)
	assert.Contains(t, screen, "Deleted hr-feed")
	assert.Contains(t, screen, "Deleted badge-sync")
	assert.NotContains(t, term.output(), "\x1b")
}

// delete does not ask if nobody sees the question.
func TestDeleteNeedsTerminal(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(program, "delete", "hr-feed")
	cmd.Env = environ(t.TempDir(), "SAIL_BASE_URL=http://127.0.0.1:1", "SAIL_CLIENT_ID=x", "SAIL_CLIENT_SECRET=y")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	startInTerminal(t, 100, cmd).waitExit(2)
	assert.Contains(t, stderr.String(), "not a terminal: use --yes")
}

// On a terminal, --client-secret-file - prompts for the secret and does not echo it.
func TestSecretPrompt(t *testing.T) {
	t.Parallel()
	env, _ := serve(t, "-tenant", tenantFile(t))
	args := []string{"list", "-o", "id", "--tenant", "", "--client-id", "acceptance", "--client-secret-file", "-"}
	for _, e := range env {
		if url, ok := strings.CutPrefix(e, "SAIL_BASE_URL="); ok {
			args[4] = url
		}
	}
	term := runInTerminal(t, 100, env, nil, args...)
	term.waitFor(`^Client secret:`)
	term.press("not-to-be-seen" + enter)
	screen := term.waitExit(0)
	assert.NotContains(t, screen, "not-to-be-seen")
	assert.Contains(t, screen, "11111111-1111-4111-8111-111111111111")

	term = runInTerminal(t, 100, env, nil, args...)
	term.waitFor(`^Client secret:`)
	term.press("half" + ctrlC)
	assert.Equal(t, "Client secret:\ncustomizers: --client-secret-file: interrupted", term.waitExit(130))
}

// tenantFile returns the absolute path of testdata/tenant.json.
func tenantFile(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("testdata/tenant.json")
	require.NoError(t, err)
	return path
}
