// Docs writes the man pages and shell completions of a release to a folder. It is a module
// of its own because cobra/doc has dependencies that users of the SDK don't need.
package main

import (
	"errors"
	"log"
	"os"
	"path/filepath"

	"github.com/spf13/cobra/doc"

	"github.com/connector-customizers/customizers/internal/cli"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: docs <folder>")
	}
	if err := write(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func write(dir string) error {
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	if err := errors.Join(os.MkdirAll(man, 0o755), os.MkdirAll(completions, 0o755)); err != nil {
		return err
	}
	root := cli.Command()
	root.DisableAutoGenTag = true
	return errors.Join(
		doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "customizers", Manual: "User Commands"}, man),
		root.GenBashCompletionFileV2(filepath.Join(completions, "customizers.bash"), true),
		root.GenFishCompletionFile(filepath.Join(completions, "customizers.fish"), true),
		root.GenPowerShellCompletionFileWithDesc(filepath.Join(completions, "customizers.ps1")),
		root.GenZshCompletionFile(filepath.Join(completions, "_customizers")),
	)
}
