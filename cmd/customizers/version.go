package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build is what the program knows of itself.
type build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Commit  string `json:"commit,omitzero"`
	Date    string `json:"date,omitzero"` // of the commit
}

var buildView = view[build]{
	id: func(b build) string { return b.Version },
	columns: []column[build]{
		{"VERSION", func(b build) string { return b.Version }, false},
		{"GO", func(b build) string { return b.Go }, false},
		{"COMMIT", func(b build) string { return b.Commit }, false},
		{"DATE", func(b build) string { return b.Date }, false},
	},
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return one(a, buildView, thisBuild())
		},
	}
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
