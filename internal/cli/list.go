package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
)

func (a *app) listCommand() *cobra.Command {
	var limit int
	var filter string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List all customizers",
		Long: "List all customizers. Pages are printed as they arrive, but a table on a terminal is printed\n" +
			"at the end. If a page can't be read, the output ends there and the exit code is non-zero,\n" +
			"but JSON output is still valid.",
		Example: "  # List the customizers whose name contains hr\n  customizers list --filter hr\n\n" +
			"  # Save all customizers, one JSON object per line\n  customizers list -o jsonl > customizers.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usageErrorf("--limit %d is negative (want 0 or more)", limit)
			}
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			opts := customizers.ListOptions{}
			if filter == "" && limit < 250 {
				opts.Limit = limit
			}
			p := newPrinter(a, customizerView, true)
			text := strings.ToLower(filter)
			for page, pageErr := range client.Pages(cmd.Context(), opts) {
				if pageErr != nil {
					err = pageErr
					break
				}
				for _, c := range page.Items {
					if strings.Contains(strings.ToLower(c.Name), text) && (limit == 0 || p.n < limit) {
						p.print(c)
					}
				}
				if err = p.flush(); err != nil || limit > 0 && p.n == limit {
					break
				}
				if p.terminal || !isTerminal(a.out) {
					status := "Listed " + countOf(p.n, "customizer")
					a.console.show(func() string { return status })
				}
			}
			a.console.clear()
			if p.n == 0 && err == nil && a.output.format == formatTable {
				a.console.note("No customizers.")
			}
			if err != nil && p.n == 0 { // an empty list would suggest an empty tenant
				return err
			}
			if endErr := p.end(); err == nil {
				err = endErr
			}
			return err
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "list at most `n` customizers; 0 for all")
	cmd.Flags().StringVar(&filter, "filter", "", "list only customizers whose name contains this `text`, in any case")
	a.addTableFlags(cmd)
	return cmd
}

func (a *app) getCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get <id|name>",
		Short:             "Show a customizer",
		Long:              "Show all fields of a customizer. If several customizers have the name, the command fails\nand lists their IDs.",
		SuggestFor:        []string{"show", "describe", "view"},
		Example:           "  # Show a customizer\n  customizers get hr-feed\n\n  # Print the number of its newest version\n  customizers get hr-feed -o json | jq .imageVersion",
		Args:              arguments("<id|name>"),
		ValidArgsFunction: a.complete(1, cobra.NoFileCompletions),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, c, err := a.lookup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return fields(a, customizerFields, *c)
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}
