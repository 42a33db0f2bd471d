package cli

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

// complete completes the first arguments of a command with the names of customizers, and the
// ones that follow with then.
func (a *app) complete(names int, then cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= names {
			return then(cmd, args, toComplete)
		}
		return a.names(cmd, args, toComplete, customizerNames), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeInstances completes the arguments after the first few with the names of connector
// instances.
func (a *app) completeInstances(after int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return a.names(cmd, args[after:], toComplete, instanceNames), cobra.ShellCompDirectiveNoFileComp
	}
}

// A named is an item that can be given by its name or ID.
type named struct{ id, name string }

// customizerNames returns one page of customizers.
func customizerNames(ctx context.Context, client *customizers.Client) (out []named) {
	page, err := client.List(ctx, customizers.ListOptions{})
	if err != nil {
		return nil
	}
	for _, c := range page.Items {
		out = append(out, named{c.ID, c.Name})
	}
	return out
}

func instanceNames(ctx context.Context, client *customizers.Client) (out []named) {
	all, err := instances.List(ctx, client)
	if err != nil {
		return nil
	}
	for _, i := range all {
		out = append(out, named{i.ID, i.Name})
	}
	return out
}

// names returns the listed names that begin with begin and are not given yet. If several
// items share a name, or it can't be typed, it returns their IDs. As a person waits, it
// makes one attempt with a short timeout, and returns nothing if that fails.
func (a *app) names(cmd *cobra.Command, given []string, begin string, list func(context.Context, *customizers.Client) []named) []cobra.Completion {
	if a.connect.secretFile == "-" || a.connect.check(cmd) != nil {
		return nil
	}
	a.console.quiet, a.console.verbose = true, false
	s, err := a.settings(cmd.Context())
	if err != nil {
		return nil
	}
	client, err := a.newClient(s, nil, customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
	defer cancel()
	all := list(ctx, client)
	count := map[string]int{}
	for _, n := range all {
		count[n.name]++
	}
	for _, g := range given {
		count[g] = 0
	}
	var out []cobra.Completion
	for _, n := range all {
		switch same, typed := count[n.name], typable(n.name); {
		case same == 1 && typed && strings.HasPrefix(n.name, begin):
			out = append(out, cobra.CompletionWithDesc(n.name, n.id))
		case same > 0 && (strings.HasPrefix(n.name, begin) || strings.HasPrefix(n.id, begin)):
			out = append(out, cobra.CompletionWithDesc(n.id, printable(n.name)))
		}
	}
	return out
}

// typable reports whether a person can type name, and the completion keeps it as it is. A
// name that begins with a dash would be a flag.
func typable(name string) bool {
	return name != "" && name[0] != '-' && name == strings.TrimSpace(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
	})
}

func filePaths(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func zipFiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"zip"}, cobra.ShellCompDirectiveFilterFileExt
}
