package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// completionCommand replaces cobra's, whose four commands slow down every start.
func (a *app) completionCommand() *cobra.Command {
	var plain bool
	shells := []string{"bash", "fish", "powershell", "zsh"}
	c := &cobra.Command{
		Use:   "completion <shell>",
		Short: "Write a completion script for a shell",
		Long: "Writes a script that completes commands, flags and the names of the tenant's customizers\n" +
			"in bash, fish, powershell or zsh.",
		Example: "  source <(customizers completion bash)\n" +
			"  customizers completion fish > ~/.config/fish/completions/customizers.fish\n" +
			"  customizers completion powershell | Out-String | Invoke-Expression\n" +
			"  customizers completion zsh > \"${fpath[1]}/_customizers\"",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageErrorf("the shell is missing (want %s)", strings.Join(shells, ", "))
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
				if _, err := io.WriteString(a.out, bashFallback); err != nil {
					return err
				}
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
			return usageErrorf("unknown shell %q (want %s)", args[0], strings.Join(shells, ", "))
		},
	}
	c.Flags().BoolVar(&plain, "no-descriptions", false, "omit descriptions")
	return c
}

// bashFallback defines functions of the bash-completion package that cobra's script calls,
// unless the package is loaded.
const bashFallback = `# Works without the package bash-completion.
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    }
    __ltrim_colon_completions() { :; }
    _filedir() {
        local action=-f
        [[ $1 == -d ]] && action=-d
        mapfile -t COMPREPLY < <(compgen $action -- "$cur")
        compopt -o filenames
    }
fi

`
