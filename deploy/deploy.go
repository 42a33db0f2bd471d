// Package deploy deploys a connector customizer, for example in a pipeline that runs on each
// merge. It creates the customizer if there is none, uploads the content as a new version,
// and waits until the service shows that version.
//
//	result, err := deploy.Run(ctx, client, "hr-feed", "dist/", deploy.Options{Record: "deployed.json"})
//
// With a record, a second deployment of the same content uploads nothing. This command does
// the same: customizers deploy hr-feed dist/ --record deployed.json.
package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
	"github.com/connector-customizers/customizers/internal/archive"
	"github.com/connector-customizers/customizers/internal/naming"
)

// A Client has the methods of [*customizers.Client] that [Run] calls.
type Client interface {
	Get(ctx context.Context, id string) (*customizers.Customizer, error)
	GetByName(ctx context.Context, name string) (*customizers.Customizer, error)
	Create(context.Context, customizers.CreateRequest) (*customizers.Customizer, error)
	CreateVersion(ctx context.Context, id string, archive io.Reader) (*customizers.Version, error)
	Do(*http.Request) (*http.Response, error) // for Options.Link
}

// Options configure [Run]. The zero value deploys without a record.
type Options struct {
	// Record is the path of a file with the digest of each customizer's last deployment. Run
	// creates it. The service does not return the content of a version, so without a record
	// every run uploads. In a pipeline, keep the file in the cache.
	Record string

	// Timeout limits the wait for the service to show the new version. The default is 2
	// minutes. The context limits the whole run.
	Timeout time.Duration

	// Link has the IDs or names of connector instances to link to the customizer after the
	// upload. An instance that is already linked to it is not changed. See package instances
	// for the endpoints.
	Link []string

	// AllowMissingIndex allows an archive without index.js at its root. The service would not run
	// it.
	AllowMissingIndex bool

	// DryRun makes Run change nothing. The result reports what a run would do.
	DryRun bool
}

// A Result reports what [Run] did, or would do in a dry run. The command writes it as
// JSON.
type Result struct {
	Customizer    customizers.Customizer `json:"customizer"`           // after the run
	Created       bool                   `json:"created"`              // whether the customizer is new
	Uploaded      bool                   `json:"uploaded"`             // false if the newest version has this content
	Linked        []instances.Instance   `json:"linked,omitzero"`      // instances that were not linked to the customizer before
	OldVersion    int64                  `json:"oldVersion"`           // 0 if there was no version
	NewVersion    int64                  `json:"newVersion"`           // OldVersion if nothing was uploaded
	ContentSHA256 string                 `json:"contentSHA256"`        // of the content, see Digest
	Skipped       []string               `json:"skipped,omitzero"`     // names at the top of the folder that were left out
	Warning       string                 `json:"warning,omitzero"`     // why the service may not run the content
	RecordError   string                 `json:"recordError,omitzero"` // why Options.Record was not written after an upload

	// In a dry run Created and Uploaded are false, and Linked has the instances to link.
	DryRun      bool `json:"dryRun,omitzero"`
	WouldCreate bool `json:"wouldCreate,omitzero"`
	WouldUpload bool `json:"wouldUpload,omitzero"` // then NewVersion is that of the upload
}

// The errors of this package, for [errors.Is].
var (
	// ErrVersionNotVisible means that the version was uploaded, but the service did not show it within
	// Options.Timeout. The version is not in the record, so the next run uploads again.
	ErrVersionNotVisible = errors.New("the service does not show the new version")
	// ErrNotRecorded means that the record can't be written. If Run also returns a result,
	// the deployment is complete, and the next run uploads again. Otherwise nothing was sent,
	// and the error matches [customizers.ErrInvalidArgument].
	ErrNotRecorded = errors.New("the deployment can't be recorded")
	// ErrArchiveChanged means that the zip file changed after it was checked. The error names the
	// version if one was uploaded. The version is not in the record.
	ErrArchiveChanged = archive.ErrArchiveChanged
)

// Run makes the content at path the newest version of a customizer.
//
// The customizer is the ID of an existing one, or a name. If no customizer has the name, Run
// creates one. The name must be one that [customizers.Client.Create] accepts. If Create would
// refuse the name of an existing customizer, use its ID. Run never deletes anything, and sends at most one
// create. If its outcome is unknown, Run looks for the customizer for 30 seconds; after a 400
// or 409, it looks once. If two programs deploy the same new name at the same time, they may
// create two customizers.
//
// If the service gives the new customizer another name, Run returns an error with that name
// and its ID, and uploads nothing. Then deploy to the ID: another run with the name would
// create another customizer.
//
// The path is that of a zip file or a folder. Run zips a folder; with the same version of Go,
// the same names and contents give the same bytes on every system. It leaves out zip files
// and dot files at the top of the folder, and lists them in Result.Skipped. It returns an
// error for a link to a folder or out of the folder, for every archive that [Digest] returns
// an error for, and for one without index.js at its root: see Options.AllowMissingIndex.
//
// Run returns an error that matches
//
//   - [customizers.ErrInvalidArgument] if an argument is invalid; nothing was sent;
//   - [customizers.ErrNotFound] if no customizer has the ID, if the customizer was deleted
//     during the run, or if there is no instance to link;
//   - [customizers.ErrAmbiguous] if several customizers or instances have the name; nothing
//     was uploaded;
//   - [customizers.ErrOutcomeUnknown] if a create, an upload or a link may have succeeded;
//   - [ErrVersionNotVisible] if the service does not show the uploaded version in time;
//   - [ErrNotRecorded] if the record can't be written;
//   - [ErrArchiveChanged] if the zip file changed during the run.
//
// Other errors are the client's. It is safe to run again after any error except the one about
// another name. If the upload succeeded and a link failed, Run returns both the result and
// the error.
//
// Run needs the scopes sp:connector:read and sp:connector:manage. A dry run needs only
// sp:connector:read. The client's retries apply to each request.
func Run(ctx context.Context, client Client, customizer, path string, opts Options) (*Result, error) {
	if err := naming.CheckName(customizer); err != nil {
		return nil, fmt.Errorf("%w: the customizer's name %w", customizers.ErrInvalidArgument, err)
	}
	past, err := readRecord(opts.Record)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", customizers.ErrInvalidArgument, err)
	}
	if opts.Record != "" && !opts.DryRun {
		if err := checkWritable(opts.Record); err != nil {
			return nil, fmt.Errorf("%w: %w: %w", customizers.ErrInvalidArgument, ErrNotRecorded, err)
		}
	}
	content, err := open(ctx, path, opts.Record)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w: %w", customizers.ErrInvalidArgument, err)
	}
	defer content.close()
	warning, err := content.Look(path)
	if err != nil && !opts.AllowMissingIndex {
		return nil, fmt.Errorf("%w: %w", customizers.ErrInvalidArgument, err)
	}
	toLink, err := findInstances(ctx, client, opts.Link)
	if err != nil {
		return nil, err
	}
	r := &Result{ContentSHA256: content.Digest, Skipped: content.skipped, Warning: warning, DryRun: opts.DryRun}
	if err = r.deploy(ctx, client, customizer, content, past, opts); err != nil && !errors.Is(err, ErrNotRecorded) {
		return nil, err
	}
	linked, linkErr := link(ctx, client, toLink, &r.Customizer, opts.DryRun)
	r.Linked = linked
	if linkErr != nil {
		return r, linkErr // RecordError has the other error
	}
	return r, err
}

// deploy finds or creates the customizer and uploads content, unless it was deployed before.
func (r *Result) deploy(ctx context.Context, client Client, customizer string, content *content, past record, opts Options) error {
	c, created, err := findOrCreate(ctx, client, customizer, opts.DryRun)
	if err != nil {
		return err
	}
	r.Customizer, r.OldVersion, r.NewVersion = *c, c.ImageVersion, c.ImageVersion
	r.Created, r.WouldCreate = created && !opts.DryRun, created && opts.DryRun
	if past.has(c, content.Digest) {
		return nil
	}
	if opts.DryRun {
		r.WouldUpload = true
		r.NewVersion++
		return nil
	}
	r.Uploaded = true
	v, err := upload(ctx, client, c, content)
	if err != nil {
		return err
	}
	c, err = awaitVersion(ctx, client, c, max(v.Version, c.ImageVersion+1), opts.Timeout)
	if err != nil {
		return err
	}
	r.Customizer, r.NewVersion = *c, c.ImageVersion
	switch {
	case opts.Record == "":
	case c.ImageVersion != v.Version || v.ImageID != "" && v.ImageID != c.ImageID:
		r.RecordError = "the service does not show the uploaded version as the newest"
	default:
		if err = remember(opts.Record, c, content.Digest); err != nil {
			r.RecordError = err.Error()
		}
	}
	return err
}

// upload makes content the next version of c.
func upload(ctx context.Context, client Client, c *customizers.Customizer, content *content) (v *customizers.Version, err error) {
	if err = content.Verify(); err == nil { // it may have changed since it was opened
		if v, err = client.CreateVersion(ctx, c.ID, content.Reader()); err != nil {
			err = errors.Join(err, content.Verify())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("uploading to %s (%s), which was at version %d: %w", c.Name, c.ID, c.ImageVersion, err)
	}
	if err := content.Verify(); err != nil {
		return nil, fmt.Errorf("version %d of %s (%s) was uploaded, but is not the archive that was checked: %w", max(v.Version, c.ImageVersion+1), c.Name, c.ID, err)
	}
	return v, nil
}

// findOrCreate returns the customizer to deploy to, and reports whether it is new.
func findOrCreate(ctx context.Context, client Client, idOrName string, dryRun bool) (_ *customizers.Customizer, created bool, err error) {
	c, err := find(ctx, client, idOrName)
	switch {
	case err != nil || c != nil:
		return c, false, err
	case uuid.Validate(idOrName) == nil: // probably the ID of a deleted customizer, not a name
		return nil, false, fmt.Errorf("%w: no customizer has the ID %s", customizers.ErrNotFound, idOrName)
	case dryRun:
		return &customizers.Customizer{Name: idOrName}, true, nil
	}
	made, err := client.Create(ctx, customizers.CreateRequest{Name: idOrName})
	var refused *customizers.Error
	switch {
	case errors.Is(err, customizers.ErrOutcomeUnknown): // the list may show it later
		c, err = findAfter(ctx, client, idOrName, err, 30*time.Second)
		return c, err == nil && c.ImageVersion == 0, err
	case errors.As(err, &refused) && (refused.StatusCode == http.StatusBadRequest || refused.StatusCode == http.StatusConflict):
		c, err = findAfter(ctx, client, idOrName, err, 0) // the name may exist by now
		return c, false, err
	case err != nil:
		return nil, false, err
	case made.Name != idOrName: // a second run would not find it and would create another
		return nil, false, fmt.Errorf("the service created %q (%s), not %q, so nothing was uploaded: deploy to this ID, or delete it", made.Name, made.ID, idOrName)
	}
	// Another program may have created one with the name at the same time.
	c, err = find(ctx, client, idOrName)
	if err == nil && c != nil && c.ID != made.ID {
		err = &customizers.AmbiguousError{Name: idOrName, Customizers: []customizers.Customizer{*made, *c}}
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s (%s) was created, but nothing was uploaded: %w", made.Name, made.ID, err)
	}
	return made, true, nil
}

// findAfter looks for the customizer after a create failed with the error failed, repeatedly
// for limit. If there is none, it returns failed.
func findAfter(ctx context.Context, client Client, name string, failed error, limit time.Duration) (c *customizers.Customizer, err error) {
	err = poll(ctx, time.Second, limit, func() (bool, error) {
		c, err = find(ctx, client, name)
		return c != nil, err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; looking for %s after that: %w", failed, name, err)
	case c == nil:
		return nil, failed
	}
	return c, nil
}

// find returns the customizer with the given ID or name, or nil if there is none.
func find(ctx context.Context, client Client, idOrName string) (*customizers.Customizer, error) {
	if uuid.Validate(idOrName) == nil {
		c, err := client.Get(ctx, idOrName)
		if !errors.Is(err, customizers.ErrNotFound) {
			return c, err
		}
	}
	c, err := client.GetByName(ctx, idOrName)
	if errors.Is(err, customizers.ErrNotFound) {
		return nil, nil
	}
	return c, err
}

// awaitVersion waits until the service shows the given version of c, or a later one.
func awaitVersion(ctx context.Context, client Client, c *customizers.Customizer, version int64, timeout time.Duration) (shown *customizers.Customizer, err error) {
	timeout = cmp.Or(timeout, 2*time.Minute)
	err = poll(ctx, 250*time.Millisecond, timeout, func() (bool, error) {
		shown, err = client.Get(ctx, c.ID)
		return err == nil && shown.ImageVersion >= version, err
	})
	if err == nil && shown.ImageVersion < version {
		err = fmt.Errorf("%w: still version %d after %v", ErrVersionNotVisible, shown.ImageVersion, timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("version %d of %s (%s) was uploaded, but not confirmed: %w", version, c.Name, c.ID, err)
	}
	return shown, nil
}

// poll calls check until it returns true or an error, or until limit has passed. The interval
// doubles up to 5 seconds.
func poll(ctx context.Context, interval, limit time.Duration, check func() (bool, error)) error {
	end := time.Now().Add(limit)
	for {
		done, err := check()
		left := time.Until(end)
		if done || err != nil || left <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(interval, left)):
		}
		interval = min(2*interval, 5*time.Second)
	}
}
