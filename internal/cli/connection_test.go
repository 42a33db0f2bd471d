package cli

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

// An error on a setting names the setting and its source, and never quotes a secret.
func TestInvalidSettings(t *testing.T) {
	srv := customizerstest.NewServer(customizerstest.WithCredentials("an-id", "SECRET"))
	t.Cleanup(srv.Close)
	const utf16 = "S\x00E\x00C\x00R\x00E\x00T\x00\r\x00\n\x00"
	inFile := []string{"--tenant", srv.URL, "--client-id", "an-id", "--client-secret-file", "secret"}
	fromStdin := slices.Concat(inFile[:5], []string{"-"})
	unset := []string{"SAIL_BASE_URL=", "SAIL_CLIENT_ID=", "SAIL_CLIENT_SECRET="}
	for name, tt := range map[string]struct {
		env, args []string
		file      string // also standard input
		code      int
		says      string
	}{
		"CRLF":                 {args: inFile, file: "SECRET\r\n"},
		"BOM from stdin":       {args: fromStdin, file: "\ufeffSECRET\r\n"},
		"version":              {env: []string{"SAIL_BASE_URL=https://acme.api.identitynow.com/v2025"}, code: exitDenied, says: "select an API version with --api-version"},
		"password":             {args: []string{"--tenant", "https://user:SECRET@acme.api.identitynow.com"}, code: exitDenied, says: "set SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or use --client-id and --client-secret-file"},
		"no credentials":       {env: unset, args: []string{"--tenant", "acme"}, code: exitDenied, says: "no credentials: set SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or use --client-id and --client-secret-file (looked in "},
		"no tenant":            {env: unset, args: inFile[2:], file: "SECRET", code: exitDenied, says: "no tenant: set SAIL_BASE_URL or use --tenant (looked in "},
		"neither":              {env: unset, code: exitDenied, says: "no tenant and no credentials: set SAIL_BASE_URL, "},
		"environment":          {args: []string{"--env", "test\r"}, code: exitDenied, says: `--env names the environment "test\r", but ~/.sailpoint/config.yaml does not exist`},
		"file of two":          {args: inFile, file: "an-id\nSECRET\n", code: exitDenied, says: "--client-secret-file secret contains white space"},
		"UTF-16 on stdin":      {args: fromStdin, file: "\xff\xfe" + utf16, code: exitDenied, says: "--client-secret-file - is UTF-16"},
		"file with only a BOM": {args: inFile, file: "\ufeff\r\n", code: exitDenied, says: "--client-secret-file: secret is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, srv)
			t.Chdir(t.TempDir())
			for _, v := range tt.env {
				name, value, _ := strings.Cut(v, "=")
				t.Setenv(name, value)
			}
			require.NoError(t, os.WriteFile("secret", []byte(tt.file), 0o600))
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"list"}, tt.args...), strings.NewReader(tt.file), &stdout, &stderr)
			assert.Equal(t, tt.code, code, "%s", &stderr)
			assert.Contains(t, stderr.String(), tt.says)
			assert.NotContains(t, strings.ReplaceAll(stderr.String(), "_SECRET", ""), "SECRET")
		})
	}
}

// setEnvironment sets the environment to the settings of srv.
func setEnvironment(t *testing.T, srv *customizerstest.Server) {
	t.Helper()
	t.Setenv("SAIL_BASE_URL", srv.URL)
	t.Setenv("SAIL_CLIENT_ID", srv.ClientID)
	t.Setenv("SAIL_CLIENT_SECRET", srv.ClientSecret)
	t.Setenv("SAIL_ACCESS_TOKEN", "")
	t.Setenv("SAIL_ACTIVEENVIRONMENT", "")
}
