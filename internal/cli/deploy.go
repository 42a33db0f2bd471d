package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/deploy"
	"github.com/connector-customizers/customizers/internal/archive"
)

func (a *app) uploadCommand() *cobra.Command {
	var allowMissingIndex, dryRun bool
	cmd := &cobra.Command{
		Use:        "upload <id|name> <file.zip>",
		Short:      "Upload a zip archive as the next version of a customizer",
		SuggestFor: []string{"push", "create-version"},
		Long: "Uploads a zip archive as the next version of a customizer. 'customizers deploy' also\n" +
			"creates the customizer, zips a folder, and uploads only new content.",
		Example:           "  customizers upload hr-feed dist/hr-feed.zip",
		Args:              arguments("<id|name>", "<file.zip>"),
		ValidArgsFunction: a.complete(1, zipFiles),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := archive.Open(args[1])
			if err != nil {
				return usageErrorf("the archive can't be read: %w", err)
			}
			defer func() { _ = f.Close() }()
			switch warning, err := f.Look(args[1]); {
			case err != nil && !allowMissingIndex:
				return &exitError{err: err, code: exitUsage, advice: missingIndexAdvice}
			case warning != "":
				a.console.note("Warning: %s.", warning)
			}
			client, c, err := a.lookup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if dryRun {
				a.console.note("Would upload version %d of %s (%s) to %s.", c.ImageVersion+1, c.Name, c.ID, a.tenant)
				return preview(a, versionView, customizers.Version{CustomizerID: c.ID, Version: c.ImageVersion + 1})
			}
			v, err := client.CreateVersion(cmd.Context(), c.ID, f.Reader())
			if err != nil {
				return errors.Join(err, f.Verify())
			}
			what := fmt.Sprintf("version %d of %s (%s) was uploaded", v.Version, c.Name, c.ID)
			if err := f.Verify(); err != nil {
				return fmt.Errorf("%s, but the file changed after the check: %w", what, err)
			}
			return outputError(one(a, versionView, *v), what)
		},
	}
	cmd.Flags().BoolVar(&allowMissingIndex, "allow-missing-index", false, "upload an archive even without index.js at its root")
	a.addChangeFlags(cmd, &dryRun)
	return cmd
}

func (a *app) deployCommand() *cobra.Command {
	var opts deploy.Options
	var noRecord bool
	cmd := &cobra.Command{
		Use:   "deploy <id|name> <file.zip|folder>",
		Short: "Create a customizer if it does not exist, and upload new content",
		Long: "Makes the content of a zip archive or a folder the newest version of a customizer.\n" +
			"Creates the customizer if none has the name, uploads the content, and waits until the\n" +
			"service shows the new version. Writes the version before and after.\n\n" +
			"The archive must have index.js at its root. With --link, links connector instances to the\n" +
			"customizer afterwards.\n\n" +
			"Zips a folder; the same content gives the same bytes. Leaves out *.zip and dot files at\n" +
			"the top of the folder. Refuses links out of the folder, and archives with unsafe or\n" +
			"duplicate names.\n\n" +
			"The service does not return the content of a version, so deploy keeps a record of its\n" +
			"uploads. If the newest version is in the record with the same content, it uploads\n" +
			"nothing. Keep the record in your pipeline's cache.",
		Example: "  customizers deploy hr-feed dist/\n" +
			"  customizers deploy hr-feed dist/hr-feed.zip --dry-run\n" +
			"  customizers deploy hr-feed dist/ --link 'HR production'\n" +
			"  customizers deploy hr-feed dist/ --record .cache/deployed.json -o json",
		Args:              arguments("<id|name>", "<file.zip|folder>"),
		ValidArgsFunction: a.complete(1, filePaths),
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(opts.Link, "") {
				return usageErrorf("--link is empty")
			}
			if opts.Timeout <= 0 {
				return usageErrorf("--timeout %v is not positive", opts.Timeout)
			}
			own := cmd.Flags().Changed("record")
			var unrecorded error // why there is no default record
			switch {
			case own && noRecord:
				return usageErrorf("--record and --no-record can't be used together")
			case own && strings.TrimSpace(opts.Record) == "":
				return usageErrorf("--record is empty")
			case !own && !noRecord:
				opts.Record, unrecorded = defaultRecord()
			}
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			steps := &deploySteps{Client: client, console: a.console, name: args[0]}
			a.console.step("Reading %s", args[1])
			r, err := deploy.Run(cmd.Context(), steps, args[0], args[1], opts)
			if r == nil && !own && errors.Is(err, deploy.ErrNotRecorded) { // the default file need not be writable
				unrecorded, opts.Record = err, ""
				r, err = deploy.Run(cmd.Context(), steps, args[0], args[1], opts)
			}
			a.console.clear()
			switch {
			case r == nil && errors.Is(err, customizers.ErrInvalidArgument) && !errors.As(err, new(*customizers.Error)):
				bad := &exitError{err: err, code: exitUsage}
				if errors.Is(err, archive.ErrNoIndex) {
					bad.advice = missingIndexAdvice
				}
				return bad
			case r == nil && errors.Is(err, customizers.ErrAmbiguous):
				return &exitError{err: err, advice: "deploy to one of these IDs, or delete the others"}
			case r == nil:
				return err
			case unrecorded != nil:
				r.RecordError = messageOf(unrecorded)
			case !own && errors.Is(err, deploy.ErrNotRecorded):
				err = nil // the result has it
			}
			a.summarize(r)
			if r.RecordError != "" && !errors.Is(err, deploy.ErrNotRecorded) {
				a.console.note("Warning: the record was not written, so the next deployment will upload again: %s.", r.RecordError)
			}
			out := one(a, deploymentView, *r)
			if r.Uploaded {
				out = outputError(out, fmt.Sprintf("version %d of %s (%s) was uploaded", r.NewVersion, r.Customizer.Name, r.Customizer.ID))
			}
			return errors.Join(out, err)
		},
	}
	cmd.Flags().StringArrayVar(&opts.Link, "link", nil, "connector `instance` to link to the customizer afterwards, by ID or name; repeatable")
	_ = cmd.RegisterFlagCompletionFunc("link", a.completeInstances(2))
	cmd.Flags().BoolVar(&opts.AllowMissingIndex, "allow-missing-index", false, "upload an archive even without index.js at its root")
	cmd.Flags().StringVar(&opts.Record, "record", "", "`file` to keep the record of uploads in (default in the user's cache folder)")
	cmd.Flags().BoolVar(&noRecord, "no-record", false, "keep no record, and always upload")
	cmd.Flags().DurationVar(&opts.Timeout, "timeout", 2*time.Minute, "how long to wait until the service shows the new version")
	a.addChangeFlags(cmd, &opts.DryRun)
	return cmd
}

const missingIndexAdvice = "or use --allow-missing-index"

// A deploySteps is a client that shows the steps of a deployment.
type deploySteps struct {
	*customizers.Client

	console  *console
	name     string
	uploaded bool
}

func (s *deploySteps) Get(ctx context.Context, id string) (*customizers.Customizer, error) {
	if s.uploaded {
		s.console.step("Waiting until the service shows the new version")
	} else {
		s.console.step("Looking for %s", s.name)
	}
	return s.Client.Get(ctx, id)
}

func (s *deploySteps) GetByName(ctx context.Context, name string) (*customizers.Customizer, error) {
	s.console.step("Looking for %s", s.name)
	return s.Client.GetByName(ctx, name)
}

func (s *deploySteps) Create(ctx context.Context, r customizers.CreateRequest) (*customizers.Customizer, error) {
	s.console.step("Creating %s", s.name)
	return s.Client.Create(ctx, r)
}

func (s *deploySteps) CreateVersion(ctx context.Context, id string, archive io.Reader) (*customizers.Version, error) {
	size := ""
	if sized, ok := archive.(interface{ Size() int64 }); ok {
		size = " " + sizeText(sized.Size())
	}
	s.console.step("Uploading%s", size)
	s.uploaded = true
	return s.Client.CreateVersion(ctx, id, archive)
}

func (s *deploySteps) Do(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet {
		s.console.step("Looking for the connector instances")
	} else {
		s.console.step("Linking connector instances")
	}
	return s.Client.Do(req)
}

// defaultRecord returns the path of the record in the user's cache folder.
func defaultRecord() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "customizers", "deployed.json"), nil
}

// summarize writes notes on a deployment.
func (a *app) summarize(r *deploy.Result) {
	name, digest := r.Customizer.Name, "content "+r.ContentSHA256[:12] // enough to tell archives apart
	if len(r.Skipped) > 0 {
		a.console.note("Left out %s: *.zip and dot files at the top of a folder are not deployed.", strings.Join(r.Skipped, ", "))
	}
	if r.Warning != "" {
		a.console.note("Warning: %s.", r.Warning)
	}
	switch {
	case r.WouldCreate:
		a.console.note("Would create %s in %s and upload its first version (%s).", name, a.tenant, digest)
	case r.WouldUpload:
		a.console.note("Would upload version %d of %s to %s (%s).", r.NewVersion, name, a.tenant, digest)
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
