package cli

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build describes the program.
type build struct {
	Version string `json:"version"` // for a commit without a tag, its time and hash
	Go      string `json:"go"`
}

var buildView = view[build]{
	id: func(b build) string { return b.Version },
	columns: []column[build]{
		{head: "VERSION", cell: func(b build) string { return b.Version }},
		{head: "GO", cell: func(b build) string { return b.Go }},
	},
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program",
		Long:    "Show the version of this program and of the Go that built it.",
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
	return build{Version: info.Main.Version, Go: info.GoVersion}
}
