package acceptance

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Completion works in bash without the package bash-completion.
func TestBashCompletion(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is missing")
	}
	env, _ := serve(t, "--state", tenantFile(t))
	cmd := exec.Command(bash, "--norc", "--noprofile", "-i")
	cmd.Env, cmd.Dir = slices.Concat(env, []string{"PS1=$ "}), t.TempDir()
	term := startInTerminal(t, 100, cmd)
	term.waitFor(`^\$`)
	term.press("source <(customizers completion bash) && touch a.zip b.txt && clear" + enter)
	for typed, completed := range map[string]string{
		"upd\t":                   "update",
		"get hr\t":                "get hr-feed",
		"list --api-version v1\t": "list --api-version v1",
		"list --outp\t":           "list --output",
		"upload hr-feed a\t":      "upload hr-feed a.zip",
		"completion pow\t":        "completion powershell",
	} {
		term.press("customizers " + typed)
		term.waitFor(`\$ customizers ` + completed + ` *$`)
		term.press("\x15clear" + enter) // Ctrl-U erases the line
		term.waitFor(`^\$$`)
	}
	assert.NotContains(t, term.output(), "not found")
	term.press("exit" + enter)
	term.wait()
}
