package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zalando/go-keyring"

	"github.com/connector-customizers/customizers/customizerstest"
)

// Settings that the file lacks come from the entries of SailPoint's CLI in the system's keyring.
func TestKeyring(t *testing.T) {
	srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(2))
	defer srv.Close()
	home := t.TempDir()
	t.Chdir(home)
	t.Setenv("HOME", home)
	for _, name := range []string{"SAIL_BASE_URL", "SAIL_CLIENT_ID", "SAIL_CLIENT_SECRET", "SAIL_ACCESS_TOKEN", "SAIL_ACTIVEENVIRONMENT"} {
		t.Setenv(name, "")
	}
	require.NoError(t, os.Mkdir(filepath.Join(home, ".sailpoint"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".sailpoint", "config.yaml"), []byte(
		"activeEnvironment: Live\nenvironments:\n  LIVE: {baseurl: "+srv.URL+"}\n  other: {baseurl: https://other.api.identitynow.com}\n"), 0o600))
	do := func(args ...string) (code int, stdout, stderr string) {
		var out, err bytes.Buffer
		code = run(t.Context(), args, nil, &out, &err)
		return code, out.String(), err.String()
	}

	keyring.MockInit()
	code, _, stderr := do("list")
	assert.Equal(t, exitDenied, code)
	assert.Contains(t, stderr, "environments.live.pat.clientid and environments.live.pat.clientsecret are not set in ~/.sailpoint/config.yaml")

	require.NoError(t, keyring.Set("environments.pat.clientid", "live", srv.ClientID))
	require.NoError(t, keyring.Set("environments.pat.clientsecret", "live", srv.ClientSecret))
	code, stdout, stderr := do("list", "-o", "id")
	assert.Equal(t, exitOK, code, stderr)
	assert.Equal(t, 2, strings.Count(stdout, "\n"))
	code, stdout, _ = do("doctor")
	assert.Equal(t, exitOK, code, stdout)
	assert.Contains(t, stdout, "environments.pat.clientsecret of live in the system's keyring")
	assert.NotContains(t, stdout, srv.ClientSecret)

	code, _, stderr = do("list", "--env", "other")
	assert.Equal(t, exitDenied, code, "the entries belong to another environment")
	assert.Contains(t, stderr, "environments.other.pat.clientid")

	keyring.MockInitWithError(errors.New("the keyring is locked"))
	code, _, stderr = do("list")
	assert.Equal(t, exitDenied, code)
	assert.Contains(t, stderr, "the keyring is locked; set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET", "an unreadable keyring is not an empty one")

	// The keyring is not read if it is not needed.
	require.NoError(t, os.WriteFile("secret", []byte(srv.ClientSecret), 0o600))
	code, _, stderr = do("list", "-q", "--client-id", srv.ClientID, "--client-secret-file", "secret")
	assert.Equal(t, exitOK, code, stderr)
}
