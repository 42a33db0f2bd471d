package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
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

// takeExitCodes returns the exit codes from the help of root or of one of its topics, and
// removes them from there. They are a paragraph of the form "Exit codes: 0 done; 1 failed",
// or have a line each.
func takeExitCodes(root *cobra.Command) ([]term, error) {
	paragraph := regexp.MustCompile(`(?s)Exit codes:\s+(0 .*?)(\n\n|$)`)
	for _, c := range append(root.Commands(), root) {
		found := paragraph.FindStringSubmatch(c.Long)
		if found == nil {
			continue
		}
		c.Long = strings.TrimSpace(strings.Replace(c.Long, found[0], "", 1))
		return exitCodes(found[1])
	}
	return nil, fmt.Errorf("the help of %s has no exit codes", root.Name())
}

func exitCodes(list string) (codes []term, err error) {
	starts := regexp.MustCompile(`(?:^|[;\n])\s*(\d+)\s+`).FindAllStringSubmatchIndex(list, -1)
	for i, at := range starts {
		end := len(list)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		meaning := strings.Join(strings.Fields(list[at[1]:end]), " ")
		codes = append(codes, term{list[at[2]:at[3]], strings.TrimSuffix(meaning, ".")})
		if codes[i].word != strconv.Itoa(i) {
			return nil, fmt.Errorf("exit code %s in the help is at the position of %d", codes[i].word, i)
		}
	}
	return codes, nil
}
