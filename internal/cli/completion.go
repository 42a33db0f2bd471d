package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// completionCommand stands for the parser's own, whose four commands and their help cost
// every start of the program some time.
func (a *app) completionCommand() *cobra.Command {
	var plain bool
	shells := []string{"bash", "fish", "powershell", "zsh"}
	c := &cobra.Command{
		Use:   "completion <shell>",
		Short: "Write what completes commands in a shell",
		Long: "Writes what completes commands, flags and the names of the tenant's customizers in\n" +
			"bash, fish, powershell or zsh.",
		Example: "  source <(customizers completion bash)\n" +
			"  customizers completion fish > ~/.config/fish/completions/customizers.fish\n" +
			"  customizers completion powershell | Out-String | Invoke-Expression\n" +
			"  customizers completion zsh > \"${fpath[1]}/_customizers\"",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageErrorf("the shell is missing: use %s", strings.Join(shells, ", "))
			}
			return arguments("<shell>")(nil, args)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return cobra.NoFileCompletions(cmd, args, begin)
			}
			return shells, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, !plain)
			case "fish":
				return root.GenFishCompletion(a.out, !plain)
			case "powershell":
				if plain {
					return root.GenPowerShellCompletion(a.out)
				}
				return root.GenPowerShellCompletionWithDesc(a.out)
			case "zsh":
				if plain {
					return root.GenZshCompletionNoDesc(a.out)
				}
				return root.GenZshCompletion(a.out)
			}
			return usageErrorf("there is no completion for %q: use %s", args[0], strings.Join(shells, ", "))
		},
	}
	c.Flags().BoolVar(&plain, "no-descriptions", false, "offer words without what they mean")
	return c
}
