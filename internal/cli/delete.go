package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

func (a *app) deleteCommand() *cobra.Command {
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use:        "delete <id|name>...",
		Aliases:    []string{"rm"},
		SuggestFor: []string{"remove", "destroy"},
		Short:      "Delete customizers",
		Long: "Delete customizers and all their versions. Every argument is resolved before anything is\n" +
			"deleted. Delete asks for confirmation on a terminal; elsewhere --yes is required. The\n" +
			"question and the notes name the connector instances that the customizers are linked to.\n" +
			"With -o json, jsonl, yaml or id, delete prints the deleted customizers.",
		Example: "  # Delete two customizers\n  customizers delete hr-feed-old badge-sync-old\n\n" +
			"  # Show what would be deleted\n  customizers delete hr-feed-old --dry-run",
		Args:              arguments("<id|name>..."),
		ValidArgsFunction: a.complete(math.MaxInt, cobra.NoFileCompletions),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if !yes && !dryRun && (!isTerminal(a.in) || !isTerminal(a.console.w)) {
				return usageErrorf("not a terminal: use --yes to delete without confirmation")
			}
			client, err := a.client(ctx)
			if err != nil {
				return err
			}
			all, err := findAll(ctx, client, args)
			if err != nil {
				return fmt.Errorf("nothing was deleted: %w", err)
			}
			linked := map[string][]string{}
			if !a.console.quiet || !yes {
				linked = linkedInstances(ctx, client)
			}
			if !yes && !dryRun {
				if err := a.confirm(ctx, all, linked); err != nil {
					return err
				}
			}
			return a.deleteAll(ctx, client, all, linked, dryRun)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	addDryRunFlag(cmd, &dryRun)
	a.addOutputFlag(cmd) // its table is the notes
	return cmd
}

// confirm asks whether to delete customizers.
func (a *app) confirm(ctx context.Context, all []customizers.Customizer, linked map[string][]string) error {
	for _, c := range all {
		a.console.print(printable(fmt.Sprintf("%s  %s  %s", c.ID, c.Name, describe(c, linked))))
	}
	what := "this customizer and its versions"
	if len(all) > 1 {
		what = fmt.Sprintf("these %d customizers and their versions", len(all))
	}
	_, _ = fmt.Fprintf(a.console, "Delete %s from %s? [y/N] ", what, a.tenant)
	answer, err := await(ctx, func() (string, error) { return bufio.NewReader(a.in).ReadString('\n') })
	if err != nil {
		a.console.print("") // after the question
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("nothing was deleted: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was deleted: the answer was not yes")
}

// await returns the result of read, or the error of ctx if ctx ends first. A read of a
// terminal can't be canceled, so it then continues until the process ends.
func await[T any](ctx context.Context, read func() (T, error)) (value T, err error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

// deleteAll deletes customizers and writes them for programs.
func (a *app) deleteAll(ctx context.Context, client *customizers.Client, all []customizers.Customizer, linked map[string][]string, dryRun bool) error {
	p := newProgramPrinter(a, customizerView, true)
	var failed error
	var deleted []string
	for i, c := range all {
		if dryRun {
			a.console.note("Would delete %s (%s), %s, from %s.", c.Name, c.ID, describe(c, linked), a.tenant)
		} else {
			if failed = client.Delete(ctx, c.ID); failed != nil {
				if len(all) > 1 {
					failed = fmt.Errorf("stopped at %s (%s) after deleting %d of %d: %w", c.Name, c.ID, i, len(all), failed)
				}
				break
			}
			a.console.note("Deleted %s (%s), %s.", c.Name, c.ID, describe(c, linked))
			deleted = append(deleted, c.ID)
		}
		p.print(c)
	}
	err := p.end()
	if len(deleted) > 0 {
		err = outputError(err, "deleted "+strings.Join(deleted, ", "))
	}
	return errors.Join(failed, err)
}

// linkedInstances returns the names of the connector instances by the ID of their customizer,
// or nothing if the tenant has no such endpoint or does not permit it.
func linkedInstances(ctx context.Context, client *customizers.Client) map[string][]string {
	ctx, cancel := context.WithTimeout(ctx, extraTimeout)
	defer cancel()
	all, _ := instances.List(ctx, client)
	names := map[string][]string{}
	for _, i := range all {
		names[i.CustomizerID] = append(names[i.CustomizerID], cmp.Or(i.Name, i.ID))
	}
	return names
}

func describe(c customizers.Customizer, linked map[string][]string) string {
	text := "without a version"
	if c.ImageVersion != 0 {
		text = fmt.Sprintf("version %d", c.ImageVersion)
	}
	if names := linked[c.ID]; len(names) > 0 {
		text += ", linked to " + strings.Join(names, ", ")
	}
	return text
}
