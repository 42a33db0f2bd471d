package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/internal/config"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the configuration, the credentials and the connection",
		Long: "Shows where each setting comes from, reaches the tenant, fetches a token, shows its\n" +
			"scopes and expiry, lists, and measures the latency. It says what to do about each\n" +
			"failure. The exit code is that of the first failure.",
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{app: a, p: listOf(a, checkView)}
			d.examine(cmd.Context())
			if err := d.p.end(); err != nil {
				return err
			}
			return d.failed
		},
	}
}

// A check is one thing that doctor examined.
type check struct {
	Name   string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Advice string `json:"advice,omitzero"`
}

var checkView = view[check]{
	id: func(c check) string { return c.Name },
	columns: []column[check]{
		{head: "STATE", cell: check.state, least: len("FAILED"), colour: func(c check) string {
			return map[string]string{"ok": green, "FAILED": red}[c.state()]
		}},
		{head: "CHECK", cell: func(c check) string { return c.Name }, least: len("client secret")},
		{head: "DETAIL", cell: func(c check) string { return c.Detail }, narrow: wraps},
	},
}

// state is empty for the line that says what to do about the check above it.
func (c check) state() string {
	switch {
	case c.Name == todo:
		return ""
	case c.OK && c.Advice != "":
		return "note"
	case c.OK:
		return "ok"
	}
	return "FAILED"
}

const todo = "what to do"

type doctor struct {
	app    *app
	p      *printer[check]
	failed error // the first failure
}

func (d *doctor) print(c check) {
	_ = d.p.print(c)
	if c.Advice != "" && d.app.output.format == formatTable {
		_ = d.p.print(check{Name: todo, Detail: c.Advice})
	}
	_ = d.p.flush()
}

func (d *doctor) good(name, format string, args ...any) {
	d.print(check{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (d *doctor) bad(name string, err error, advice string) {
	if errors.Is(err, context.Canceled) {
		d.failed = err // an interrupted check says nothing
		return
	}
	d.print(check{Name: name, Detail: messageOf(err), Advice: advice})
	if d.failed == nil {
		d.failed = &examined{check: name, err: err}
	}
}

// examined is the error of a failed check. The table says why, and what to do.
type examined struct {
	check string
	err   error
}

func (e *examined) Error() string { return "the check of " + e.check + " failed" }
func (e *examined) Unwrap() error { return e.err }

// examine makes the checks, each of which needs those before it.
func (d *doctor) examine(ctx context.Context) {
	s, err := d.app.connect.settings(d.app.in)
	if s != nil {
		d.settings(s)
	}
	if err != nil {
		d.bad("configuration", err, "set what is missing or wrong, or give --tenant, --client-id and --client-secret-file")
		return
	}
	watch := &watch{next: customizers.DefaultTransport()}
	client, err := d.app.clientOf(s, watch, customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		d.bad("configuration", err, "correct the setting")
		return
	}
	if !d.reach(ctx, s.Base.Value) {
		return
	}
	page, err := client.List(ctx, customizers.ListOptions{Limit: 1, Count: true})
	if !d.token(watch, err, s.Base.Value) {
		return
	}
	if err != nil {
		d.bad("list", err, listAdvice(err))
		return
	}
	if page.Total < 0 {
		d.good("list", "permitted")
	} else {
		d.good("list", "%d customizers", page.Total)
	}
	d.latency(ctx, client)
}

// settings shows where each setting comes from.
func (d *doctor) settings(s *settings) {
	show := func(name string, v config.Setting, shown string) {
		from := v.Name
		if v.Source != "" {
			from += ", " + v.Source
		}
		if v.Value != "" {
			d.good(name, "%s (%s)", shown, from)
		}
	}
	show("tenant", s.Base, s.Base.Value)
	show("client ID", s.ID, s.ID.Value)
	show("client secret", s.Secret, masked(s.Secret.Value))
	show("access token", s.Token, masked(s.Token.Value))
	if s.unused != "" {
		d.good("note", "%s", s.unused)
	}
}

// masked returns the length of a secret, which shows a truncated one.
func masked(secret string) string {
	if len(secret) == 1 {
		return "set, 1 character"
	}
	return fmt.Sprintf("set, %d characters", len(secret))
}

// reach asks the tenant for its endpoints, which needs no token.
func (d *doctor) reach(ctx context.Context, base string) bool {
	const maxInfo = 64 << 10
	if proxy := proxyOf(base); proxy != "none" {
		d.good("proxy", "%s", proxy)
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
		d.bad("oauth/info", err, connectionAdvice(err, base))
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
		d.bad("oauth/info", fmt.Errorf("%s/oauth/info answered %s", base, resp.Status), "check the tenant: this is not its API, or the API is out of service")
		return false
	case err != nil:
		d.bad("oauth/info", fmt.Errorf("%s/oauth/info did not answer with JSON: %w", base, err), "check the tenant, or a proxy in between: this is not its API")
		return false
	}
	d.good("oauth/info", "reached in %v", time.Since(start).Round(time.Millisecond))
	if api, ok := strings.CutSuffix(info.TokenEndpoint, "/oauth/token"); ok && !strings.EqualFold(api, base) {
		d.print(check{
			Name: "API address", OK: true, Detail: "the tenant names " + api + ", not " + base,
			Advice: "set the tenant to " + api + ", unless " + base + " is a gateway to it: a vanity address leads to the user interface, not to the API",
		})
	}
	return true
}

// token shows the token of the first list, which ended with err.
func (d *doctor) token(w *watch, err error, base string) bool {
	var e *customizers.Error
	if errors.As(err, &e) && e.Path == "/oauth/token" {
		advice := "try again; if it stays, see the service's status"
		switch {
		case errors.Is(err, customizers.ErrUnauthorized):
			advice = "create a new personal access token, and set its client ID and secret"
		case errors.Is(err, customizers.ErrConnection):
			advice = connectionAdvice(err, base)
		}
		d.bad("token", err, advice)
		return false
	}
	raw := w.bearer()
	if raw == "" {
		d.bad("token", err, "see what it says")
		return false
	}
	claims, jwtErr := claimsOf(raw)
	if jwtErr != nil {
		d.good("token", "fetched; it is not a JWT, so its scopes and expiry are unknown")
		return true
	}
	left := "no expiry"
	if claims.Expires != 0 {
		expires := time.Unix(int64(claims.Expires), 0)
		left = fmt.Sprintf("expires in %v, at %s", time.Until(expires).Round(time.Second), expires.UTC().Format(time.RFC3339))
	}
	d.good("token", "%s", left)
	d.good("scopes", "%s", claims.scopes())
	return true
}

func listAdvice(err error) string {
	switch {
	case errors.Is(err, customizers.ErrUnauthorized):
		return "check that the token belongs to this tenant and has not expired"
	case errors.Is(err, customizers.ErrForbidden):
		return "give the token's user the level ORG_ADMIN, and the token the scope sp:connector:read"
	case statusOf(err) == http.StatusNotFound:
		return "check the tenant's address and --api-version: it has no connector customizers there"
	case errors.Is(err, customizers.ErrRateLimited):
		return "other programs use the same client ID: wait, or give this one a client ID of its own"
	}
	return "try again; if it stays, see the service's status, and tell its support the tracking id"
}

// latency measures requests one after the other, over an open connection.
func (d *doctor) latency(ctx context.Context, client *customizers.Client) {
	var took []time.Duration
	for range 5 {
		start := time.Now()
		if _, err := client.List(ctx, customizers.ListOptions{Limit: 1}); err != nil {
			d.bad("latency", err, listAdvice(err))
			return
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	d.good("latency", "median %v of %d requests, %v at most", rounded(took[len(took)/2]), len(took), rounded(took[len(took)-1]))
}

func rounded(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// A watch keeps the token that is sent.
type watch struct {
	next http.RoundTripper

	mu    sync.Mutex
	token string
}

func (w *watch) RoundTrip(req *http.Request) (*http.Response, error) {
	if token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok {
		w.mu.Lock()
		w.token = token
		w.mu.Unlock()
	}
	return w.next.RoundTrip(req)
}

func (w *watch) bearer() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.token
}

// claims are the parts of a JWT that doctor shows.
type claims struct {
	Expires float64         `json:"exp"`
	Scope   json.RawMessage `json:"scope"`
}

// scopes describes the scope claim: names in an array or in one string. Some tenants send a
// bitmap instead, which only the service can read; the list then shows what is permitted.
func (c *claims) scopes() string {
	var names []string
	var one string
	if json.Unmarshal(c.Scope, &one) == nil {
		names = strings.Fields(one)
	} else if json.Unmarshal(c.Scope, &names) != nil {
		names = nil
	}
	for _, name := range names {
		if !strings.Contains(name, ":") {
			names = nil
			break
		}
	}
	all := strings.Join(names, " ")
	switch {
	case len(names) == 0:
		return "unknown: the token does not name them"
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
