package acceptance

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A keyring that does not answer is given up after 3 seconds.
func TestSilentKeyring(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(home, ".sailpoint"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".sailpoint", "config.yaml"), []byte(
		"environments: {default: {baseurl: acme}, full: {baseurl: 'http://127.0.0.1:1', pat: {clientid: x, clientsecret: y}}, half: {baseurl: 'http://127.0.0.1:1'}}"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(home, "secret"), []byte("y"), 0o600))
	for name, tt := range map[string]struct {
		args []string
		code int
		says string
		asks bool // the keyring
	}{
		"list":        {[]string{"list"}, 4, "(and the system's keyring does not answer; set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET instead)", true},
		"doctor":      {[]string{"doctor"}, 4, "the system's keyring does not answer", true},
		"TAB":         {[]string{"__complete", "get", ""}, 0, ":4", true},
		"all in file": {[]string{"list", "--env", "full"}, 1, "127.0.0.1:1", false},
		"flags":       {[]string{"list", "--env", "half", "--client-id", "x", "--client-secret-file", "secret"}, 1, "127.0.0.1:1", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "bus"))
			require.NoError(t, err)
			bus, _ := listener.(*net.UnixListener)
			t.Cleanup(func() { _ = bus.Close() })
			cmd := exec.Command(program, tt.args...)
			cmd.Env, cmd.Dir = environ(home, "DBUS_SESSION_BUS_ADDRESS=unix:path="+bus.Addr().String()), home
			kill := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() })
			defer kill.Stop()
			out, _ := cmd.CombinedOutput()
			assert.Equal(t, tt.code, cmd.ProcessState.ExitCode(), string(out))
			assert.Contains(t, string(out), tt.says)
			require.NoError(t, bus.SetDeadline(time.Now().Add(100*time.Millisecond))) // the system has queued a connection
			_, err = bus.Accept()
			assert.Equal(t, tt.asks, err == nil, "asks the keyring")
		})
	}
}
