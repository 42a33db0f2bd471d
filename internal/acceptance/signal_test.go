package acceptance

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// waitForExit waits for a program to exit and returns its exit code. After the timeout it
// kills the program.
func waitForExit(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	kill := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// A signal during an upload ends the program and leaves no temporary file.
func TestSignalDuringDeploy(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			g := newGate(t, func(r *http.Request, wait func()) {
				if strings.HasSuffix(r.URL.Path, "/versions") {
					wait()
				}
			}, customizerstest.WithCustomizerCount(1))
			temporary, dist := t.TempDir(), t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dist, "index.js"), []byte("exports.connectorCustomizer = 1\n"), 0o600))
			if signal == syscall.SIGHUP && ossignal.Ignored(signal) {
				t.Skip("nohup runs the tests")
			}
			cmd := exec.Command(program, "deploy", g.tenant.Customizers()[0].Name, dist)
			cmd.Env = slices.Concat(g.env, []string{"TMPDIR=" + temporary})
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			require.NoError(t, cmd.Start())
			<-g.blocked
			require.NoError(t, cmd.Process.Signal(signal))
			code := waitForExit(t, cmd)
			left, err := os.ReadDir(temporary)
			require.NoError(t, err)
			assert.Empty(t, left)
			if signal != syscall.SIGQUIT && signal != syscall.SIGKILL {
				assert.Equal(t, 6, code, stderr.String()) // the outcome of the upload is unknown
				assert.Contains(t, stderr.String(), "interrupted")
			}
		})
	}
}

// The first Ctrl-C ends the program even while it reads a secret.
func TestInterruptAtPrompt(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, syscall.Mkfifo(secret, 0o600))
	cmd := exec.Command(program, "list", "--tenant", "acme", "--client-id", "x", "--client-secret-file", secret)
	cmd.Env = environ(t.TempDir())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	w, err := os.OpenFile(secret, os.O_WRONLY, 0) // blocks until the program reads
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.Close() })
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	assert.Equal(t, 130, waitForExit(t, cmd))
	assert.Equal(t, "customizers: interrupted\n", stderr.String())
}

// Under nohup, which ignores SIGHUP, the program ignores it too.
func TestNohup(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `trap '' HUP; exec "$0" sandbox --port 0`, program)
	cmd.Env = environ(t.TempDir())
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	_, err = io.ReadFull(stdout, make([]byte, 1)) // the sandbox is serving
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	exit := make(chan int, 1)
	go func() { exit <- waitForExit(t, cmd) }()
	select {
	case <-exit:
		require.Fail(t, "SIGHUP ended the program")
	case <-time.After(time.Second):
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	assert.Equal(t, 0, <-exit)
}

// A reader of standard error that goes away does not end the work. One of standard output does,
// without a word.
func TestClosedPipe(t *testing.T) {
	t.Parallel()
	r, closed, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	t.Cleanup(func() { _ = closed.Close() })
	for name, tt := range map[string]struct {
		args           []string
		stdout, stderr bool // whether it is closed
		code           int
		names          []string // customizers afterwards
	}{
		"stderr":           {args: []string{"create", "x", "-v"}, stderr: true, names: []string{"hr-feed", "x"}},
		"stderr of deploy": {args: []string{"deploy", "x", "dist", "-v"}, stderr: true, names: []string{"hr-feed", "x"}},
		"stderr, failure":  {args: []string{"get", "no-such"}, stderr: true, code: 3, names: []string{"hr-feed"}},
		"stderr, JSON":     {args: []string{"get", "no-such", "-o", "json"}, stderr: true, code: 3, names: []string{"hr-feed"}},
		"stdout":           {args: []string{"list"}, stdout: true, code: 141, names: []string{"hr-feed"}},
		"stdout, JSON":     {args: []string{"list", "-o", "json"}, stdout: true, code: 141, names: []string{"hr-feed"}},
		"both":             {args: []string{"delete", "hr-feed", "--yes", "-o", "id"}, stdout: true, stderr: true, code: 141},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := customizerstest.NewServer(customizerstest.WithCustomizers(customizers.Customizer{ID: "1a", Name: "hr-feed"}))
			t.Cleanup(srv.Close)
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "dist"), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "dist", "index.js"), []byte("exports.connectorCustomizer = 1\n"), 0o600))
			cmd := exec.Command(program, tt.args...)
			cmd.Dir, cmd.Env = dir, environ(dir, "SAIL_BASE_URL="+srv.URL, "SAIL_CLIENT_ID="+srv.ClientID, "SAIL_CLIENT_SECRET="+srv.ClientSecret)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if tt.stdout {
				cmd.Stdout = closed
			}
			if tt.stderr {
				cmd.Stderr = closed
			}
			require.NoError(t, cmd.Start())
			assert.Equal(t, tt.code, waitForExit(t, cmd), stderr.String())
			assert.Empty(t, stderr.String())
			var names []string
			for _, c := range srv.Customizers() {
				names = append(names, c.Name)
			}
			assert.Equal(t, tt.names, names)
		})
	}
}

// Libraries write nothing to standard error. By default net/http logs an unsolicited response,
// as this server sends.
func TestNoLibraryLogs(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := "[]"
		if r.URL.Path == "/oauth/token" {
			body = `{"access_token":"t","token_type":"bearer","expires_in":749}`
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\n\r\n", len(body), body)
	}))
	t.Cleanup(srv.Close)
	cmd := exec.Command(program, "list", "-q")
	cmd.Env = environ(t.TempDir(), "SAIL_BASE_URL="+srv.URL, "SAIL_CLIENT_ID=x", "SAIL_CLIENT_SECRET=secret")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Run())
	assert.Empty(t, stderr.String())
}
