package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
)

// complete gives a command the completion of its first arguments by the names of the
// tenant's customizers, and of those that follow by then.
func (a *app) complete(names int, then cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= names {
			return then(cmd, args, toComplete)
		}
		return a.names(cmd, args, toComplete), cobra.ShellCompDirectiveNoFileComp
	}
}

// names are those that begin so, of one page of customizers and but for those given; of
// customizers that share a name, the IDs. A person waits for them, so there is one try
// and little time, and no error.
func (a *app) names(cmd *cobra.Command, given []string, begin string) []cobra.Completion {
	if a.connect.secretFile == "-" || a.connect.check(cmd) != nil {
		return nil
	}
	a.console.quiet, a.console.verbose = true, false
	s, err := a.connect.settings(a.in)
	if err != nil {
		return nil
	}
	client, err := a.clientOf(s, nil, customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
	defer cancel()
	page, err := client.List(ctx, customizers.ListOptions{})
	if err != nil {
		return nil
	}
	count := map[string]int{}
	for _, c := range page.Items {
		count[c.Name]++
	}
	for _, g := range given {
		count[g] = 0
	}
	var out []cobra.Completion
	for _, c := range page.Items {
		switch n := count[c.Name]; {
		case n == 1 && strings.HasPrefix(c.Name, begin):
			out = append(out, cobra.CompletionWithDesc(printable(c.Name), c.ID))
		case n > 1 && strings.HasPrefix(c.Name, begin), n > 0 && strings.HasPrefix(c.ID, begin):
			out = append(out, cobra.CompletionWithDesc(c.ID, printable(c.Name)))
		}
	}
	return out
}

func filePaths(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func zipFiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"zip"}, cobra.ShellCompDirectiveFilterFileExt
}
