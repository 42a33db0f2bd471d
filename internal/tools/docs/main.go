// Docs replaces a folder with the reference of the command, from the command itself: Markdown
// pages, man pages or shell completions. It is a module of its own because cobra/doc has
// dependencies that users of the SDK don't need.
package main

import (
	"bytes"
	"errors"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/connector-customizers/customizers/internal/cli"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: docs markdown|man|completions <folder>")
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func write(form, dir string) error {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	root := cli.Command()
	root.DisableAutoGenTag = true
	switch form {
	case "markdown":
		return doc.GenMarkdownTree(root, dir)
	case "man":
		for _, c := range root.Commands() {
			c.Use = strings.ReplaceAll(c.Use, "<", `\<`) // cobra/doc reads it as Markdown
		}
		return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "customizers", Manual: "User Commands"}, dir)
	case "completions":
		return errors.Join(
			root.GenBashCompletionFileV2(filepath.Join(dir, "customizers.bash"), true),
			fishCompletion(root, filepath.Join(dir, "customizers.fish")),
			root.GenPowerShellCompletionFileWithDesc(filepath.Join(dir, "customizers.ps1")),
			root.GenZshCompletionFile(filepath.Join(dir, "_customizers")),
		)
	}
	return errors.New("unknown form " + form)
}

// fishCompletion writes the script that the command prints, which is not quite cobra's.
func fishCompletion(root *cobra.Command, path string) error {
	var script bytes.Buffer
	root.SetOut(&script)
	root.SetArgs([]string{"completion", "fish"})
	return errors.Join(root.Execute(), os.WriteFile(path, script.Bytes(), 0o644))
}
