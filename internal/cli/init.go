package cli

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"text/template"

	"github.com/spf13/cobra"
)

//go:embed all:template
var templates embed.FS

func (a *app) initCommand() *cobra.Command {
	var gitlab, github bool
	cmd := &cobra.Command{
		Use:   "init <name> [folder]",
		Short: "Write a new customizer project in TypeScript",
		Long: "Writes a customizer project in TypeScript, with two hooks, their tests, and a build of\n" +
			"one file to deploy. The folder must be new or empty; by default it has the project's name.\n" +
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
			if err := errors.Join(checkPackageName(name), checkNewFolder(folder)); err != nil {
				return err
			}
			p := project{name: name, folder: folder}
			err := p.write("project")
			if gitlab && err == nil {
				err = p.write("gitlab")
			}
			if github && err == nil {
				err = p.write("github")
			}
			if err != nil {
				return errors.Join(fmt.Errorf("the project can't be written: %w", err), p.remove())
			}
			a.console.note("Wrote %d files to %s. In this folder, run:", len(p.files), folder)
			for _, line := range []string{"npm install", "npm test", "npm run build", "customizers deploy " + name + " dist/"} {
				a.console.note("  %s", line)
			}
			out := newPrinter(a, projectFileView, true)
			for _, f := range p.files {
				out.print(f)
			}
			return written(out.end(), "the project was written")
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

// A project is a folder of a new customizer project.
type project struct {
	name, folder string
	files        []projectFile
	created      []string // files and folders, in order
}

// write writes a folder of the templates. It fails if a file exists.
func (p *project) write(part string) error {
	root := "template/" + part
	return fs.WalkDir(templates, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(p.folder, filepath.FromSlash(path[len(root):]))
		if d.IsDir() {
			return p.mkdir(target)
		}
		t, err := template.New(d.Name()).Delims("<%", "%>").ParseFS(templates, path)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // G302, G304: a source file, where the user wants it
		if err != nil {
			return err
		}
		p.created = append(p.created, target)
		p.files = append(p.files, projectFile{target})
		return errors.Join(t.Execute(f, struct{ Name string }{p.name}), f.Close())
	})
}

// mkdir creates a folder and its parents, unless they exist.
func (p *project) mkdir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := p.mkdir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil { //nolint:gosec // G301: the umask decides
		return err
	}
	p.created = append(p.created, dir)
	return nil
}

// remove removes what was created.
func (p *project) remove() error {
	var err error
	for _, path := range slices.Backward(p.created) {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
