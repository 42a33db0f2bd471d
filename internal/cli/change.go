package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/text/unicode/norm"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/internal/naming"
)

func (a *app) createCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:        "create <name>",
		Short:      "Create a customizer",
		SuggestFor: []string{"add", "new"},
		Long: "Create a customizer, even if another one has the same name. 'customizers deploy' creates a\n" +
			"customizer only if no customizer has the name.",
		Example: "  # Create a customizer and keep its ID\n  id=$(customizers create hr-feed -o id)",
		Args:    arguments("<name>"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if err := naming.CheckName(name); err != nil {
				return usageErrorf("the name %v", err)
			}
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if dryRun {
				c := customizers.Customizer{Name: name}
				if err := a.noteNamesakes(cmd.Context(), client, &c); err != nil {
					return err
				}
				a.console.note("Would create %s in %s.", name, a.tenant)
				return preview(a, customizerView, c)
			}
			c, err := client.Create(cmd.Context(), customizers.CreateRequest{Name: name})
			if err != nil {
				return err
			}
			if c.Name != name {
				a.console.note("The service changed the name to %s.", c.Name)
			}
			a.noteNamesakesAfter(cmd.Context(), client, c)
			return outputError(one(a, customizerView, *c), fmt.Sprintf("%s (%s) was created", c.Name, c.ID))
		},
	}
	a.addChangeFlags(cmd, &dryRun)
	return cmd
}

func (a *app) updateCommand() *cobra.Command {
	var name string
	var dryRun bool
	cmd := &cobra.Command{
		Use:               "update <id|name> --name <new name>",
		Short:             "Rename a customizer",
		SuggestFor:        []string{"rename", "edit", "set"},
		Long:              "Rename a customizer. Its ID, versions and links to connector instances stay the same.",
		Example:           "  # Rename a customizer\n  customizers update hr-feed --name hr-feed-old",
		Args:              arguments("<id|name>"),
		ValidArgsFunction: a.complete(1, cobra.NoFileCompletions),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(name) == "" {
				return usageErrorf("--name is missing or blank")
			}
			if err := naming.CheckName(name); err != nil {
				return usageErrorf("--name %v", err)
			}
			client, c, err := a.lookup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if dryRun {
				old := c.Name
				c.Name = name
				if err := a.noteNamesakes(cmd.Context(), client, c); err != nil {
					return err
				}
				a.console.note("Would rename %s (%s) to %s in %s.", old, c.ID, name, a.tenant)
				return preview(a, customizerView, *c)
			}
			old := c.Name
			c, err = client.Update(cmd.Context(), c.ID, customizers.UpdateRequest{Name: name})
			if err != nil {
				return err
			}
			if c.Name != name {
				return fmt.Errorf("the service accepted the new name %q of %s (%s), but shows %q", name, old, c.ID, c.Name)
			}
			a.noteNamesakesAfter(cmd.Context(), client, c)
			return outputError(one(a, customizerView, *c), fmt.Sprintf("%s (%s) was renamed to %s", old, c.ID, c.Name))
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "new `name`")
	a.addChangeFlags(cmd, &dryRun)
	return cmd
}

// noteNamesakesAfter calls noteNamesakes after a change to c. The change is done, so it does not
// matter if the list can't be read, and nobody should wait long for it.
func (a *app) noteNamesakesAfter(ctx context.Context, client *customizers.Client, c *customizers.Customizer) {
	if a.console.quiet {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, extraTimeout)
	defer cancel()
	_ = a.noteNamesakes(ctx, client, c)
}

// noteNamesakes says which other customizers have the name of c.
func (a *app) noteNamesakes(ctx context.Context, client *customizers.Client, c *customizers.Customizer) error {
	all, err := listAll(ctx, client)
	if err != nil {
		return err
	}
	var others []string
	for _, other := range all {
		if other.ID != c.ID && norm.NFC.String(other.Name) == norm.NFC.String(c.Name) {
			others = append(others, other.ID)
		}
	}
	if len(others) > 0 {
		a.console.note("Warning: %s is also the name of %s, so commands need their IDs.", c.Name, strings.Join(others, ", "))
	}
	return nil
}

// extraTimeout bounds a request for a note, which is not worth a long wait.
const extraTimeout = 5 * time.Second

// addChangeFlags adds the flags of a command that changes the tenant.
func (a *app) addChangeFlags(cmd *cobra.Command, dryRun *bool) {
	addDryRunFlag(cmd, dryRun)
	a.addTableFlags(cmd)
}

func addDryRunFlag(cmd *cobra.Command, dryRun *bool) {
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "show what would change, without changing anything")
}

// preview writes the result of a dry run for programs. People read the note.
func preview[T any](a *app, v view[T], value T) error {
	p := newProgramPrinter(a, v, false)
	p.print(value)
	return p.end()
}
