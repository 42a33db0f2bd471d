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
		Long: "Shows the source of each setting, connects to the tenant, fetches a token, shows its\n" +
			"scopes and expiry, lists, and measures the latency. For each failure, shows what to do.\n" +
			"The exit code is that of the first failure.",
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
		return "note"
	case c.OK:
		return "ok"
	}
	return "FAILED"
}

const adviceRow = "what to do"

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

func (e *checkError) Error() string { return "the check of " + e.check + " failed" }
func (e *checkError) Unwrap() error { return e.err }

// run runs the checks until one fails.
func (d *doctor) run(ctx context.Context) {
	d.environments()
	s, err := d.app.settings(ctx)
	if s != nil {
		d.settings(s)
	}
	if err != nil {
		advice := "correct the setting or its file, or use --tenant, --client-id and --client-secret-file"
		if own, ok := errors.AsType[*exitError](err); ok {
			advice = cmp.Or(own.advice, advice)
		}
		d.fail("configuration", err, advice)
		return
	}
	d.app.console.show(func() string { return "Checking the connection to " + s.Base.Value })
	seen := &tokenTransport{next: customizers.DefaultTransport()}
	client, err := d.app.newClient(s, seen, customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		d.fail("configuration", err, "correct the setting")
		return
	}
	if !d.reach(ctx, s.Base.Value) {
		return
	}
	page, err := client.List(ctx, customizers.ListOptions{Limit: 1, Count: true})
	if !d.token(seen.token, err, s.Base.Value) {
		return
	}
	if err != nil {
		d.fail("list", err, listAdvice(err))
		return
	}
	if page.Total < 0 {
		d.pass("list", "permitted")
	} else {
		d.pass("list", "%d customizers", page.Total)
	}
	d.latency(ctx, client)
}

// environments shows the environments that --env can select.
func (d *doctor) environments() {
	names, active, err := config.Environments()
	if len(names) == 0 || err != nil { // the check of the settings shows the error
		return
	}
	for i, name := range names {
		if name == active {
			names[i] += " (active)"
		}
	}
	d.pass("environments", "%s, in %s", strings.Join(names, ", "), config.YAMLFile)
}

// settings shows the source of each setting.
func (d *doctor) settings(s *settings) {
	show := func(name string, v config.Setting, shown string) {
		from := v.Name
		if v.Source != "" {
			from += ", " + v.Source
		}
		if v.Value != "" {
			d.pass(name, "%s (%s)", shown, from)
		}
	}
	show("tenant", s.Base, s.Base.Value)
	show("client ID", s.ID, s.ID.Value)
	show("client secret", s.Secret, masked(s.Secret.Value))
	show("access token", s.Token, masked(s.Token.Value))
	if s.unused != "" {
		d.pass("note", "%s", s.unused)
	}
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
	if proxy := proxyOf(base); proxy != "none" {
		d.pass("proxy", "%s", proxy)
	}
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
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxInfo))
	var info struct {
		TokenEndpoint string `json:"tokenEndpoint"`
	}
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &info)
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		d.fail("oauth/info", fmt.Errorf("%s/oauth/info returned %s", base, resp.Status), "check the tenant's address: this is not its API, or the API is out of service")
		return false
	case err != nil:
		d.fail("oauth/info", fmt.Errorf("%s/oauth/info did not return JSON: %w", base, err), "check the tenant's address and the proxy: this is not its API")
		return false
	}
	d.pass("oauth/info", "reached in %v", time.Since(start).Round(time.Millisecond))
	if api, ok := strings.CutSuffix(info.TokenEndpoint, "/oauth/token"); ok && !strings.EqualFold(api, base) {
		d.print(check{
			Name: "API address", OK: true, Detail: "the tenant's own address is " + api + ", not " + base,
			Advice: "set the tenant to " + api + ", unless " + base + " is a gateway to it: a vanity address is that of the user interface, not of the API",
		})
	}
	return true
}

// token shows the token of the first list. The list returned err.
func (d *doctor) token(token string, err error, base string) bool {
	if e, ok := errors.AsType[*customizers.Error](err); ok && e.Path == "/oauth/token" {
		advice := "try again; if it fails again, check the service's status page"
		switch {
		case errors.Is(err, customizers.ErrUnauthorized):
			advice = "check the client ID and the secret, or create a new personal access token"
		case errors.Is(err, customizers.ErrConnection):
			advice = connectionAdvice(err, base)
		}
		d.fail("token", err, advice)
		return false
	}
	if token == "" {
		d.fail("token", err, "")
		return false
	}
	claims, jwtErr := claimsOf(token)
	if jwtErr != nil {
		d.pass("token", "fetched; it is not a JWT, so its scopes and expiry are unknown")
		return true
	}
	left := "no expiry"
	if claims.Expires != 0 {
		expires := time.Unix(int64(claims.Expires), 0)
		left = fmt.Sprintf("expires in %v, at %s", time.Until(expires).Round(time.Second), expires.UTC().Format(time.RFC3339))
	}
	d.pass("token", "%s", left)
	d.pass("scopes", "%s", claims.scopes())
	return true
}

func listAdvice(err error) string {
	e, ok := errors.AsType[*customizers.Error](err)
	switch {
	case errors.Is(err, customizers.ErrUnauthorized):
		return "check that the token belongs to this tenant and has not expired"
	case errors.Is(err, customizers.ErrForbidden):
		return "give the token's user the level ORG_ADMIN, and the token the scope sp:connector:read"
	case ok && e.StatusCode == http.StatusNotFound:
		return "check the tenant's address and --api-version: this URL does not serve connector customizers"
	case errors.Is(err, customizers.ErrRateLimited):
		return "other programs use this client ID: wait, or create another client ID for this one"
	}
	return "try again; if it fails again, check the service's status page, and give SailPoint's support the tracking ID"
}

// latency measures sequential requests over an open connection.
func (d *doctor) latency(ctx context.Context, client *customizers.Client) {
	var took []time.Duration
	for range 5 {
		start := time.Now()
		if _, err := client.List(ctx, customizers.ListOptions{Limit: 1}); err != nil {
			d.fail("latency", err, listAdvice(err))
			return
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	d.pass("latency", "median %v of %d requests, %v at most", readable(took[len(took)/2]), len(took), readable(took[len(took)-1]))
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
	Expires float64         `json:"exp"`
	Scope   json.RawMessage `json:"scope"`
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
