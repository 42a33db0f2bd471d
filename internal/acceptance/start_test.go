package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The program starts in under 15 ms, beyond what a program that does nothing takes on the
// same machine. Other programs only make both slower, so the quickest starts count.
func TestStartsQuickly(t *testing.T) {
	const goal = 15 * time.Millisecond
	dir := t.TempDir()
	source, nothing := filepath.Join(dir, "main.go"), filepath.Join(dir, "nothing")
	require.NoError(t, os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600))
	out, err := exec.Command("go", "build", "-o", nothing, source).CombinedOutput()
	require.NoError(t, err, "%s", out)

	env := environ(dir)
	took := func(name string, args ...string) time.Duration {
		cmd := exec.Command(name, args...)
		cmd.Env = env
		start := time.Now()
		require.NoError(t, cmd.Run())
		return time.Since(start)
	}
	empty, full := time.Hour, time.Hour
	for i := 0; i < 10 || i < 200 && full-empty >= goal; i++ {
		empty, full = min(empty, took(nothing)), min(full, took(program, "version"))
	}
	t.Logf("%v, of which a program that does nothing takes %v", full, empty)
	assert.Less(t, full-empty, goal)
}
