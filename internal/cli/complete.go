package cli

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

// complete completes the first arguments with the names of customizers, and later arguments
// with then.
func (a *app) complete(names int, then cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= names {
			return then(cmd, args, begin)
		}
		return completions(a, cmd, args, begin, customizerKind, listAll), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeInstances completes arguments with the names of connector instances, and offers none
// that is given after the first skip arguments.
func (a *app) completeInstances(skip int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		given := args[min(skip, len(args)):]
		return completions(a, cmd, given, begin, instanceKind, listInstances), cobra.ShellCompDirectiveNoFileComp
	}
}

func listInstances(ctx context.Context, client *customizers.Client) ([]instances.Instance, error) {
	return instances.List(ctx, client)
}

// completions returns the names of listed items that begin with begin and are not in given.
// It returns the ID instead of a name that several items share or that is not a plain word.
// Because a person waits, it makes one attempt with a short timeout. If that fails, it
// returns nothing.
func completions[T any](a *app, cmd *cobra.Command, given []string, begin string, k kind[T],
	list func(context.Context, *customizers.Client) ([]T, error),
) (out []cobra.Completion) {
	if a.connect.secretFile == "-" || a.connect.check(cmd) != nil {
		return nil
	}
	a.console.quiet, a.console.verbose = true, false
	s, err := a.settings(cmd.Context())
	if err != nil {
		return nil
	}
	client, err := a.newClient(s, customizers.DefaultTransport(), customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
	defer cancel()
	all, err := list(ctx, client)
	if err != nil {
		return nil
	}
	count := map[string]int{}
	for _, item := range all {
		count[k.name(item)]++
	}
	for _, name := range given {
		count[name] = 0
	}
	for _, item := range all {
		id, name := k.id(item), k.name(item)
		switch {
		case !plainWord(id):
		case count[name] == 1 && plainWord(name) && strings.HasPrefix(name, begin):
			out = append(out, cobra.CompletionWithDesc(name, id))
		case count[name] > 0 && (strings.HasPrefix(name, begin) || strings.HasPrefix(id, begin)):
			out = append(out, cobra.CompletionWithDesc(id, plainText(name)))
		}
	}
	return out
}

// plainWord reports whether no shell expands, splits or quotes word, which may come from
// anybody who can name a customizer. The scripts of cobra and the shells evaluate the words
// and descriptions that they get, so the characters that are safe are listed here, not those
// that aren't. A word that begins with a letter or digit is neither a flag nor a home folder.
func plainWord(word string) bool {
	first, _ := utf8.DecodeRuneInString(word)
	return isAlphanumeric(first) && !strings.ContainsFunc(word, func(r rune) bool { return !isPlain(r) })
}

// plainText replaces the characters of text that a shell may interpret.
func plainText(text string) string {
	return strings.Map(func(r rune) rune {
		if isPlain(r) || r == ' ' {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

func isPlain(r rune) bool { return isAlphanumeric(r) || strings.ContainsRune("-_./+", r) }

func isAlphanumeric(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsDigit(r)) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

func filePaths(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func zipFiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"zip"}, cobra.ShellCompDirectiveFilterFileExt
}
