package cli

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build describes the program.
type build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Commit  string `json:"commit,omitzero"`
	Date    string `json:"date,omitzero"` // of the commit
}

var buildView = view[build]{
	id: func(b build) string { return b.Version },
	columns: []column[build]{
		{head: "VERSION", cell: func(b build) string { return b.Version }},
		{head: "GO", cell: func(b build) string { return b.Go }},
		{head: "COMMIT", cell: func(b build) string { return b.Commit }},
		{head: "DATE", cell: func(b build) string { return b.Date }},
	},
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program",
		Long:    "Show the version of this program, the version of Go that built it, and the commit of its\nsource.",
		Example: "  # Print the version alone\n  customizers version -o id",
		RunE: func(*cobra.Command, []string) error {
			return one(a, buildView, thisBuild())
		},
	}
	a.addTableFlags(cmd)
	return cmd
}

func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{Version: "unknown"}
	}
	b := build{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		}
	}
	return b
}
