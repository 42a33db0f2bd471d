package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
)

func (a *app) deleteCommand() *cobra.Command {
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use:     "delete <id|name>...",
		Aliases: []string{"rm"},
		Short:   "Delete customizers",
		Long: "Deletes customizers. Resolves every argument before deleting anything. Asks on a\n" +
			"terminal; otherwise pass --yes. With -o json, jsonl, yaml or id it writes the deleted\n" +
			"customizers, or in a dry run those that it would delete.",
		Example:           "  customizers delete hr-feed-old badge-sync-old",
		Args:              arguments("<id|name>..."),
		ValidArgsFunction: a.complete(math.MaxInt, cobra.NoFileCompletions),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !dryRun && (!isTerminal(a.in) || !isTerminal(a.console.w)) {
				return usageErrorf("this is no terminal to ask on: give --yes to delete without being asked")
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			all, err := findAll(cmd.Context(), client, args)
			if err != nil {
				return fmt.Errorf("nothing was deleted: %w", err)
			}
			if dryRun {
				for _, c := range all {
					a.console.note("Would delete %s (%s), which is at version %s.", c.Name, c.ID, versionText(c.ImageVersion))
				}
				return a.affected(all)
			}
			if !yes {
				if err := a.confirm(cmd.Context(), all); err != nil {
					return err
				}
			}
			return a.deleteAll(cmd, client, all)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would be done, and do nothing")
	return cmd
}

// confirm asks whether customizers are to be deleted.
func (a *app) confirm(ctx context.Context, all []*customizers.Customizer) error {
	for _, c := range all {
		a.console.print(printable(fmt.Sprintf("%s  %s  version %s", c.ID, c.Name, versionText(c.ImageVersion))))
	}
	what := "this customizer and its versions"
	if len(all) > 1 {
		what = fmt.Sprintf("these %d customizers and their versions", len(all))
	}
	_, _ = fmt.Fprintf(a.console, "Delete %s? [y/N] ", what)
	answer, err := a.line(ctx)
	if err != nil {
		a.console.print("") // the question has no line of its own else
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

// line reads a line, or ends with the context, as by Ctrl-C.
func (a *app) line(ctx context.Context) (string, error) {
	var text string
	read := make(chan error, 1)
	go func() {
		var err error
		text, err = bufio.NewReader(a.in).ReadString('\n')
		read <- err
	}()
	select {
	case err := <-read:
		return text, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (a *app) deleteAll(cmd *cobra.Command, client *customizers.Client, all []*customizers.Customizer) error {
	p := listOf(a, customizerView)
	var deleted []string
	for i, c := range all {
		if err := client.Delete(cmd.Context(), c.ID); err != nil {
			_ = p.flush()
			if len(all) > 1 {
				err = fmt.Errorf("%d of %d deleted, %s (%s) and those after it not: %w", i, len(all), c.Name, c.ID, err)
			}
			return err
		}
		a.console.note("Deleted %s (%s).", c.Name, c.ID)
		deleted = append(deleted, c.ID)
		if a.output.format != formatTable {
			if err := p.print(*c); err != nil {
				return written(err, "deleted "+strings.Join(deleted, ", "))
			}
		}
	}
	if a.output.format == formatTable {
		return nil
	}
	return written(p.end(), "deleted "+strings.Join(deleted, ", "))
}

// affected writes customizers where a program reads them: people were told in words.
func (a *app) affected(all []*customizers.Customizer) error {
	if a.output.format == formatTable {
		return nil
	}
	p := listOf(a, customizerView)
	for _, c := range all {
		if err := p.print(*c); err != nil {
			return err
		}
	}
	return p.end()
}
