package cli

import (
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

// A setting is a value and where it came from.
type setting struct{ value, from string }

// settings are those in force.
type settings struct {
	base, id, secret, token setting
	unused                  []string // sources that say something and were not asked
}

// settings finds what is in force. It is an error when something is missing, or would be
// mixed of two tenants.
func (c *connection) settings(stdin io.Reader) (*settings, error) {
	s := &settings{}
	if c.secretFile != "" {
		secret, err := readSecret(c.secretFile, stdin)
		if err != nil {
			return nil, err
		}
		s.id = setting{strings.TrimSpace(c.clientID), "--client-id"}
		s.secret = setting{secret, "--client-secret-file"}
	}
	if c.tenant != "" {
		base, err := config.BaseURL(c.tenant)
		if err != nil {
			return nil, usageErrorf("--tenant: %v", err)
		}
		s.base = setting{base, "--tenant"}
	}
	if s.base.value != "" && s.id.value != "" {
		return s, nil
	}
	found, looked, err := config.Find(c.env, keyringSecret)
	if err != nil {
		return s, denied(err)
	}
	if c.env != "" && os.Getenv("SAIL_BASE_URL")+os.Getenv("SAIL_CLIENT_ID")+os.Getenv("SAIL_ACCESS_TOKEN") != "" {
		s.unused = append(s.unused, "the environment has SAIL_ variables, which --env sets aside")
	}
	if looked != nil {
		return s, denied(fmt.Errorf("no tenant and no credentials: looked at the flags, in %s", strings.Join(looked, ", in ")))
	}
	return s, s.fill(found)
}

// fill takes from a source what the flags left out.
func (s *settings) fill(f config.Source) error {
	from := func(v config.Setting) setting { return setting{v.Value, v.Name + ", " + f.Where} }
	base := from(f.Base)
	if base.value != "" {
		url, err := config.BaseURL(base.value)
		if err != nil {
			return denied(fmt.Errorf("%s in %s: %w", f.Base.Name, f.Where, err))
		}
		base.value = url
	}
	if s.base.value != "" && s.id.value == "" && base.value != "" && base.value != s.base.value {
		return usageErrorf("--tenant is %s, and the credentials in %s are those of %s: give --client-id and --client-secret-file too",
			s.base.value, f.Where, base.value)
	}
	if s.base.value == "" {
		s.base = base
	}
	if s.id.value == "" {
		s.token, s.id, s.secret = from(f.Token), from(f.ID), from(f.Secret)
		if s.token.value != "" { // it wins, as in customizers.NewFromEnv
			s.id, s.secret = setting{}, setting{}
		}
	}
	var missing []string
	add := func(v setting, name string) {
		if v.value == "" {
			missing = append(missing, name)
		}
	}
	add(s.base, f.Base.Name)
	if s.token.value == "" {
		add(s.id, f.ID.Name)
		add(s.secret, f.Secret.Name)
	}
	if len(missing) > 0 {
		return denied(fmt.Errorf("%s not set in %s%s", strings.Join(missing, " and "), f.Where, f.Tip))
	}
	return nil
}

func denied(err error) error { return &adviceError{err: err, code: exitDenied} }

// keyringSecret reads the system's keyring. That there is none is no error, as most
// servers have none.
func keyringSecret(service, user string) (string, error) {
	secret, err := keyring.Get(service, user)
	if err != nil {
		return "", fmt.Errorf("%s of %s: %w", service, user, err)
	}
	return secret, nil
}

// readSecret reads a secret from a file, and never from the command line, which every
// user of a machine can see.
func readSecret(path string, stdin io.Reader) (string, error) {
	const maxSecret = 64 << 10
	from := stdin
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // the file that the user names
		if err != nil {
			return "", usageErrorf("--client-secret-file: %v", err)
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxSecret))
	if err != nil {
		return "", usageErrorf("--client-secret-file: %v", err)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", usageErrorf("--client-secret-file: %s is empty", path)
	}
	return secret, nil
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
	auth := customizers.ClientCredentials(s.id.value, s.secret.value)
	if s.token.value != "" {
		auth = customizers.TokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: s.token.value}))
	}
	all := []customizers.Option{
		customizers.WithAPIVersion(customizers.APIVersion(a.connect.version)),
		customizers.WithRetry(customizers.RetryPolicy{MaxWait: a.connect.maxWait}),
		customizers.WithUserAgent("customizers-cli"),
		customizers.WithHTTPClient(&http.Client{Transport: &progressTransport{next: transport, console: a.console}}),
		customizers.WithLogger(a.logger()),
		customizers.WithObserver(a.observer()),
	}
	return customizers.New(s.base.value, auth, append(all, opts...)...)
}
