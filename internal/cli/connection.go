package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/zalando/go-keyring"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/internal/config"
)

const configurationHelp = `The tenant and the credentials come from flags; then from SAIL_BASE_URL, SAIL_CLIENT_ID
and SAIL_CLIENT_SECRET (or SAIL_ACCESS_TOKEN) in the environment; then from ./config.json;
then from ~/.sailpoint/config.yaml and the system's keyring, where SailPoint's CLI keeps
them. 'customizers doctor' shows which of them is used.`

// A connection is what the command line says about the tenant.
type connection struct {
	tenant, clientID, secretFile, env, version string
	maxWait                                    time.Duration
}

func (c *connection) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.tenant, "tenant", "", `tenant, as a name ("acme") or the URL of its API`)
	f.StringVar(&c.clientID, "client-id", "", "client ID, such as that of a personal access token")
	f.StringVar(&c.secretFile, "client-secret-file", "", "`file` that holds the client secret, or - for standard input")
	f.StringVar(&c.env, "env", "", "`environment` of ~/.sailpoint/config.yaml to use, instead of the active one")
	f.StringVar(&c.version, "api-version", string(customizers.APIVersion2024), "version of the API: v2024, v2025, v2026 or v1")
	f.DurationVar(&c.maxWait, "max-wait", time.Minute, "longest wait that the service may ask for when it limits the rate")
	for _, name := range []string{"tenant", "client-id", "env"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = cmd.RegisterFlagCompletionFunc("api-version",
		cobra.FixedCompletions(apiVersions, cobra.ShellCompDirectiveNoFileComp))
}

var apiVersions = []string{string(customizers.APIVersion2024), string(customizers.APIVersion2025), string(customizers.APIVersion2026), string(customizers.APIVersion1)}

// check refuses flags that can't be used, before anything is looked for. One that is
// given and empty comes from a variable that is not set, and must not lead to another
// tenant.
func (c *connection) check(cmd *cobra.Command) error {
	for _, name := range []string{"tenant", "client-id", "client-secret-file", "env"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && strings.TrimSpace(f.Value.String()) == "" {
			return usageErrorf("--%s is empty", name)
		}
	}
	switch {
	case c.version != "" && !slices.Contains(apiVersions, c.version):
		return usageErrorf("there is no API version %q: use %s", c.version, strings.Join(apiVersions, ", "))
	case c.clientID != "" && c.secretFile == "":
		return usageErrorf("--client-id needs --client-secret-file")
	case c.secretFile != "" && c.clientID == "":
		return usageErrorf("--client-secret-file needs --client-id")
	}
	return nil
}

// settings are those in force.
type settings struct {
	config.Settings
	unused string // a source that has settings and is not used
}

// settings finds those in force. It is an error if one is missing or can't be used, or if
// they would belong to two tenants.
func (c *connection) settings(stdin io.Reader) (*settings, error) {
	s := &settings{}
	if c.tenant != "" {
		base, err := config.Setting{Name: "--tenant", Value: c.tenant}.BaseURL()
		if err != nil {
			return nil, usageErrorf("%v", err)
		}
		s.Base = base
	}
	if c.secretFile != "" {
		secret, err := readSecret(c.secretFile, stdin)
		if err != nil {
			return nil, err
		}
		s.ID, s.Secret = config.Setting{Name: "--client-id", Value: c.clientID}, secret
	}
	if s.Base.Value == "" || s.ID.Value == "" {
		found, looked, err := config.Find(config.Setting{Name: "--env", Value: c.env}, keyringSecret)
		if looked != nil {
			err = fmt.Errorf("no tenant and no credentials: looked at the flags, in %s", strings.Join(looked, ", in "))
		}
		if err != nil {
			return s, denied(err)
		}
		if err := s.fill(found); err != nil {
			return s, err
		}
		s.unused = c.setAside(found.Source)
	}
	if err := s.Check(); err != nil {
		return s, denied(err)
	}
	return s, nil
}

// fill takes from a source what the flags left out.
func (s *settings) fill(found config.Settings) error {
	flags := s.Settings
	s.Settings = found
	if flags.Base.Value != "" {
		if found.Base.Value != "" && found.Base.Value != flags.Base.Value {
			return usageErrorf("--tenant is %s, and the credentials in %s are those of %s: give --client-id and --client-secret-file too",
				flags.Base.Value, found.Source, found.Base.Value)
		}
		s.Base = flags.Base
	}
	if flags.ID.Value != "" {
		s.Credentials = flags.Credentials
	}
	return nil
}

// setAside names the variables that are set but not used.
func (c *connection) setAside(source string) string {
	active := os.Getenv(config.ActiveEnvironment)
	switch {
	case c.env != "" && active+os.Getenv("SAIL_BASE_URL")+os.Getenv("SAIL_CLIENT_ID")+os.Getenv("SAIL_CLIENT_SECRET")+os.Getenv("SAIL_ACCESS_TOKEN") != "":
		return "the environment has SAIL_ variables, which --env sets aside"
	case source == config.Environ && active != "":
		return config.ActiveEnvironment + " is not used: the environment has a tenant or credentials"
	}
	return ""
}

func denied(err error) error { return &adviceError{err: err, code: exitDenied} }

// keyringSecret reads the system's keyring.
func keyringSecret(service, user string) (string, error) {
	secret, err := keyring.Get(service, user)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s of %s: %w", service, user, err)
	}
	return secret, nil
}

// readSecret reads a secret from a file, without the line breaks at its end. It is never an
// argument, which every user of the machine can see.
func readSecret(path string, stdin io.Reader) (config.Setting, error) {
	const maxSecret = 64 << 10
	s := config.Setting{Name: "--client-secret-file " + path}
	from := stdin
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // the file that the user names
		if err != nil {
			return s, usageErrorf("--client-secret-file: %v", err)
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxSecret))
	if err != nil {
		return s, usageErrorf("--client-secret-file: %v", err)
	}
	text, err := config.Text(s.Name, data)
	if err != nil {
		return s, denied(err)
	}
	s.Value = strings.TrimRight(string(text), "\r\n")
	if s.Value == "" {
		return s, usageErrorf("--client-secret-file: %s is empty", path)
	}
	return s, nil
}

// client makes the client for a command.
func (a *app) client() (*customizers.Client, error) {
	if a.connect.maxWait <= 0 {
		return nil, usageErrorf("--max-wait %v is not positive", a.connect.maxWait)
	}
	s, err := a.connect.settings(a.in)
	if err != nil {
		return nil, err
	}
	return a.clientOf(s, nil)
}

// clientOf makes a client; the transport may be nil.
func (a *app) clientOf(s *settings, transport http.RoundTripper, opts ...customizers.Option) (*customizers.Client, error) {
	if transport == nil {
		transport = customizers.DefaultTransport()
	}
	auth := customizers.ClientCredentials(s.ID.Value, s.Secret.Value)
	if s.Token.Value != "" {
		auth = customizers.TokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: s.Token.Value}))
	}
	all := []customizers.Option{
		customizers.WithAPIVersion(customizers.APIVersion(a.connect.version)),
		customizers.WithRetry(customizers.RetryPolicy{MaxWait: a.connect.maxWait}),
		customizers.WithUserAgent("customizers-cli"),
		customizers.WithHTTPClient(&http.Client{Transport: &progressTransport{next: transport, console: a.console}}),
		customizers.WithLogger(a.logger()),
		customizers.WithObserver(a.observer()),
	}
	return customizers.New(s.Base.Value, auth, append(all, opts...)...)
}
