package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers/internal/cli"
)

// A term is a word and its meaning.
type term struct{ word, meaning string }

// environment lists the variables that commands on a tenant read. TestPagesVariables of the
// root module compares it with their code.
var environment = []term{
	{"SAIL_BASE_URL", "URL of the tenant's API."},
	{"SAIL_CLIENT_ID, SAIL_CLIENT_SECRET", "Client ID and secret, such as those of a personal access token."},
	{"SAIL_ACCESS_TOKEN", "Access token, in place of client ID and secret. It can't be renewed."},
	{"SAIL_ACTIVEENVIRONMENT", "Environment of ~/.sailpoint/config.yaml to use, unless a variable above is set."},
	{"SAIL_AUTHTYPE", "Overrides authtype of ~/.sailpoint/config.yaml. It must be pat."},
	{"HTTPS_PROXY, NO_PROXY", "Proxy to use, and hosts to reach without it."},
	{"SSL_CERT_FILE, SSL_CERT_DIR", "File and folders with the certificates of trusted authorities. Not on Windows and macOS."},
	{"NO_COLOR", "If set and not empty, the output has no colors."},
	{"TERM", "If it is dumb, the output has no colors and no progress."},
}

// files lists the files that commands on a tenant read, and the one that deploy writes.
var files = []term{
	{"./config.json", "Tenant and credentials, as BaseURL, ClientId and ClientSecret."},
	{"~/.sailpoint/config.yaml", "Tenants and credentials of SailPoint's CLI. It keeps secrets in the system's keyring, under the environment's name in lower case."},
	{"customizers/deployed.json", "Record of deploy, unless --record names another. It is in $XDG_CACHE_HOME or ~/.cache on Linux, in ~/Library/Caches on macOS and in %LocalAppData% on Windows."},
}

// exitCodes returns the exit codes, and removes them from the help of root.
func exitCodes(root *cobra.Command) (codes []term) {
	root.Long, _, _ = strings.Cut(root.Long, "\n\nExit codes:")
	for _, e := range cli.ExitCodes {
		codes = append(codes, term{strconv.Itoa(e.Code), e.Meaning})
	}
	return codes
}
