package cli

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"text/template"

	"github.com/spf13/cobra"
)

//go:embed all:template
var templates embed.FS

func (a *app) initCommand() *cobra.Command {
	var gitlab, github bool
	cmd := &cobra.Command{
		Use:   "init <name> [folder]",
		Short: "Create a customizer project in TypeScript",
		Long: "Creates a customizer project in TypeScript, with two hooks, their tests, and a build that\n" +
			"writes one file to deploy. The folder must be new or empty. It defaults to the name.\n" +
			"The project needs Node.js 20 or later and npm.",
		Example: "  customizers init hr-feed\n" +
			"  customizers init hr-feed customizers/hr-feed --gitlab",
		Args: arguments("<name>", "[folder]"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			name, folder := args[0], args[len(args)-1]
			if err := checkPackageName(name); err != nil {
				return err
			}
			if err := checkNewFolder(folder); err != nil {
				return err
			}
			parts := []string{"project"}
			if gitlab {
				parts = append(parts, "gitlab")
			}
			if github {
				parts = append(parts, "github")
			}
			var files []projectFile
			for _, part := range parts {
				part, err := writeProject(part, folder, name)
				if err != nil {
					return fmt.Errorf("the project can't be written: %w (delete %s before you try again)", err, folder)
				}
				files = append(files, part...)
			}
			a.console.note("Wrote %d files to %s. Next, run:", len(files), folder)
			for _, line := range []string{"cd " + folder, "npm install", "npm test", "npm run build", "customizers deploy " + name + " dist/"} {
				a.console.note("  %s", line)
			}
			out := newPrinter(a, projectFileView, true)
			for _, f := range files {
				out.print(f)
			}
			return outputError(out.end(), "the project was written")
		},
	}
	a.addTableFlags(cmd)
	a.addQuietFlag(cmd)
	cmd.Flags().BoolVar(&gitlab, "gitlab", false, "add a pipeline for GitLab, .gitlab-ci.yml")
	cmd.Flags().BoolVar(&github, "github", false, "add a workflow for GitHub, .github/workflows/deploy.yml")
	return cmd
}

type projectFile struct {
	Path string `json:"path"`
}

var projectFileView = view[projectFile]{
	id:      func(f projectFile) string { return f.Path },
	columns: []column[projectFile]{{head: "FILE", cell: func(f projectFile) string { return f.Path }}},
}

var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,213}$`)

// checkPackageName refuses names that npm refuses, and names with a scope.
func checkPackageName(name string) error {
	if !packageName.MatchString(name) || name == "node_modules" || name == "favicon.ico" {
		return usageErrorf("the name %q is not an npm package name (want lower-case letters, digits, \".\", \"_\" and \"-\", a letter or digit first, at most 214)", name)
	}
	return nil
}

// checkNewFolder refuses a file and a folder that is not empty.
func checkNewFolder(folder string) error {
	entries, err := os.ReadDir(folder)
	switch {
	case len(entries) > 0:
		return usageErrorf("the folder %s is not empty (it has %s)", folder, entries[0].Name())
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return usageErrorf("the folder can't be used: %w", err)
}

// writeProject writes a part of the templates to a folder and returns the paths of the files.
func writeProject(part, folder, name string) (files []projectFile, err error) {
	root := "template/" + part
	err = fs.WalkDir(templates, root, func(path string, d fs.DirEntry, err error) error {
		target := filepath.Join(folder, filepath.FromSlash(path[len(root):]))
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(target, 0o777) //nolint:gosec // G301: the umask decides
		}
		t, err := template.New(d.Name()).Delims("<%", "%>").ParseFS(templates, path)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := t.Execute(&text, struct{ Name string }{name}); err != nil {
			return err
		}
		files = append(files, projectFile{target})
		return os.WriteFile(target, text.Bytes(), 0o666) //nolint:gosec // G306: a source file; the umask decides
	})
	return files, err
}
