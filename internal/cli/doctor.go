package cli

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/internal/config"
)

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the configuration, the credentials and the connection",
		Long: "Check the configuration one step at a time: settings, connection, token, scopes and a\n" +
			"list. Doctor stops at the first check that fails, says how to fix it, and exits with that\n" +
			"failure's code.",
		Example: "  # Check the active environment\n  customizers doctor\n\n" +
			"  # Check an environment of SailPoint's CLI with another API version\n  customizers doctor --env test --api-version v1",
		SuggestFor: []string{"check", "status"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{app: a, p: newPrinter(a, checkView, true)}
			d.run(cmd.Context())
			if err := d.p.end(); err != nil {
				return err
			}
			return d.failed
		},
	}
	a.addTableFlags(cmd)
	return cmd
}

// A check is the result of one check.
type check struct {
	Name   string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Advice string `json:"advice,omitzero"`
}

var checkView = view[check]{
	id: func(c check) string { return c.Name },
	columns: []column[check]{
		{head: "STATE", cell: check.state, color: func(c check) text.Colors {
			return map[string]text.Colors{"ok": {text.FgGreen}, "FAILED": {text.FgRed}}[c.state()]
		}},
		{head: "CHECK", cell: func(c check) string { return c.Name }},
		{head: "DETAIL", cell: func(c check) string { return c.Detail }, fit: wrap},
	},
}

// state returns the state of a check. The row of the advice has none.
func (c check) state() string {
	switch {
	case c.Name == adviceRow:
		return ""
	case c.OK && c.Advice != "":
		return "info"
	case c.OK:
		return "ok"
	}
	return "FAILED"
}

const adviceRow = "fix"

// A doctor checks settings and the connection.
type doctor struct {
	app    *app
	p      *printer[check]
	failed error // the first failure
}

func (d *doctor) print(c check) {
	d.p.print(c)
	if c.Advice != "" && d.app.output.format == formatTable {
		d.p.print(check{Name: adviceRow, Detail: c.Advice})
	}
	_ = d.p.flush()
}

func (d *doctor) pass(name, format string, args ...any) {
	d.print(check{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (d *doctor) fail(name string, err error, advice string) {
	if errors.Is(err, context.Canceled) {
		d.failed = err // an interrupted check has no result
		return
	}
	d.print(check{Name: name, Detail: messageOf(err), Advice: advice})
	if d.failed == nil {
		d.failed = &checkError{check: name, err: err}
	}
}

// A checkError is the error of a failed check. The table has the reason and the advice.
type checkError struct {
	check string
	err   error
}

func (e *checkError) Error() string { return "the " + e.check + " check failed" }
func (e *checkError) Unwrap() error { return e.err }

// run runs the checks until one fails.
func (d *doctor) run(ctx context.Context) {
	s, err := d.app.settings(ctx)
	d.settings(s)
	if err != nil {
		advice := "correct the setting or its file, or use --tenant, --client-id and --client-secret-file"
		if own, ok := errors.AsType[*exitError](err); ok {
			advice = cmp.Or(own.advice, advice)
		}
		d.fail("configuration", err, advice)
		return
	}
	base := s.Base.Value
	d.app.console.show(func() string { return "Checking the connection to " + base })
	seen := &tokenTransport{next: customizers.DefaultTransport()}
	client, err := d.app.newClient(s, seen, customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		d.fail("configuration", err, "correct the setting")
		return
	}
	if !d.reach(ctx, base) {
		return
	}
	page, err := client.List(ctx, customizers.ListOptions{Limit: 1, Count: true})
	if seen.token == "" {
		d.fail("token", err, requestAdvice(err, base))
		return
	}
	d.token(seen.token)
	switch {
	case err != nil:
		d.fail("list", err, requestAdvice(err, base))
	case page.Total < 0:
		d.pass("list", "permitted")
	default:
		d.pass("list", "%s", countOf(page.Total, "customizer"))
	}
}

// settings shows the source of each setting.
func (d *doctor) settings(s config.Settings) {
	show := func(name string, v config.Setting, shown, advice string) {
		if v.Value != "" {
			d.print(check{Name: name, OK: true, Detail: shown + " (from " + v.String() + ")", Advice: advice})
		}
	}
	show("tenant", s.Base, s.Base.Value, "")
	id, advice := s.ID.Value, adviceOnValue(s.ID.Value)
	if len(id) > longestID {
		id, advice = masked(id), "this looks like a secret: the ID of a personal access token has 32 characters and its secret 64, so they look swapped"
	}
	show("client ID", s.ID, id, advice)
	show("client secret", s.Secret, masked(s.Secret.Value), adviceOnValue(s.Secret.Value))
	show("access token", s.Token, masked(s.Token.Value), adviceOnValue(s.Token.Value))
	if unused := d.app.connect.unused(s.Source); unused != "" {
		d.pass("variables", "%s", unused)
	}
	end := "supported until Q2 2028; it stops working in Q1 2029" // by SailPoint's API versioning strategy
	if d.app.connect.version == string(customizers.APIVersionV1) {
		end = "no end announced"
	}
	d.pass("API version", "%s, %s", d.app.connect.version, end)
}

// longestID is the length of the longest client ID to show. One that is longer may be a secret.
const longestID = 40

var placeholder = regexp.MustCompile(`^(\$[({].*[)}]|\$\w+|\{\{.*\}\}|%\w+%|<.+>)$`)

// adviceOnValue returns advice on a value that a shell or pipeline passed on as it was written.
func adviceOnValue(value string) string {
	switch {
	case strings.Trim(value, `"'`) != value:
		return "remove the quotes, which are part of the value"
	case placeholder.MatchString(value):
		return "the value is a placeholder that nothing replaced: check the name of the variable or secret that it refers to"
	}
	return ""
}

// masked describes a secret by its length, which reveals a truncated one.
func masked(secret string) string {
	if len(secret) == 1 {
		return "set, 1 character"
	}
	return fmt.Sprintf("set, %d characters", len(secret))
}

// reach requests the tenant's endpoints, which needs no token.
func (d *doctor) reach(ctx context.Context, base string) bool {
	const maxInfo = 64 << 10
	if err := checkProxy(); err != nil {
		d.fail("proxy", err, "correct the variable: percent-encode special characters of the password")
		return false
	}
	d.proxy(base)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/oauth/info", nil)
	var resp *http.Response
	if err == nil {
		resp, err = customizers.DefaultTransport().RoundTrip(req)
	}
	if err != nil {
		d.fail("oauth/info", err, connectionAdvice(err, base))
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	var info struct {
		TokenEndpoint string `json:"tokenEndpoint"`
	}
	if err = customizers.CheckResponse(resp); err == nil {
		if jsonErr := json.NewDecoder(io.LimitReader(resp.Body, maxInfo)).Decode(&info); jsonErr != nil {
			err = fmt.Errorf("%s/oauth/info did not return JSON: %w", base, jsonErr)
		}
	}
	if err != nil {
		advice := "check the tenant's URL and the proxy: this is not its API, or the API is out of service"
		if fromIntermediary(err) {
			advice = intermediaryAdvice
		}
		d.fail("oauth/info", errors.New(messageOf(err)), advice) // the status doesn't decide the exit code
		return false
	}
	d.pass("oauth/info", "reached in %v", time.Since(start).Round(time.Millisecond))
	if api, ok := strings.CutSuffix(info.TokenEndpoint, "/oauth/token"); ok && !strings.EqualFold(api, base) {
		d.print(check{
			Name: "API URL", OK: true, Detail: "the tenant's own API URL is " + api + ", not " + base,
			Advice: "set the tenant to " + api + ", unless " + base + " is a gateway to it: a vanity URL is that of the user interface, not of the API",
		})
	}
	return true
}

// proxy shows the proxy, or why a variable does not select one.
func (d *doctor) proxy(base string) {
	set := func(name string) bool { return os.Getenv(name)+os.Getenv(strings.ToLower(name)) != "" }
	proxy := proxyOf(base)
	switch {
	case proxy != "none":
		d.pass("proxy", "%s", proxy)
	case set("HTTPS_PROXY") && strings.HasPrefix(base, "https:"):
		d.pass("proxy", "none: HTTPS_PROXY does not apply to this host (see NO_PROXY)")
	case set("ALL_PROXY"):
		d.print(check{Name: "proxy", OK: true, Detail: "none: ALL_PROXY is not used", Advice: "if the tenant is reached through this proxy, set HTTPS_PROXY to its URL"})
	}
}

// token shows what a token says of itself.
func (d *doctor) token(token string) {
	claims, err := claimsOf(token)
	if err != nil {
		d.pass("token", "fetched; it is not a JWT, so its scopes and expiry are unknown")
		return
	}
	d.pass("token", "%s", claims.expiry())
	d.pass("scopes", "%s", claims.scopes())
}

// A tokenTransport keeps the last token that was sent. Its requests must not be concurrent.
type tokenTransport struct {
	next  http.RoundTripper
	token string
}

func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok {
		t.token = token
	}
	return t.next.RoundTrip(req)
}

// claims are the claims of a JWT that doctor shows.
type claims struct {
	Expires json.RawMessage `json:"exp"`
	Scope   json.RawMessage `json:"scope"`
}

// expiry describes the exp claim, which should be a number but may be one in a string.
func (c *claims) expiry() string {
	const latest = 1 << 40 // far in the future, but valid for the package time
	var number json.Number
	if len(c.Expires) == 0 {
		return "no expiry"
	}
	_ = json.Unmarshal(c.Expires, &number)
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > latest {
		return "fetched; its expiry can't be read"
	}
	expires := time.Unix(int64(seconds), 0)
	return fmt.Sprintf("expires in %v, at %s", time.Until(expires).Round(time.Second), expires.UTC().Format(time.RFC3339))
}

// scopes describes the scope claim: names in an array or in one string. Some tenants send a
// bitmap instead, which only the service can read.
func (c *claims) scopes() string {
	var names []string
	var one string
	if json.Unmarshal(c.Scope, &one) == nil {
		names = strings.Fields(one)
	} else if json.Unmarshal(c.Scope, &names) != nil {
		names = nil
	}
	all := strings.Join(names, " ")
	switch {
	case len(names) == 0, slices.ContainsFunc(names, func(n string) bool { return !strings.Contains(n, ":") }):
		return "unknown: the token does not name its scopes"
	case slices.Contains(names, "sp:scopes:all") || slices.Contains(names, "sp:connector:manage"):
		return all
	}
	return all + " (create, update, delete and upload need sp:connector:manage)"
}

// claimsOf reads a JWT, without checking its signature.
func claimsOf(token string) (claims, error) {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, errors.New("not a JWT")
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	return c, err
}
