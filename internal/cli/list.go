package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
)

func (a *app) listCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List all customizers",
		Long: "Lists all customizers, whatever their number, each as it comes: the first are\n" +
			"written while the next are read.",
		Example:           "  customizers list\n  customizers list -o jsonl > customizers.jsonl",
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usageErrorf("--limit %d is negative", limit)
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			opts := customizers.ListOptions{}
			if limit > 0 && limit < 250 {
				opts.Limit = limit
			}
			p := listOf(a, customizerView)
			for page, err := range client.Pages(cmd.Context(), opts) {
				if err != nil {
					_ = p.flush()
					return err
				}
				for _, c := range page.Items {
					if limit > 0 && p.n == limit {
						return p.end()
					}
					if err := p.print(c); err != nil {
						return err
					}
				}
				if err := p.flush(); err != nil {
					return err
				}
				if !isTerminal(a.out) {
					a.console.progress(fmt.Sprintf("%d customizers", p.n))
				}
				if limit > 0 && p.n == limit {
					break
				}
			}
			if p.n == 0 && a.output.format == formatTable {
				a.console.note("There are no customizers.")
			}
			return p.end()
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "the most customizers to list; 0 for all")
	return cmd
}

func (a *app) getCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "get <id|name>",
		Short:             "Show a customizer",
		Example:           "  customizers get hr-feed -o json",
		Args:              arguments("<id|name>"),
		ValidArgsFunction: a.complete(1, cobra.NoFileCompletions),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			c, err := find(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			return one(a, customizerView, *c)
		},
	}
}
