package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/deploy"
	"github.com/connector-customizers/customizers/internal/archive"
)

func (a *app) uploadCommand() *cobra.Command {
	var anyContent bool
	cmd := &cobra.Command{
		Use:   "upload <id|name> <file.zip>",
		Short: "Upload a zip archive as the next version of a customizer",
		Long: "Uploads a zip archive as the next version of a customizer. 'customizers deploy' also\n" +
			"creates the customizer, zips a folder, and uploads only what is new.",
		Example:           "  customizers upload hr-feed dist/hr-feed.zip",
		Args:              arguments("<id|name>", "<file.zip>"),
		ValidArgsFunction: a.complete(1, zipFiles),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := archive.Open(args[1])
			if err != nil {
				return usageErrorf("the archive can't be read: %v", err)
			}
			defer func() { _ = f.Close() }()
			switch warning, err := f.Look(); {
			case err != nil && !anyContent:
				return usageErrorf("%s: %v; or use --any-content", args[1], err)
			case warning != "":
				a.console.note("Warning: %s.", warning)
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			c, err := find(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			v, err := client.CreateVersion(cmd.Context(), c.ID, f.Reader())
			if err != nil {
				return errors.Join(err, f.Verify())
			}
			what := fmt.Sprintf("version %d of %s (%s) was uploaded", v.Version, c.Name, c.ID)
			if err := f.Verify(); err != nil {
				return fmt.Errorf("%s, but is not what was checked: %w", what, err)
			}
			return written(one(a, versionView, *v), what)
		},
	}
	cmd.Flags().BoolVar(&anyContent, "any-content", false, "upload an archive without index.js at its root too")
	return cmd
}

func (a *app) deployCommand() *cobra.Command {
	var opts deploy.Options
	var noRecord bool
	cmd := &cobra.Command{
		Use:   "deploy <id|name> <file.zip|folder>",
		Short: "Create a customizer if need be, and upload what is new",
		Long: "Makes the content of a zip archive or a folder the newest version of a customizer.\n" +
			"Creates the customizer if none has the name, uploads the content, and waits until the\n" +
			"service shows the new version. Writes the version before and after.\n\n" +
			"The archive must have index.js at its root. With --link, links connector instances to the\n" +
			"customizer afterwards.\n\n" +
			"Zips a folder, the same content to the same bytes. Leaves out *.zip and dot files at\n" +
			"the top of the folder. Refuses links out of the folder, and archives with unsafe names\n" +
			"or with a name twice.\n\n" +
			"The service does not return the content of a version. So a record file keeps a digest\n" +
			"of what was uploaded: while the newest version is the recorded one, the same content is\n" +
			"not uploaded again. Keep the file in your pipeline's cache.",
		Example: "  customizers deploy hr-feed dist/\n" +
			"  customizers deploy hr-feed dist/hr-feed.zip --dry-run\n" +
			"  customizers deploy hr-feed dist/ --link 'HR production'\n" +
			"  customizers deploy hr-feed dist/ --record .cache/deployed.json -o json",
		Args:              arguments("<id|name>", "<file.zip|folder>"),
		ValidArgsFunction: a.complete(1, filePaths),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.Timeout <= 0 {
				return usageErrorf("--timeout %v is not positive", opts.Timeout)
			}
			own := cmd.Flags().Changed("record")
			var unrecorded error // why there is no default record
			switch {
			case own && noRecord:
				return usageErrorf("--record and --no-record are both given")
			case own && strings.TrimSpace(opts.Record) == "":
				return usageErrorf("--record is empty")
			case !own && !noRecord:
				opts.Record, unrecorded = defaultRecord()
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			a.console.doing("deploying " + printable(args[0]))
			r, err := deploy.Run(cmd.Context(), client, args[0], args[1], opts)
			if r == nil && !own && errors.Is(err, deploy.ErrNotRecorded) { // the default file need not be writable
				unrecorded, opts.Record = err, ""
				r, err = deploy.Run(cmd.Context(), client, args[0], args[1], opts)
			}
			a.console.done()
			switch {
			case r == nil && errors.Is(err, customizers.ErrInvalidArgument) && !errors.As(err, new(*customizers.Error)):
				return usageErrorf("%v", err)
			case r == nil && errors.Is(err, customizers.ErrAmbiguous):
				return &adviceError{err: err, advice: "deploy to one of these IDs, or delete the others"}
			case r == nil:
				return err
			case unrecorded != nil:
				r.Unrecorded = messageOf(unrecorded)
			case !own:
				err = nil // the result says so
			}
			a.summarize(r)
			if r.Unrecorded != "" && err == nil {
				a.console.note("No record was kept, so the next deployment will upload again: %s.", r.Unrecorded)
			}
			out := one(a, deploymentView, *r)
			if r.Uploaded {
				out = written(out, fmt.Sprintf("version %d of %s (%s) was uploaded", r.NewVersion, r.Customizer.Name, r.Customizer.ID))
			}
			return errors.Join(out, err)
		},
	}
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "show what would be done, and do nothing")
	cmd.Flags().StringArrayVar(&opts.Link, "link", nil, "connector `instance` to link to the customizer afterwards, by ID or name; can be repeated")
	cmd.Flags().BoolVar(&opts.AnyContent, "any-content", false, "upload an archive without index.js at its root too")
	cmd.Flags().StringVar(&opts.Record, "record", "", "`file` to keep the record of uploads in (default in the user's cache folder)")
	cmd.Flags().BoolVar(&noRecord, "no-record", false, "keep no record, and always upload")
	cmd.Flags().DurationVar(&opts.Timeout, "timeout", 2*time.Minute, "how long to wait until the service shows the new version")
	return cmd
}

// defaultRecord returns the path of the record in the user's cache folder.
func defaultRecord() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "customizers", "deployed.json"), nil
}

// summarize says what a deployment did, for people.
func (a *app) summarize(r *deploy.Result) {
	name, digest := r.Customizer.Name, "sha256 "+r.SHA256[:12] // enough to tell archives apart
	if len(r.Skipped) > 0 {
		a.console.note("Left out %s: *.zip and dot files at the top of a folder are not deployed.", strings.Join(r.Skipped, ", "))
	}
	if r.Warning != "" {
		a.console.note("Warning: %s.", r.Warning)
	}
	switch {
	case r.WouldCreate:
		a.console.note("Would create %s and upload its first version.", name)
	case r.WouldUpload:
		a.console.note("Would upload version %d of %s.", r.NewVersion, name)
	case !r.Uploaded:
		a.console.note("%s has this content already, as version %d (%s).", name, r.NewVersion, digest)
	case r.Created:
		a.console.note("Created %s, and uploaded version %d (%s).", name, r.NewVersion, digest)
	default:
		a.console.note("Uploaded version %d of %s (%s).", r.NewVersion, name, digest)
	}
	for _, i := range r.Linked {
		if r.DryRun {
			a.console.note("Would link %s (%s) to %s.", i.Name, i.ID, name)
		} else {
			a.console.note("Linked %s (%s) to %s.", i.Name, i.ID, name)
		}
	}
}
