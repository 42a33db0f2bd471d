package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
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
		Long: "Upload a zip archive as the next version of a customizer. The archive must have index.js at\n" +
			"its root. 'customizers deploy' also creates the customizer, zips a folder, and skips the\n" +
			"upload if the newest version has the same content.",
		Example: "  # Upload an archive\n" +
			"  customizers upload hr-feed dist/hr-feed.zip",
		Args:              arguments("<id|name>", "<file.zip>"),
		ValidArgsFunction: a.complete(1, zipFiles),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := archive.Open(cmd.Context(), args[1])
			switch {
			case err != nil && cmd.Context().Err() != nil:
				return err
			case err != nil:
				return usageErrorf("the archive can't be read: %w", err)
			}
			defer func() { _ = f.Close() }()
			switch warning, err := f.Look(cmd.Context(), args[1]); {
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
				return errors.Join(err, f.Verify(cmd.Context()))
			}
			what := fmt.Sprintf("version %d of %s (%s) was uploaded", v.Version, c.Name, c.ID)
			if err := f.Verify(cmd.Context()); err != nil {
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
		Long: "Make a zip archive or a folder the newest version of a customizer. Deploy creates the\n" +
			"customizer if no customizer has that name, uploads the content, waits until the service\n" +
			"shows the new version, and prints the old and new version numbers.\n\n" +
			"A folder is zipped first, without *.zip and dot files at its top level. The archive must\n" +
			"have index.js at its root. Links that lead out of the folder, and unsafe or duplicate\n" +
			"names, are rejected.\n\n" +
			"The service does not return the content of a version, so deploy keeps a record of what it\n" +
			"uploads, and skips the upload if the newest version already has the same content. In a\n" +
			"pipeline, keep the record in the cache. Deployments that run at the same time can share it.",
		Example: "  # Deploy a folder\n" +
			"  customizers deploy hr-feed dist/\n\n" +
			"  # Show what deploying an archive would change\n" +
			"  customizers deploy hr-feed dist/hr-feed.zip --dry-run\n\n" +
			"  # Deploy a folder, and link the customizer to an instance\n" +
			"  customizers deploy hr-feed dist/ --link 'HR production'\n\n" +
			"  # Deploy from a pipeline, which keeps .cache between its runs\n" +
			"  customizers deploy hr-feed dist/ --record .cache/deployed.jsonl -o json",
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
			var noDefault error // why there is no default record
			switch {
			case own && noRecord:
				return usageErrorf("--record and --no-record can't be used together")
			case own && strings.TrimSpace(opts.Record) == "":
				return usageErrorf("--record is empty")
			case !own && !noRecord:
				opts.Record, noDefault = defaultRecord()
			}
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			steps := &deploySteps{Client: client, console: a.console, name: args[0]}
			a.console.step("Reading %s", args[1])
			r, err := deploy.Run(cmd.Context(), steps, args[0], args[1], opts)
			a.console.clear()
			switch {
			case r == nil && errors.Is(err, customizers.ErrInvalidArgument) && !errors.As(err, new(*customizers.Error)):
				bad := &exitError{err: err, code: exitUsage}
				if errors.Is(err, archive.ErrNoIndex) {
					bad.advice = missingIndexAdvice
				}
				return bad
			case errors.Is(err, customizers.ErrOutcomeUnknown):
				err = &exitError{err: err, advice: "run 'customizers deploy' again: it continues from what the tenant shows"}
			case errors.Is(err, deploy.ErrVersionNotVisible):
				err = &exitError{err: err, advice: "run 'customizers deploy' again, or use a longer --timeout"}
			case errors.Is(err, customizers.ErrAmbiguous):
				err = &exitError{err: err, advice: "deploy to one of these IDs, or delete the others"}
			}
			if r == nil {
				return err
			}
			if noDefault != nil {
				r.RecordError = messageOf(noDefault)
			}
			a.summarize(r)
			if r.RecordError != "" {
				a.console.note("Warning: the record can't be used, so the next deployment will upload again: %s.", r.RecordError)
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
	cmd.Flags().DurationVar(&opts.Timeout, "timeout", 2*time.Minute, "how long to wait until the service shows a new customizer or version")
	a.addChangeFlags(cmd, &opts.DryRun)
	return cmd
}

const missingIndexAdvice = "or use --allow-missing-index"

// A deploySteps is a client that shows the steps of a deployment. If a request is repeated, the
// deployment waits for the service.
type deploySteps struct {
	*customizers.Client

	console  *console
	name     string
	last     string // the last request
	uploaded bool
}

func (s *deploySteps) step(request, task string) {
	if request == s.last {
		task = "Waiting until the service shows " + s.name
	}
	s.last = request
	s.console.step("%s", task)
}

func (s *deploySteps) Get(ctx context.Context, id string) (*customizers.Customizer, error) {
	task := "Looking for " + s.name
	if s.uploaded {
		task = "Waiting until the service shows the new version"
		s.last = ""
	}
	s.step("get "+id, task)
	return s.Client.Get(ctx, id)
}

func (s *deploySteps) All(ctx context.Context, opts customizers.ListOptions) iter.Seq2[customizers.Customizer, error] {
	s.step("list", "Looking for "+s.name)
	return s.Client.All(ctx, opts)
}

func (s *deploySteps) Create(ctx context.Context, r customizers.CreateRequest) (*customizers.Customizer, error) {
	s.step("create", "Creating "+s.name)
	return s.Client.Create(ctx, r)
}

func (s *deploySteps) CreateVersion(ctx context.Context, id string, archive io.Reader) (*customizers.Version, error) {
	size := ""
	if sized, ok := archive.(interface{ Size() int64 }); ok {
		size = " " + sizeText(sized.Size())
	}
	s.step("upload", "Uploading"+size)
	v, err := s.Client.CreateVersion(ctx, id, archive)
	s.uploaded = err == nil
	return v, err
}

func (s *deploySteps) Do(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet {
		s.step("instances", "Looking for the connector instances")
	} else {
		s.step("link "+req.URL.Path, "Linking connector instances")
	}
	return s.Client.Do(req)
}

// defaultRecord returns the path of the record in the user's cache folder.
func defaultRecord() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "customizers", "deployed.jsonl"), nil
}

// summarize writes notes on a deployment.
func (a *app) summarize(r *deploy.Result) {
	name, digest := r.Customizer.Name, r.ContentSHA256[:12] // enough to tell archives apart
	if len(r.Skipped) > 0 {
		a.console.note("Skipped %s: *.zip and dot files at the top of a folder are not deployed.", strings.Join(r.Skipped, ", "))
	}
	if r.Warning != "" {
		a.console.note("Warning: %s.", r.Warning)
	}
	switch {
	case r.WouldCreate:
		a.console.note("Would create %s in %s and upload its first version (content %s).", name, a.tenant, digest)
	case r.WouldUpload:
		a.console.note("Would upload version %d of %s to %s (content %s).", r.NewVersion, name, a.tenant, digest)
	case !r.Uploaded:
		a.console.note("%s is up to date: version %d has the same content (%s).", name, r.NewVersion, digest)
	case r.Created:
		a.console.note("Created %s and uploaded version %d (content %s).", name, r.NewVersion, digest)
	default:
		a.console.note("Uploaded version %d of %s (content %s).", r.NewVersion, name, digest)
	}
	for _, i := range r.Linked {
		if r.DryRun {
			a.console.note("Would link %s (%s) to %s.", i.Name, i.ID, name)
		} else {
			a.console.note("Linked %s (%s) to %s.", i.Name, i.ID, name)
		}
	}
}
