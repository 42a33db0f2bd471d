package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
			srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(600), customizerstest.WithInstanceCount(1))
			defer srv.Close()
			return demo(cmd.Context(), cmd.OutOrStdout(), srv)
		},
	}
}

// demo runs the operations against srv, through a real socket, and prints a line on each.
func demo(ctx context.Context, out io.Writer, srv *customizerstest.Server) error {
	client := srv.Client()
	d := &demonstration{out: out, srv: srv}
	_, _ = fmt.Fprintf(out, "A sandbox tenant with %d customizers is running at %s.\n\n", len(srv.Customizers()), srv.URL)
	_, _ = fmt.Fprintf(out, "%-16s %-28s %10s  %s\n", "OPERATION", "HTTP STATUS", "TIME", "RESULT")

	var feed, room *customizers.Customizer
	instance := srv.Instances()[0]
	d.step("create", "token 200, 201", func() (_ string, err error) {
		feed, err = client.Create(ctx, customizers.CreateRequest{Name: "hr-feed"})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("created %s (%s)", feed.Name, feed.ID), nil
	})
	d.step("create version", "200", func() (string, error) {
		archive, err := zipOf("index.js", "exports.connectorCustomizer = async () => ({ hello: 'world' })\n")
		if err != nil {
			return "", err
		}
		v, err := client.CreateVersion(ctx, feed.ID, bytes.NewReader(archive))
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("version %d of %s from a zip of %d bytes", v.Version, feed.Name, len(archive)), nil
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
		return fmt.Sprintf("%d customizers on %d pages", records, pages), nil
	})
	d.step("update", "200", func() (string, error) {
		c, err := client.Update(ctx, feed.ID, customizers.UpdateRequest{Name: "hr-feed-v2"})
		if err != nil {
			return "", err
		}
		return "renamed to " + c.Name, nil
	})
	d.step("get", "200", func() (string, error) {
		c, err := client.Get(ctx, feed.ID)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s at version %d, created %s", c.Name, c.ImageVersion, c.Created.Format(time.RFC3339)), nil
	})
	d.step("link", "200", func() (string, error) {
		_, err := instances.Link(ctx, client, feed.ID, instance.ID)
		return "linked to " + instance.Name, err
	})
	d.step("get", "401, token 200, 200", func() (string, error) {
		srv.ExpireTokens()
		_, err := client.Get(ctx, feed.ID)
		return "the token had expired; a new one was fetched", err
	})
	d.step("get", "429, 200", func() (string, error) {
		srv.Inject(customizerstest.Fault{Operation: customizerstest.Get, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}})
		_, err := client.Get(ctx, feed.ID)
		return "the rate limit was used up; the client waited for Retry-After", err
	})
	d.step("create", "no response, 200, 200, 200", func() (string, error) {
		srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Apply: true, Reset: true})
		_, err := client.Create(ctx, customizers.CreateRequest{Name: "room-sync"})
		if !errors.Is(err, customizers.ErrOutcomeUnknown) {
			return "", err
		}
		room, err = client.GetByName(ctx, "room-sync")
		return "the response was lost; the list shows that it was created, once", err
	})
	d.step("unlink", "200", func() (string, error) {
		_, err := instances.Unlink(ctx, client, instance.ID)
		return "unlinked from " + instance.Name, err
	})
	d.step("delete", "204", func() (string, error) { return "deleted " + feed.ID, client.Delete(ctx, feed.ID) })
	d.step("delete", "204", func() (string, error) { return "deleted " + room.ID, client.Delete(ctx, room.ID) })
	d.step("get", "404", func() (string, error) {
		_, err := client.Get(ctx, feed.ID)
		if errors.Is(err, customizers.ErrNotFound) {
			err = nil
		}
		return "not found, as it was deleted", err
	})
	if d.err == nil {
		_, _ = fmt.Fprintf(out, "\n%d operations, %d requests, %v: all as expected.\n", d.steps, d.requests, d.took.Round(time.Millisecond))
	}
	return d.err
}

// A demonstration prints operations. It stops at the first one that is not as expected.
type demonstration struct {
	out      io.Writer
	srv      *customizerstest.Server
	steps    int
	requests int
	took     time.Duration
	err      error
}

// step runs one operation and prints a line on it. The statuses are those of its requests.
func (d *demonstration) step(operation, statuses string, do func() (result string, err error)) {
	if d.err != nil {
		return
	}
	start := time.Now()
	result, err := do()
	took := time.Since(start)
	seen := d.statuses()
	if err == nil && seen != statuses {
		err = fmt.Errorf("the HTTP statuses are %s (want %s)", seen, statuses)
	}
	if err != nil {
		d.err = fmt.Errorf("%s: %w", operation, err)
		return
	}
	d.steps++
	d.took += took
	_, _ = fmt.Fprintf(d.out, "%-16s %-28s %10s  %s\n", operation, seen, took.Round(10*time.Microsecond), result)
}

// statuses returns the statuses of the requests since the last call.
func (d *demonstration) statuses() string {
	all := d.srv.Requests()
	var seen []string
	for _, r := range all[d.requests:] {
		status := strconv.Itoa(r.Status)
		if r.Status == 0 {
			status = "no response"
		}
		if r.Operation == customizerstest.Token {
			status = "token " + status
		}
		seen = append(seen, status)
	}
	d.requests = len(all)
	return strings.Join(seen, ", ")
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
