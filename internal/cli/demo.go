package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/instances"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Run every operation against a built-in sandbox that injects faults",
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The service allows 100 requests in 10 seconds. A lower limit makes a shorter demo.
			srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(600), customizerstest.WithInstanceCount(1), customizerstest.WithRateLimit(20, time.Second))
			defer srv.Close()
			return demo(cmd.Context(), cmd.OutOrStdout(), srv)
		},
	}
}

// demo runs the operations against srv, through a real socket, and prints a line on each.
func demo(ctx context.Context, out io.Writer, srv *customizerstest.Server) error {
	client, err := customizers.New(srv.URL,
		customizers.ClientCredentials(srv.ClientID, srv.ClientSecret),
		customizers.WithRateLimit(20, time.Second),
		customizers.WithUserAgent(demoAgent),
	)
	if err != nil {
		return err
	}
	d := &demonstration{ctx: ctx, out: out, srv: srv}
	seeded := len(srv.Customizers())
	_, _ = fmt.Fprintf(out, "A sandbox tenant with %d customizers is running at %s.\n\n", seeded, srv.URL)
	_, _ = fmt.Fprintf(out, "%-16s %-28s %10s  %s\n", "OPERATION", "HTTP STATUS", "TIME", "RESULT")

	var created []*customizers.Customizer
	for i, name := range []string{"hr-feed", "badge-sync", "cost-centers"} {
		statuses := "201"
		if i == 0 {
			statuses = "token 200, 201"
		}
		d.step("create", statuses, func() (string, error) {
			c, err := client.Create(ctx, customizers.CreateRequest{Name: name})
			if err != nil {
				return "", err
			}
			created = append(created, c)
			return fmt.Sprintf("created %s (%s)", c.Name, c.ID), nil
		})
	}
	if len(created) < 3 {
		return d.end()
	}
	first := created[0]
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
		return fmt.Sprintf("%d customizers on %d pages", records, pages), expect("the customizers listed", records, seeded+3)
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
		i, err := instances.Link(ctx, client, first.ID, instance.ID)
		if err != nil {
			return "", err
		}
		return "linked to " + i.Name, expect("the link", i.CustomizerID, first.ID)
	})
	d.step("get", "401, token 200, 200", func() (string, error) {
		srv.ExpireTokens()
		_, err := client.Get(ctx, first.ID)
		return "the token had expired; a new one was fetched", err
	})
	d.step("get", "429, 200", func() (string, error) {
		// Another program with the same client ID uses up the rate limit.
		other := srv.Client(customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
		var err error
		for err == nil {
			_, err = other.Get(ctx, first.ID)
		}
		_, err = client.Get(ctx, first.ID)
		return "the rate limit was used up; the client waited for Retry-After", err
	})
	d.step("create", "no response, 200, 200, 200", func() (string, error) {
		srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Apply: true, Reset: true})
		_, err := client.Create(ctx, customizers.CreateRequest{Name: "room-sync"})
		if !errors.Is(err, customizers.ErrOutcomeUnknown) {
			return "", errors.Join(errors.New("expected ErrOutcomeUnknown"), err)
		}
		c, err := client.GetByName(ctx, "room-sync")
		if err != nil {
			return "", err
		}
		created = append(created, c)
		return "the response was lost; the list shows that it was created, once", nil
	})
	d.step("unlink", "200", func() (string, error) {
		i, err := instances.Unlink(ctx, client, instance.ID)
		if err != nil {
			return "", err
		}
		return "unlinked from " + i.Name, expect("the link", i.CustomizerID, "")
	})
	for _, c := range created {
		d.step("delete", "204", func() (string, error) {
			return "deleted " + c.ID, client.Delete(ctx, c.ID)
		})
	}
	d.step("get", "404", func() (string, error) {
		_, err := client.Get(ctx, first.ID)
		return "not found, as it was deleted",
			errors.Join(expect("ErrNotFound", errors.Is(err, customizers.ErrNotFound), true),
				expect("the sandbox's customizers", len(srv.Customizers()), seeded))
	})
	return d.end()
}

const demoAgent = "customizers-demo"

// A demonstration prints operations and collects unexpected results.
type demonstration struct {
	ctx      context.Context //nolint:containedctx // of the one demonstration
	out      io.Writer
	srv      *customizerstest.Server
	steps    int
	requests int
	took     time.Duration
	wrong    []error
}

// step runs one operation and prints a line on it. It compares the statuses of the operation's
// requests with those expected.
func (d *demonstration) step(operation, statuses string, do func() (string, error)) {
	if d.ctx.Err() != nil {
		return
	}
	start := time.Now()
	result, err := do()
	took := time.Since(start)
	seen := d.statuses()
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

// statuses returns the statuses of the client's requests since the last call.
func (d *demonstration) statuses() string {
	var all []string
	for _, r := range d.srv.Requests() {
		if !strings.HasPrefix(r.Header.Get("User-Agent"), demoAgent) {
			continue
		}
		status := strconv.Itoa(r.Status)
		if r.Status == 0 {
			status = "no response"
		}
		if r.Operation == customizerstest.Token {
			status = "token " + status
		}
		all = append(all, status)
	}
	seen := strings.Join(all[d.requests:], ", ")
	d.requests = len(all)
	return seen
}

// end prints the summary.
func (d *demonstration) end() error {
	if d.ctx.Err() != nil {
		return d.ctx.Err()
	}
	_, _ = fmt.Fprintf(d.out, "\n%d operations, %d requests, %v: ", d.steps, d.requests, d.took.Round(time.Millisecond))
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
