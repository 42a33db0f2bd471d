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
		"environments: {default: {baseurl: acme}, full: {baseurl: 'http://127.0.0.1:1', pat: {clientid: x, clientsecret: y}}}"), 0o600))
	bus, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(home, "bus")) // never accepts
	require.NoError(t, err)
	t.Cleanup(func() { _ = bus.Close() })
	for name, tt := range map[string]struct {
		args []string
		code int
		says string
	}{
		"list":          {[]string{"list"}, 4, "(and the system's keyring does not answer; set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET instead)"},
		"doctor":        {[]string{"doctor"}, 4, "the system's keyring does not answer"},
		"TAB":           {[]string{"__complete", "get", ""}, 0, ":4"},
		"not necessary": {[]string{"list", "--env", "full"}, 1, "127.0.0.1:1"}, // the file has all settings
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(program, tt.args...)
			cmd.Env, cmd.Dir = environ(home, "DBUS_SESSION_BUS_ADDRESS=unix:path="+bus.Addr().String()), home
			kill := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() })
			defer kill.Stop()
			out, _ := cmd.CombinedOutput()
			assert.Equal(t, tt.code, cmd.ProcessState.ExitCode(), string(out))
			assert.Contains(t, string(out), tt.says)
		})
	}
}
