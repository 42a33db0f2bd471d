package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/internal/naming"
)

func (a *app) createCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "create <name>",
		Short: "Create a customizer",
		Long: "Creates a customizer, also when there is one of that name. 'customizers deploy'\n" +
			"creates it only when there is none.",
		Example:           "  id=$(customizers create hr-feed -o id)",
		Args:              arguments("<name>"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := naming.CheckName(args[0]); err != nil {
				return usageErrorf("the name %v", err)
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			c, err := client.Create(cmd.Context(), customizers.CreateRequest{Name: args[0]})
			if err != nil {
				return err
			}
			if c.Name != args[0] {
				a.console.note("The service changed the name to %s.", c.Name)
			}
			return written(one(a, customizerView, *c), fmt.Sprintf("%s (%s) was created", c.Name, c.ID))
		},
	}
}

func (a *app) updateCommand() *cobra.Command {
	var name string
	var dryRun bool
	cmd := &cobra.Command{
		Use:               "update <id|name> --name <new name>",
		Short:             "Rename a customizer",
		Example:           "  customizers update hr-feed --name hr-feed-old",
		Args:              arguments("<id|name>"),
		ValidArgsFunction: a.complete(1, cobra.NoFileCompletions),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(name) == "" {
				return usageErrorf("--name is missing or blank: it is what an update changes")
			}
			if err := naming.CheckName(name); err != nil {
				return usageErrorf("--name %v", err)
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			c, err := find(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			if dryRun {
				a.console.note("Would rename %s (%s) to %s.", c.Name, c.ID, name)
				if a.output.format == formatTable {
					return nil
				}
				c.Name = name
				return one(a, customizerView, *c)
			}
			old := c.Name
			c, err = client.Update(cmd.Context(), c.ID, customizers.UpdateRequest{Name: name})
			if err != nil {
				return err
			}
			if c.Name != name {
				return fmt.Errorf("the service accepted the new name %q of %s (%s), but shows %q", name, old, c.ID, c.Name)
			}
			return written(one(a, customizerView, *c), fmt.Sprintf("%s (%s) was renamed to %s", old, c.ID, c.Name))
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "the new name")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would be done, and do nothing")
	return cmd
}
