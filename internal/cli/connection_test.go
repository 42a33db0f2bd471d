package cli

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

// The command waits for a Retry-After of up to --max-wait.
func TestMaxWait(t *testing.T) {
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	setEnvironment(t, srv)
	limited := customizerstest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"90"}}}

	srv.Inject(limited)
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitRateLimited, run(t.Context(), []string{"list"}, nil, &stdout, &stderr), "a minute by default: %s", &stderr)

	srv.Inject(limited)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log, code := &safeBuffer{}, make(chan int, 1)
	go func() { code <- run(ctx, []string{"list", "--max-wait", "2m", "--verbose"}, nil, &bytes.Buffer{}, log) }()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "wait=1m30s") },
		10*time.Second, 5*time.Millisecond, "%s", log)
	cancel()
	assert.Equal(t, exitInterrupted, <-code)
	assert.Contains(t, log.String(), "interrupted", "it ended during the wait")
	assert.NotContains(t, log.String(), "doctor", "an interruption needs no diagnosis")

	stderr.Reset()
	assert.Equal(t, exitUsage, run(t.Context(), []string{"list", "--max-wait", "0s"}, nil, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "--max-wait")
}

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
		"LF":                   {args: inFile, file: "SECRET\n"},
		"CRLF":                 {args: inFile, file: "SECRET\r\n"},
		"BOM":                  {args: inFile, file: "\ufeffSECRET\r\n"},
		"BOM from stdin":       {args: fromStdin, file: "\ufeffSECRET\r\n"},
		"secret":               {env: []string{"SAIL_CLIENT_SECRET=SECRET\r"}, code: exitDenied, says: "SAIL_CLIENT_SECRET in the environment has leading or trailing white space"},
		"token":                {env: []string{"SAIL_ACCESS_TOKEN=SECRET\r"}, code: exitDenied, says: "SAIL_ACCESS_TOKEN in the environment has leading or trailing white space"},
		"ID":                   {env: []string{"SAIL_CLIENT_ID=an\tid"}, code: exitDenied, says: "SAIL_CLIENT_ID in the environment contains white space"},
		"tenant":               {env: []string{"SAIL_BASE_URL=acme\r"}, code: exitDenied, says: "SAIL_BASE_URL in the environment has leading or trailing white space"},
		"path":                 {env: []string{"SAIL_BASE_URL=https://acme.api.identitynow.com/v3"}, code: exitDenied, says: `SAIL_BASE_URL in the environment: the tenant URL has the path "/v3" (want https://acme.api.identitynow.com alone;`},
		"version":              {env: []string{"SAIL_BASE_URL=https://acme.api.identitynow.com/v2025"}, code: exitDenied, says: "select an API version with --api-version"},
		"password":             {args: []string{"--tenant", "https://user:SECRET@acme.api.identitynow.com"}, code: exitDenied, says: "set SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or use --client-id and --client-secret-file"},
		"no credentials":       {env: unset, args: []string{"--tenant", "acme"}, code: exitDenied, says: "no credentials: set SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or use --client-id and --client-secret-file (looked in "},
		"no tenant":            {env: unset, args: inFile[2:], file: "SECRET", code: exitDenied, says: "no tenant: set SAIL_BASE_URL or use --tenant (looked in "},
		"neither":              {env: unset, code: exitDenied, says: "no tenant and no credentials: set SAIL_BASE_URL, "},
		"environment":          {args: []string{"--env", "test\r"}, code: exitDenied, says: `--env names the environment "test\r", but ~/.sailpoint/config.yaml does not exist`},
		"--client-id":          {args: slices.Concat(inFile[:3], []string{"an-id\r"}, inFile[4:]), file: "SECRET", code: exitDenied, says: "--client-id has leading or trailing white space"},
		"--tenant":             {args: []string{"--tenant", "acme\r"}, code: exitDenied, says: "--tenant has leading or trailing white space"},
		"file":                 {args: inFile, file: "SECRET \n", code: exitDenied, says: "--client-secret-file secret has leading or trailing white space"},
		"file of two":          {args: inFile, file: "an-id\nSECRET\n", code: exitDenied, says: "--client-secret-file secret contains white space"},
		"UTF-16":               {args: inFile, file: "\xff\xfe" + utf16, code: exitDenied, says: "--client-secret-file secret is UTF-16; save it as UTF-8"},
		"UTF-16 unmarked":      {args: inFile, file: utf16, code: exitDenied, says: "--client-secret-file secret is UTF-16"},
		"UTF-16 on stdin":      {args: fromStdin, file: "\xff\xfe" + utf16, code: exitDenied, says: "--client-secret-file - is UTF-16"},
		"NUL":                  {args: inFile, file: "SECRET\x00", code: exitDenied, says: "--client-secret-file secret has NUL bytes"},
		"Latin-1":              {args: inFile, file: "SECRET\xe9", code: exitDenied, says: "--client-secret-file secret is not UTF-8"},
		"non-ASCII":            {args: inFile, file: "SECRET\u200b", code: exitDenied, says: "--client-secret-file secret has control or non-ASCII characters"},
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
