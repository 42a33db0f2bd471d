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
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the configuration, the credentials and the connection",
		Long: "Shows where each setting comes from, reaches the tenant, fetches a token, tells its\n" +
			"scopes and when it expires, lists, and measures the latency. Of each failure it says\n" +
			"what to do. The exit code is that of the first failure.",
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

// A check is one thing that doctor looked at.
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
	case c.OK:
		return "ok"
	case c.Name == todo:
		return ""
	}
	return "FAILED"
}

const todo = "what to do"

type doctor struct {
	app    *app
	p      *printer[check]
	failed error // the first failure
}

func (d *doctor) good(name, format string, args ...any) {
	_ = d.p.print(check{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)})
	_ = d.p.flush()
}

func (d *doctor) bad(name string, err error, advice string) {
	if errors.Is(err, context.Canceled) {
		d.failed = err // the check was interrupted, and tells nothing
		return
	}
	_ = d.p.print(check{Name: name, Detail: messageOf(err), Advice: advice})
	if d.app.output.format == formatTable {
		_ = d.p.print(check{Name: todo, Detail: advice})
	}
	_ = d.p.flush()
	if d.failed == nil {
		d.failed = &examined{check: name, err: err}
	}
}

// examined is the error of a check that failed. The table has said why, and what to do.
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
		d.bad("configuration", err, "set what is missing, or give --tenant, --client-id and --client-secret-file")
		return
	}
	watch := &watch{next: customizers.DefaultTransport()}
	client, err := d.app.clientOf(s, watch, customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		d.bad("configuration", err, "correct the setting")
		return
	}
	if !d.reach(ctx, s.base.value) {
		return
	}
	page, err := client.List(ctx, customizers.ListOptions{Limit: 1, Count: true})
	if !d.token(watch, err) {
		return
	}
	if err != nil {
		d.bad("list", err, listAdvice(err))
		return
	}
	d.good("list", "%d customizers", page.Total)
	d.latency(ctx, client)
}

// settings shows where each setting comes from.
func (d *doctor) settings(s *settings) {
	show := func(name string, v setting, shown string) {
		if v.value != "" {
			d.good(name, "%s (%s)", shown, v.from)
		}
	}
	show("tenant", s.base, s.base.value)
	show("client ID", s.id, s.id.value)
	show("client secret", s.secret, masked(s.secret.value))
	show("access token", s.token, masked(s.token.value))
	for _, u := range s.unused {
		d.good("note", "%s", u)
	}
}

// masked tells of a secret that it is there, and enough to see a truncated one.
func masked(secret string) string {
	if len(secret) == 1 {
		return "set, 1 character"
	}
	return fmt.Sprintf("set, %d characters", len(secret))
}

// reach asks the tenant for its endpoints, which needs no token.
func (d *doctor) reach(ctx context.Context, base string) bool {
	const maxInfo = 64 << 10
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/oauth/info", nil)
	var resp *http.Response
	if err == nil {
		resp, err = http.DefaultClient.Do(req)
	}
	if err != nil {
		d.bad("oauth/info", err, "check the tenant's name, the DNS, a proxy (HTTPS_PROXY) and a firewall between here and "+base)
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
		d.bad("oauth/info", fmt.Errorf("%s/oauth/info answered %s", base, resp.Status), "this is no tenant's API, or it is out of service: check the tenant")
		return false
	case err != nil:
		d.bad("oauth/info", fmt.Errorf("%s/oauth/info did not answer with JSON: %w", base, err), "this is no tenant's API: check the tenant, or a proxy between here and it")
		return false
	}
	d.good("oauth/info", "reached in %v", time.Since(start).Round(time.Millisecond))
	return true
}

// token tells of the token that was used for a first request, which ended with err.
func (d *doctor) token(w *watch, err error) bool {
	var e *customizers.Error
	if errors.As(err, &e) && e.Path == "/oauth/token" {
		advice := "create a new personal access token, and set its client ID and secret"
		if !errors.Is(err, customizers.ErrUnauthorized) {
			advice = "try again; if it stays, see the service's status"
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
		d.good("token", "got one; it is no JWT, so its scopes and expiry can't be told")
		return true
	}
	left := "no expiry"
	if claims.Expires != 0 {
		expires := time.Unix(int64(claims.Expires), 0)
		left = fmt.Sprintf("expires in %v, at %s", time.Until(expires).Round(time.Second), expires.UTC().Format(time.RFC3339))
	}
	d.good("token", "%s", left)
	if len(claims.Scope) == 0 {
		d.good("scopes", "the token does not tell them")
		return true
	}
	has := func(scope string) bool {
		return slices.Contains(claims.Scope, scope) || slices.Contains(claims.Scope, "sp:scopes:all")
	}
	all := strings.Join(claims.Scope, " ")
	switch {
	case !has("sp:connector:read"):
		d.bad("scopes", fmt.Errorf("%w: the token has %s", customizers.ErrForbidden, all),
			"give the personal access token sp:connector:read for list and get, and sp:connector:manage for the rest")
	case !has("sp:connector:manage"):
		d.good("scopes", "%s; without sp:connector:manage only list and get are permitted", all)
	default:
		d.good("scopes", "%s", all)
	}
	return true
}

func listAdvice(err error) string {
	switch {
	case errors.Is(err, customizers.ErrUnauthorized):
		return "the tenant does not take the token: is it of another tenant, or expired?"
	case errors.Is(err, customizers.ErrForbidden):
		return "give the token's user the level ORG_ADMIN, and the token the scope sp:connector:read"
	case errors.Is(err, customizers.ErrNotFound):
		return "the tenant has no connector customizers: check --api-version"
	case errors.Is(err, customizers.ErrRateLimited):
		return "other programs use the same client ID: wait, or give this one a client ID of its own"
	}
	return "try again; if it stays, see the service's status, and tell its support the tracking id"
}

// latency measures requests one after the other, over a connection that is there.
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

// A watch sees the token that is sent.
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

// claims are what a token says of itself.
type claims struct {
	Expires float64 `json:"exp"`
	Scope   words   `json:"scope"`
}

// words are an array of strings, or a string of them.
type words []string

func (w *words) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*w = strings.Fields(one)
		return nil
	}
	return json.Unmarshal(data, (*[]string)(w))
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
