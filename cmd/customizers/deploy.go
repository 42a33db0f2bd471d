package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/deploy"
)

func (a *app) uploadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "upload <id|name> <file.zip>",
		Short: "Upload a zip archive as the next version of a customizer",
		Long: "Uploads a zip archive as the next version of a customizer. 'customizers deploy' also\n" +
			"creates the customizer, zips a folder, and uploads only what is new.",
		Example:           "  customizers upload hr-feed dist/hr-feed.zip",
		Args:              arguments("<id|name>", "<file.zip>"),
		ValidArgsFunction: a.complete(1, zipFiles),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openArchive(args[1])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			client, err := a.client()
			if err != nil {
				return err
			}
			c, err := find(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			v, err := client.CreateVersion(cmd.Context(), c.ID, f)
			if err != nil {
				return err
			}
			return one(a, versionView, *v)
		},
	}
}

// openArchive opens a zip archive that is whole.
func openArchive(path string) (*os.File, error) {
	f, err := os.Open(path) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, usageErrorf("the archive can't be read: %v", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = usageErrorf("%s is a folder: zip it, or use 'customizers deploy'", path)
	case !info.Mode().IsRegular():
		err = usageErrorf("%s is not a file", path)
	default:
		if _, digestErr := deploy.Digest(f, info.Size()); digestErr != nil {
			err = usageErrorf("%s: %v", path, digestErr)
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (a *app) deployCommand() *cobra.Command {
	var opts deploy.Options
	var noRecord bool
	cmd := &cobra.Command{
		Use:   "deploy <name> <file.zip|folder>",
		Short: "Create a customizer if need be, and upload what is new",
		Long: "Brings the content of a zip archive or a folder to the customizer of the given name:\n" +
			"creates it when there is none, uploads the content as a version, and waits until the\n" +
			"service shows it. Writes the version before and after.\n\n" +
			"A folder is zipped, the same content to the same bytes. A file\n" +
			deploy.IgnoreFile + " in it lists what is left out, in the syntax of .dockerignore. A link that\n" +
			"leaves the folder is refused.\n\n" +
			"The service does not tell the content of a version. So a record of what was uploaded,\n" +
			"with a digest of names and contents, is kept in a file: deploying the same content\n" +
			"again uploads nothing as long as the version is still that one. Keep the file in your\n" +
			"pipeline's cache; without it the content is uploaded once more.",
		Example: "  customizers deploy hr-feed dist/\n" +
			"  customizers deploy hr-feed dist/hr-feed.zip --dry-run\n" +
			"  customizers deploy hr-feed dist/ --record .cache/deployed.json -o json",
		Args:              arguments("<name>", "<file.zip|folder>"),
		ValidArgsFunction: a.complete(1, filePaths),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.Timeout <= 0 {
				return usageErrorf("--timeout %v is not positive", opts.Timeout)
			}
			own := cmd.Flags().Changed("record")
			switch {
			case own && noRecord:
				return usageErrorf("--record and --no-record are both given")
			case !own && !noRecord:
				opts.Record = defaultRecord()
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			a.console.doing("deploying " + printable(args[0]))
			r, err := deploy.Deploy(cmd.Context(), client, args[0], args[1], opts)
			a.console.done()
			switch {
			case r == nil && errors.Is(err, customizers.ErrInvalidArgument) && !errors.As(err, new(*customizers.Error)):
				return usageErrorf("%v", err)
			case r == nil && errors.Is(err, deploy.ErrAmbiguous):
				return &adviceError{err: err, advice: "upload to one of these IDs by 'customizers upload', or delete the others"}
			case r == nil:
				return err
			case err != nil && !own: // the default place need not be writable
				a.console.note("%v: the next deployment will upload again.", err)
				err = nil
			}
			a.tell(r)
			return errors.Join(one(a, deploymentView, *r), err)
		},
	}
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "tell what would be done, and do nothing")
	cmd.Flags().StringVar(&opts.Record, "record", "", "`file` to keep the record of uploads in (default in the user's cache folder)")
	cmd.Flags().BoolVar(&noRecord, "no-record", false, "keep no record, and always upload")
	cmd.Flags().DurationVar(&opts.Timeout, "timeout", 2*time.Minute, "how long to wait until the service shows the new version")
	return cmd
}

// defaultRecord is the place of the record; none when the user has no cache folder.
func defaultRecord() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "customizers", "deployed.json")
}

// tell says what a deployment did, for people.
func (a *app) tell(r *deploy.Result) {
	name := r.Customizer.Name
	switch {
	case r.DryRun && r.Created:
		a.console.note("Would create %s and upload its first version.", name)
	case r.DryRun && r.Uploaded:
		a.console.note("Would upload version %d of %s.", r.NewVersion, name)
	case !r.Uploaded:
		a.console.note("%s has this content already, as version %d.", name, r.NewVersion)
	case r.Created:
		a.console.note("Created %s, and uploaded version %d.", name, r.NewVersion)
	default:
		a.console.note("Uploaded version %d of %s.", r.NewVersion, name)
	}
}
