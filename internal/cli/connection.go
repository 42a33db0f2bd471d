package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/zalando/go-keyring"
	"golang.org/x/oauth2"
	"golang.org/x/term"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/internal/config"
)

const configurationHelp = `The tenant and the credentials come from the first of these sources that has any:

1. SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET (or SAIL_ACCESS_TOKEN)
2. ./config.json
3. ~/.sailpoint/config.yaml and the system's keyring, as SailPoint's CLI stores them

Flags override these settings. A flag and a source can be combined only if the source names no
other tenant. 'customizers doctor' shows the source of each setting.`

// A connection holds the flags that select a tenant and credentials.
type connection struct {
	tenant, clientID, secretFile, env, version string
	maxWait                                    time.Duration
}

func (a *app) addConnectionFlags(cmd *cobra.Command) {
	c, f := &a.connect, cmd.Flags()
	f.StringVar(&c.tenant, "tenant", "", "`tenant`, as a name (acme) or the URL of its API")
	f.StringVar(&c.clientID, "client-id", "", "client `ID`, for example of a personal access token")
	f.StringVar(&c.secretFile, "client-secret-file", "", "`file` that holds the client secret, or - for standard input")
	f.StringVar(&c.env, "env", "", "`environment` of ~/.sailpoint/config.yaml to use, instead of the active one")
	f.StringVar(&c.version, "api-version", string(customizers.APIVersion2024), "API `version`: v2024, v2025, v2026 or v1")
	if cmd.Name() != "doctor" { // which retries nothing
		f.DurationVar(&c.maxWait, "max-wait", time.Minute, "longest wait to accept from a rate limit")
	}
	a.addQuietFlag(cmd)
	f.BoolVarP(&a.console.verbose, "verbose", "v", false, "log each request: method, path, status, attempt and time")
	for _, name := range []string{"tenant", "client-id"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = cmd.RegisterFlagCompletionFunc("env", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return slices.DeleteFunc(config.Environments(), func(name string) bool { return !plainWord(name) }), cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.RegisterFlagCompletionFunc("api-version",
		cobra.FixedCompletions(apiVersions, cobra.ShellCompDirectiveNoFileComp))
}

var apiVersions = []string{string(customizers.APIVersion2024), string(customizers.APIVersion2025), string(customizers.APIVersion2026), string(customizers.APIVersionV1)}

// check rejects invalid flags. An empty flag often comes from an unset variable. Ignoring it
// could select another tenant.
func (c *connection) check(cmd *cobra.Command) error {
	for _, name := range []string{"tenant", "client-id", "client-secret-file", "env"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && strings.TrimSpace(f.Value.String()) == "" {
			return &exitError{err: fmt.Errorf("--%s is empty", name), code: exitDenied}
		}
	}
	switch {
	case cmd.Flags().Lookup("api-version") != nil && !slices.Contains(apiVersions, c.version):
		return usageErrorf("unknown API version %q (want %s)", c.version, "v2024, v2025, v2026 or v1")
	case c.clientID != "" && c.secretFile == "":
		return usageErrorf("--client-id needs --client-secret-file")
	case c.secretFile != "" && c.clientID == "":
		return usageErrorf("--client-secret-file needs --client-id")
	case c.maxWait < 0, cmd.Flags().Changed("max-wait") && c.maxWait == 0:
		return usageErrorf("--max-wait %v is not positive", c.maxWait)
	}
	return nil
}

// settings returns the settings to use. It returns an error if a setting is missing or
// invalid, or if the settings belong to two tenants.
func (a *app) settings(ctx context.Context) (config.Settings, error) {
	s, err := a.find(ctx)
	if err == nil {
		err = s.Check()
	}
	if err == nil || ctx.Err() != nil {
		return s, ctx.Err()
	}
	own := &exitError{err: err, code: exitDenied}
	none, notFound := errors.AsType[*config.NotFoundError](err)
	inURL, ok := errors.AsType[*config.URLError](err)
	switch {
	case notFound:
		own.advice = none.Advice()
	case ok && inURL.Credentials:
		own.advice = "set SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or use --client-id and --client-secret-file"
	case ok:
		own.advice = "select an API version with --api-version"
	}
	return s, own
}

// find returns the settings of the flags, and those that the flags leave out from the first
// source that has settings.
func (a *app) find(ctx context.Context) (s config.Settings, err error) {
	c := &a.connect
	if c.tenant != "" {
		if s.Base, err = (config.Setting{Name: "--tenant", Value: c.tenant}).BaseURL(); err != nil {
			return s, err
		}
	}
	if c.secretFile != "" {
		if s.Secret, err = a.readSecret(ctx, c.secretFile); err != nil {
			return s, err
		}
		s.ID = config.Setting{Name: "--client-id", Value: c.clientID}
	}
	if s.Base.Value != "" && s.ID.Value != "" {
		return s, nil
	}
	secrets := keyringSecrets(ctx)
	if s.ID.Value != "" { // the flags have the credentials
		secrets = func(string, string) (string, error) { return "", nil }
	}
	found, err := config.Find(config.Setting{Name: "--env", Value: c.env}, secrets)
	if none, ok := errors.AsType[*config.NotFoundError](err); ok {
		none.Tenant, none.Credentials = s.Base.Value != "", s.ID.Value != ""
	}
	if err != nil {
		return s, err
	}
	if s.Base.Value != "" {
		if found.Base.Value != "" && found.Base.Value != s.Base.Value {
			return found, fmt.Errorf("--tenant is %s, but the credentials in %s are for %s (use --client-id and --client-secret-file too)",
				s.Base.Value, found.Source, found.Base.Value)
		}
		found.Base = s.Base
	}
	if s.ID.Value != "" {
		found.Credentials = s.Credentials
	}
	return found, nil
}

// unused names variables that are set but not used. The source is empty if the flags have all
// settings.
func (c *connection) unused(source string) string {
	active := os.Getenv(config.ActiveEnvironment)
	switch {
	case source == "":
	case c.env != "" && active+os.Getenv("SAIL_BASE_URL")+os.Getenv("SAIL_CLIENT_ID")+os.Getenv("SAIL_CLIENT_SECRET")+os.Getenv("SAIL_ACCESS_TOKEN") != "":
		return "SAIL_ variables are not used: --env selects another source"
	case source == config.Environ && active != "":
		return config.ActiveEnvironment + " is not used: other SAIL_ variables set the tenant or credentials"
	}
	return ""
}

// keyringSecrets returns a function that reads the system's keyring. A keyring may never
// answer, for example while it waits for a password in a window that nobody sees.
func keyringSecrets(ctx context.Context) config.Keyring {
	return func(service, user string) (string, error) {
		within, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		secret, err := await(within, func() (string, error) { return keyring.Get(service, user) })
		switch {
		case errors.Is(err, keyring.ErrNotFound):
			return "", nil
		case within.Err() != nil && ctx.Err() == nil:
			return "", errors.New("the system's keyring does not answer")
		case errors.Is(err, exec.ErrNotFound): // it tried to start a session with dbus-launch
			return "", errors.New("the system's keyring can't be read: no D-Bus session is running")
		case err != nil:
			return "", fmt.Errorf("the system's keyring can't be read: %s of %s: %w", service, user, err)
		}
		return secret, nil
	}
}

// readSecret reads a secret from a file, without its final line break. It prompts on a
// terminal. No flag takes the secret itself: other users can see the arguments of a process.
func (a *app) readSecret(ctx context.Context, path string) (config.Setting, error) {
	const maxSecret = 64 << 10
	s := config.Setting{Name: "--client-secret-file " + path}
	var data []byte
	var err error
	if tty, ok := a.in.(*os.File); ok && path == "-" && isTerminal(tty) {
		data, err = a.promptSecret(ctx, tty)
	} else {
		from := a.in
		if path != "-" {
			f, err := os.Open(path) //nolint:gosec // the file that the user names
			if err != nil {
				return s, fmt.Errorf("--client-secret-file: %w", err)
			}
			defer func() { _ = f.Close() }()
			from = f
		}
		data, err = io.ReadAll(io.LimitReader(from, maxSecret))
	}
	if err != nil {
		return s, fmt.Errorf("--client-secret-file: %w", err)
	}
	text, err := config.Text(s.Name, data)
	if err != nil {
		return s, err
	}
	s.Value = strings.TrimRight(string(text), "\r\n")
	if s.Value == "" {
		if path == "-" {
			path = "standard input"
		}
		return s, fmt.Errorf("--client-secret-file: %s is empty", path)
	}
	return s, nil
}

// errInterrupted reports Ctrl-C in a prompt for a secret, where it sends no signal.
var errInterrupted = errors.New("interrupted")

// promptSecret reads a secret from a terminal. It turns off echo before it prompts.
func (a *app) promptSecret(ctx context.Context, tty *os.File) (secret []byte, err error) {
	state, err := term.MakeRaw(int(tty.Fd()))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, term.Restore(int(tty.Fd()), state)) }()
	prompt := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{tty, a.console}, "")
	text, err := await(ctx, func() (string, error) { return prompt.ReadPassword("Client secret: ") })
	if errors.Is(err, io.EOF) { // Ctrl-C or Ctrl-D
		err = errInterrupted
	}
	if err != nil {
		_, _ = io.WriteString(a.console, "\r\n")
	}
	return []byte(text), err
}

// client returns the client of a command. With --verbose, it logs the tenant.
func (a *app) client(ctx context.Context) (*customizers.Client, error) {
	s, err := a.settings(ctx)
	if err != nil {
		return nil, err
	}
	a.tenant = s.Base.Value
	if a.console.verbose {
		a.console.print(fmt.Sprintf("The tenant is %s (from %s).", a.tenant, s.Base))
	}
	return a.newClient(s, customizers.DefaultTransport())
}

// newClient returns a client with the given settings.
func (a *app) newClient(s config.Settings, transport http.RoundTripper, opts ...customizers.Option) (*customizers.Client, error) {
	auth := customizers.ClientCredentials(s.ID.Value, s.Secret.Value)
	if s.Token.Value != "" {
		auth = customizers.TokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: s.Token.Value}))
	}
	all := []customizers.Option{
		customizers.WithAPIVersion(customizers.APIVersion(a.connect.version)),
		customizers.WithRetry(customizers.RetryPolicy{MaxWait: a.connect.maxWait}),
		customizers.WithUserAgent("customizers-cli"),
		customizers.WithLogger(a.logger()),
	}
	if !a.console.quiet {
		all = append(all, customizers.WithObserver(a.observer()))
		if a.console.terminal {
			transport = &progressTransport{next: transport, console: a.console}
		}
	}
	all = append(all, customizers.WithHTTPClient(&http.Client{Transport: transport}))
	return customizers.New(s.Base.Value, auth, append(all, opts...)...)
}
