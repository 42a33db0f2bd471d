package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// Completion works in bash, and runs nothing that the name of a customizer says.
func TestBashCompletion(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	const library = "/usr/share/bash-completion/bash_completion"
	if _, statErr := os.Stat(library); err != nil || statErr != nil {
		t.Skip("bash or bash-completion is missing")
	}
	dir := t.TempDir()
	hostile := func(name string) string { return "$(touch " + filepath.Join(dir, "executed") + ")" + name }
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(
		customizers.Customizer{ID: "1a", Name: "hr-feed"},
		customizers.Customizer{ID: "1b", Name: hostile("a")},
		customizers.Customizer{ID: "1c", Name: hostile("b")},
		customizers.Customizer{ID: "2a", Name: "`touch executed`"},
		customizers.Customizer{ID: "$(>executed)", Name: "x"},
	))
	t.Cleanup(srv.Close)
	env := environ(t.TempDir(), "SAIL_BASE_URL="+srv.URL, "SAIL_CLIENT_ID="+srv.ClientID, "SAIL_CLIENT_SECRET="+srv.ClientSecret)
	cmd := exec.Command(bash, "--norc", "--noprofile", "-i")
	cmd.Env, cmd.Dir = slices.Concat(env, []string{"PS1=$ "}), dir
	term := startInTerminal(t, 100, cmd)
	term.waitFor(`^\$`)
	term.press("source " + library + " && source <(customizers completion bash) && touch a.zip b.txt && clear" + enter)
	term.waitFor(`^\$$`)
	for typed, shows := range map[string]string{
		"upd\t":                   `\$ customizers update *$`,
		"get hr\t":                `\$ customizers get hr-feed *$`,
		"list --api-version v1\t": `\$ customizers list --api-version v1 *$`,
		"list --outp\t":           `\$ customizers list --output *$`,
		"upload hr-feed a\t":      `\$ customizers upload hr-feed a.zip *$`,
		"completion pow\t":        `\$ customizers completion powershell *$`,
		"get \t\t":                `(?s)1b .*1c .*2a .*hr-feed .*\$ customizers get *$`,
		"get 1\t\t":               `(?s)1b .*1c .*\$ customizers get 1$`,
		"get 2\t":                 `\$ customizers get 2a *$`,
	} {
		term.press("customizers " + typed)
		term.waitFor(shows)
		term.press("\x15clear" + enter) // Ctrl-U erases the line
		term.waitFor(`^\$$`)
	}
	assert.NoFileExists(t, filepath.Join(dir, "executed"))
	assert.NotContains(t, term.output(), "not found")
	term.press("exit" + enter)
	term.wait()
}
