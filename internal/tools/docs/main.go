// Docs documents the command from the command itself: the man pages and shell completions of
// a release, or the page docs/command.md. It is a module of its own because cobra/doc has
// dependencies that users of the SDK don't need.
package main

import (
	"errors"
	"log"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers/internal/cli"
)

func main() {
	log.SetFlags(0)
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] != "-page":
		err = writeFolder(args[0])
	case len(args) == 2 && args[0] == "-page":
		err = writePage(args[1])
	default:
		log.Fatal("usage: docs <folder>\n       docs -page <file.md>")
	}
	if err != nil {
		log.Fatal(err)
	}
}

// writeFolder writes man pages and completions to folders in dir.
func writeFolder(dir string) error {
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	if err := errors.Join(os.MkdirAll(man, 0o755), os.MkdirAll(completions, 0o755)); err != nil {
		return err
	}
	root := cli.Command()
	return errors.Join(
		root.GenBashCompletionFileV2(filepath.Join(completions, "customizers.bash"), true),
		root.GenFishCompletionFile(filepath.Join(completions, "customizers.fish"), true),
		root.GenPowerShellCompletionFileWithDesc(filepath.Join(completions, "customizers.ps1")),
		root.GenZshCompletionFile(filepath.Join(completions, "_customizers")),
		writeMan(cli.Command(), man),
	)
}

// documented returns the subcommands of root that a reader can run, in the order of its help.
func documented(root *cobra.Command) (commands []*cobra.Command) {
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			commands = append(commands, c)
		}
	}
	return commands
}
