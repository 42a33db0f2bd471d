package cli

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
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
		Long: "Create a customizer project in TypeScript, with two hooks, their tests, and a build that\n" +
			"writes one file to deploy. The folder defaults to the name. It must be empty, except for\n" +
			"files and folders whose names begin with a dot, such as .git.\n\n" +
			"GitHub and GitLab read pipelines only at the root of a repository. If the folder is inside\n" +
			"one, --github and --gitlab write the pipeline there, with the folder in its paths.\n\n" +
			"The project needs Node.js 20 or later and npm.",
		Example: "  # Create a project in a new folder\n" +
			"  customizers init hr-feed\n\n" +
			"  # Create a project in a folder of a repository, with a GitLab pipeline at its root\n" +
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
			var pipelines []string
			if gitlab {
				pipelines = append(pipelines, gitlabPipeline)
			}
			if github {
				pipelines = append(pipelines, githubPipeline)
			}
			files, err := newProject(name, folder, pipelines)
			if err != nil {
				return err
			}
			out := newPrinter(a, projectFileView, true)
			for _, f := range files {
				if err := f.write(); err != nil {
					return fmt.Errorf("the project can't be written: %w (delete %s before you try again)", err, folder)
				}
				out.print(f)
			}
			a.console.note("Wrote %d files to %s. Next, run:", len(files), folder)
			for _, line := range []string{"cd " + folder, "npm install", "npm test", "npm run build", "customizers deploy " + name + " dist/"} {
				a.console.note("  %s", line)
			}
			return outputError(out.end(), "the project was written")
		},
	}
	a.addTableFlags(cmd)
	a.addQuietFlag(cmd)
	cmd.Flags().BoolVar(&gitlab, "gitlab", false, "add a pipeline for GitLab, .gitlab-ci.yml")
	cmd.Flags().BoolVar(&github, "github", false, "add a workflow for GitHub, in .github/workflows")
	return cmd
}

type projectFile struct {
	Path string `json:"path"`
	text []byte
}

var projectFileView = view[projectFile]{
	id:      func(f projectFile) string { return f.Path },
	columns: []column[projectFile]{{head: "FILE", cell: func(f projectFile) string { return f.Path }}},
}

var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,213}$`)

// checkPackageName rejects names that npm rejects, and names with a scope.
func checkPackageName(name string) error {
	if !packageName.MatchString(name) || name == "node_modules" || name == "favicon.ico" {
		return usageErrorf("the name %q is not an npm package name (want at most 214 lower-case letters, digits, \".\", \"_\" and \"-\", beginning with a letter or digit)", name)
	}
	return nil
}

// The templates of the pipelines, named as their CI system reads them.
const (
	gitlabPipeline = ".gitlab-ci.yml"
	githubPipeline = ".github/workflows/deploy.yml"
)

// newProject returns the files of a project. It fails if the folder has content: a file that
// is not hidden, or one of the project's own.
func newProject(name, folder string, pipelines []string) ([]projectFile, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, usageErrorf("the folder can't be used: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			return nil, usageErrorf("the folder %s is not empty (it has %s)", folder, e.Name())
		}
	}
	var files []projectFile
	add := func(source, target, advice string, data any) error {
		if _, err := os.Lstat(target); err == nil {
			return usageErrorf("%s already exists (%s)", target, advice)
		}
		t, err := template.New(path.Base(source)).Delims("<%", "%>").ParseFS(templates, source)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		err = t.Execute(&text, data)
		files = append(files, projectFile{target, text.Bytes()})
		return err
	}
	data := struct {
		Name string
		Dir  string // of the project in its repository, with a slash at its end; may be empty
	}{Name: name}
	err = fs.WalkDir(templates, "template/project", func(source string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return add(source, filepath.Join(folder, filepath.FromSlash(strings.TrimPrefix(source, "template/project/"))), "move it away, or choose another folder", data)
	})
	root, down := repository(folder)
	if down != "" {
		data.Dir = filepath.ToSlash(down) + "/"
	}
	if len(pipelines) > 0 && !plainPath.MatchString(data.Dir) { // a shell and patterns of paths would interpret it
		return nil, usageErrorf("the folder %q of the repository can't be used in a pipeline (want letters, digits, \".\", \"_\", \"-\" and \"/\")", down)
	}
	for _, p := range pipelines {
		target := filepath.Join(root, filepath.FromSlash(p))
		if p == githubPipeline && down != "" { // a repository may have several
			target = filepath.Join(filepath.Dir(target), "deploy-"+name+".yml")
		}
		if err == nil {
			err = add("template/pipelines/"+path.Base(p), target, "leave out its flag, and add the project's jobs by hand, as in https://github.com/connector-customizers/customizers/blob/main/docs/pipelines.md", data)
		}
	}
	return files, err
}

// plainPath matches the path of a folder in its repository.
var plainPath = regexp.MustCompile(`^([\pL\pN_.][\pL\pN_./-]*)?$`)

// repository returns the root of the Git repository that a folder is in, and the path from there
// to the folder. If the folder is that root, or in no repository, they are the folder and "".
// Links are resolved, as Git and the system do.
func repository(folder string) (root, down string) {
	dir := resolve(folder)
	for down = ""; ; {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return folder, ""
		}
		down, dir = filepath.Join(filepath.Base(dir), down), parent
	}
	if !filepath.IsAbs(folder) {
		if short, err := filepath.Rel(resolve("."), dir); err == nil {
			dir = short
		}
	}
	return dir, down
}

// resolve returns the absolute path of a folder without links. The folder may not exist yet.
func resolve(folder string) string {
	dir, err := filepath.Abs(folder)
	if err != nil { // the current folder was deleted
		return folder
	}
	target, err := filepath.EvalSymlinks(dir)
	if parent := filepath.Dir(dir); err != nil && parent != dir {
		return filepath.Join(resolve(parent), filepath.Base(dir))
	}
	return target
}

// write writes a file that does not exist.
func (f projectFile) write() error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o777); err != nil { //nolint:gosec // G301: the umask decides
		return err
	}
	return os.WriteFile(f.Path, f.text, 0o666) //nolint:gosec // G306: a source file; the umask decides
}
