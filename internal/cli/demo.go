package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/instances"
)

// The service's rate limit, which the sandbox keeps too.
const (
	rateLimit  = 100
	ratePeriod = 10 * time.Second
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "demo",
		Short:             "Run every operation against a built-in sandbox that injects faults",
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A limit that a demonstration can run into without a wait of ten seconds.
			srv := customizerstest.NewServer(customizerstest.WithSeed(600), customizerstest.WithInstances(1), customizerstest.WithRateLimit(20, time.Second))
			defer srv.Close()
			return demo(cmd.Context(), cmd.OutOrStdout(), srv)
		},
	}
}

// demo runs the demonstration against srv, through the SDK and a real socket.
func demo(ctx context.Context, out io.Writer, srv *customizerstest.Server) error {
	d := &demonstration{ctx: ctx, out: out, wire: &wire{}}
	client, err := customizers.New(srv.URL,
		customizers.ClientCredentials(srv.ClientID, srv.ClientSecret),
		customizers.WithHTTPClient(&http.Client{Transport: d.wire}),
		customizers.WithRateLimit(20, time.Second),
		customizers.WithUserAgent("customizers-demo"),
	)
	if err != nil {
		return err
	}
	seeded := len(srv.Customizers())
	_, _ = fmt.Fprintf(out, "A sandbox tenant with %d customizers serves at %s.\n\n", seeded, srv.URL)
	_, _ = fmt.Fprintf(out, "%-16s %-28s %10s  %s\n", "OPERATION", "HTTP STATUS", "TIME", "RESULT")

	var made []*customizers.Customizer
	for i, name := range []string{"hr-feed", "badge-sync", "cost-centres"} {
		statuses := "201"
		if i == 0 {
			statuses = "token 200, 201"
		}
		d.step("create", statuses, func() (string, error) {
			c, err := client.Create(ctx, customizers.CreateRequest{Name: name})
			if err != nil {
				return "", err
			}
			made = append(made, c)
			return fmt.Sprintf("%s is %s", c.Name, c.ID), nil
		})
	}
	if len(made) < 3 {
		return d.end()
	}
	first := made[0]
	archive, err := zipOf("index.js", "exports.connectorCustomizer = async () => ({ hello: 'world' })\n")
	if err != nil {
		return err
	}
	d.step("create version", "200", func() (string, error) {
		v, err := client.CreateVersion(ctx, first.ID, bytes.NewReader(archive))
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("version %d of %s from a zip of %d bytes", v.Version, first.Name, len(archive)),
			expect("the version", v.Version, 1)
	})
	d.step("list", "200, 200, 200", func() (string, error) {
		records, pages := 0, 0
		for p, err := range client.Pages(ctx, customizers.ListOptions{Count: true}) {
			if err != nil {
				return "", err
			}
			pages++
			records += len(p.Items)
		}
		return fmt.Sprintf("%d customizers on %d pages", records, pages),
			errors.Join(expect("the customizers listed", records, seeded+3), expect("the pages", pages, 3))
	})
	d.step("update", "200", func() (string, error) {
		c, err := client.Update(ctx, first.ID, customizers.UpdateRequest{Name: "hr-feed-v2"})
		if err != nil {
			return "", err
		}
		return "renamed to " + c.Name, expect("the name", c.Name, "hr-feed-v2")
	})
	d.step("get", "200", func() (string, error) {
		c, err := client.Get(ctx, first.ID)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s at version %d, created %s", c.Name, c.ImageVersion, c.Created.Format(time.RFC3339)),
			errors.Join(expect("the name", c.Name, "hr-feed-v2"), expect("the version", c.ImageVersion, 1))
	})
	instance := srv.Instances()[0]
	d.step("link", "200", func() (string, error) {
		i, err := instances.Link(ctx, client, instance.ID, first.ID)
		if err != nil {
			return "", err
		}
		return i.Name + " runs it", expect("the link", i.CustomizerID, first.ID)
	})
	d.step("get", "401, token 200, 200", func() (string, error) {
		srv.ExpireTokens()
		c, err := client.Get(ctx, first.ID)
		if err != nil {
			return "", err
		}
		return "the token had expired; a new one was fetched", expect("the name", c.Name, "hr-feed-v2")
	})
	d.step("get", "429, 200", func() (string, error) {
		// Another program with the same client ID spends the rate limit.
		other := srv.Client(customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
		for n := 0; ; n++ {
			_, err := other.Get(ctx, first.ID)
			if errors.Is(err, customizers.ErrRateLimited) {
				break
			}
			if err != nil {
				return "", err
			}
			if n > rateLimit {
				return "", errors.New("the sandbox has no rate limit")
			}
		}
		c, err := client.Get(ctx, first.ID)
		if err != nil {
			return "", err
		}
		return "the rate limit was spent; its Retry-After was waited for", expect("the name", c.Name, "hr-feed-v2")
	})
	d.step("create", "no response, 200, 200, 200", func() (string, error) {
		srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Acted: true, Cut: true})
		_, err := client.Create(ctx, customizers.CreateRequest{Name: "room-sync"})
		if !errors.Is(err, customizers.ErrOutcomeUnknown) {
			return "", fmt.Errorf("expected ErrOutcomeUnknown, got %w", err)
		}
		c, err := client.GetByName(ctx, "room-sync")
		if err != nil {
			return "", err
		}
		made = append(made, c)
		return "the response was lost; the list shows that it was created, once", nil
	})
	d.step("unlink", "200", func() (string, error) {
		i, err := instances.Unlink(ctx, client, instance.ID)
		if err != nil {
			return "", err
		}
		return i.Name + " runs no customizer", expect("the link", i.CustomizerID, "")
	})
	for _, c := range made {
		d.step("delete", "204", func() (string, error) {
			return c.ID + " is gone", client.Delete(ctx, c.ID)
		})
	}
	d.step("get", "404", func() (string, error) {
		_, err := client.Get(ctx, first.ID)
		if !errors.Is(err, customizers.ErrNotFound) {
			return "", fmt.Errorf("expected ErrNotFound, got %w", err)
		}
		return "not found, as it was deleted", nil
	})
	d.check("the sandbox's customizers", len(srv.Customizers()), seeded)
	return d.end()
}

// A demonstration prints steps and keeps what went wrong.
type demonstration struct {
	ctx   context.Context //nolint:containedctx // of the one demonstration
	out   io.Writer
	wire  *wire
	steps int
	wrong []error
	took  time.Duration
}

// step does one operation and prints a line on it. The statuses that came over the
// wire must be those expected.
func (d *demonstration) step(operation, statuses string, do func() (string, error)) {
	if d.ctx.Err() != nil {
		return
	}
	d.wire.take()
	start := time.Now()
	result, err := do()
	took := time.Since(start)
	seen := d.wire.take()
	err = errors.Join(err, expect("the HTTP statuses", seen, statuses))
	if d.ctx.Err() != nil {
		return
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", operation, err)
		result = "NOT AS EXPECTED: " + strings.ReplaceAll(err.Error(), "\n", "; ")
		d.wrong = append(d.wrong, err)
	}
	d.steps++
	d.took += took
	_, _ = fmt.Fprintf(d.out, "%-16s %-28s %10s  %s\n", operation, seen, took.Round(10*time.Microsecond), result)
}

func (d *demonstration) check(what string, got, want int) {
	if err := expect(what, got, want); err != nil {
		d.wrong = append(d.wrong, err)
	}
}

// end prints the summary.
func (d *demonstration) end() error {
	if d.ctx.Err() != nil {
		return d.ctx.Err()
	}
	_, _ = fmt.Fprintf(d.out, "\n%d operations, %d requests, %v: ", d.steps, d.wire.requests(), d.took.Round(time.Millisecond))
	if len(d.wrong) > 0 {
		_, _ = fmt.Fprintf(d.out, "%d not as expected.\n", len(d.wrong))
		return errors.Join(d.wrong...)
	}
	_, _ = fmt.Fprintln(d.out, "all as expected.")
	return nil
}

func expect[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: got %v, expected %v", what, got, want)
	}
	return nil
}

// wire notes the status of every response that comes over it.
type wire struct {
	mu       sync.Mutex
	statuses []string
	n        int
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	status := "no response"
	if err == nil {
		status = fmt.Sprint(resp.StatusCode)
	}
	if req.URL.Path == "/oauth/token" {
		status = "token " + status
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.statuses = append(w.statuses, status)
	w.n++
	return resp, err
}

func (w *wire) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.statuses, ", ")
	w.statuses = nil
	return s
}

func (w *wire) requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

func zipOf(name, content string) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create(name)
	if err == nil {
		_, err = io.WriteString(f, content)
	}
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}
