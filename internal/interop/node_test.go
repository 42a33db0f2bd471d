package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if _, err := os.Stat("node_modules"); err != nil {
		_, _ = os.Stderr.WriteString("interop: node_modules is missing: use make interop\n")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runNode runs a script in node_modules and returns its combined output.
func runNode(t *testing.T, env []string, script string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join("node_modules", script)}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "node %s %s\n%s", script, strings.Join(args, " "), out)
	return string(out)
}

var listening = regexp.MustCompile(`Prism is listening on (http://\S+)`)

// startPrism starts Prism on a free port and returns its URL. It waits until Prism listens.
func startPrism(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	args = append([]string{"node_modules/@stoplight/prism-cli/dist/index.js"}, args...)
	cmd := exec.CommandContext(ctx, "node", append(args, "--port", "0")...)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})

	urls := make(chan string, 1)
	var log bytes.Buffer
	go func() {
		defer close(urls)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if match := listening.FindStringSubmatch(lines.Text()); match != nil {
				urls <- match[1]
			}
			log.WriteString(lines.Text() + "\n")
		}
	}()
	select {
	case url, ok := <-urls:
		require.True(t, ok, "Prism exited:\n%s", &log)
		return url
	case <-time.After(time.Minute):
		require.Fail(t, "Prism did not listen within a minute")
		return ""
	}
}
