package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// arguments returns a check of a command's arguments, named as in its usage line. The last
// may be repeated (<id|name>...) or optional ([folder]).
func arguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		last := len(names) - 1
		repeated := last >= 0 && strings.HasSuffix(names[last], "...")
		for i, arg := range args {
			switch {
			case i > last && !repeated:
				return usageErrorf("unexpected argument %q", arg)
			case arg == "":
				return usageErrorf("%s is empty", strings.TrimSuffix(names[min(i, last)], "..."))
			}
		}
		if n := len(args); n <= last && !strings.HasPrefix(names[n], "[") {
			return usageErrorf("%s is missing", strings.TrimSuffix(names[n], "..."))
		}
		return nil
	}
}

// explain returns the text of a parser's error. For an unknown command it suggests others.
func explain(root *cobra.Command, err error) string {
	var unknown string
	if _, scanErr := fmt.Sscanf(err.Error(), "unknown command %q for", &unknown); scanErr != nil {
		return err.Error()
	}
	text := fmt.Sprintf("unknown command %q", unknown)
	if near := root.SuggestionsFor(unknown); len(near) > 0 {
		text += " (did you mean " + strings.Join(near, " or ") + "?)"
	}
	return text
}

// explainFlag replaces the parser's error about a value, which names a Go function, with the
// values that the flag takes.
func explainFlag(_ *cobra.Command, err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	flag, wanted := invalid.GetFlag(), map[string]string{
		"int":      "a whole number",
		"duration": "a duration, for example 30s or 2m",
		"bool":     "true or false",
	}
	if want, ok := wanted[flag.Value.Type()]; ok {
		return fmt.Errorf("--%s %q is not valid (want %s)", flag.Name, invalid.GetValue(), want)
	}
	return err
}

// strict makes help on an unknown command and completion for an unknown shell errors.
func strict(root *cobra.Command) {
	root.SetFlagErrorFunc(explainFlag)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Short = "Generate a completion script for bash, fish, powershell or zsh"
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() } // checks the arguments first
			quoteFish(c.Commands())
		case "help":
			c.Short, c.Long = "Show the help of a command", ""
			help := c.Run
			c.RunE = func(c *cobra.Command, args []string) error {
				if found, _, err := root.Find(args); err != nil || found == root && len(args) > 0 {
					return usageErrorf("unknown command %q", strings.Join(args, " "))
				}
				help(c, args)
				return nil
			}
		}
	}
}

// quoteFish mends cobra's script for fish, which evaluates the arguments without the quotes
// that they have on the command line.
func quoteFish(shells []*cobra.Command) {
	for _, c := range shells {
		if c.Name() == "fish" {
			c.RunE = func(c *cobra.Command, _ []string) error {
				var script strings.Builder
				plain, _ := c.Flags().GetBool("no-descriptions")
				err := c.Root().GenFishCompletion(&script, !plain)
				_, writeErr := io.WriteString(c.OutOrStdout(), strings.Replace(script.String(),
					"(commandline -opc)", "(string escape -- (commandline -opc))", 1))
				return errors.Join(err, writeErr)
			}
		}
	}
}
