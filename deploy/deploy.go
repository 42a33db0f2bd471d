// Package deploy deploys a connector customizer, as a pipeline does on each merge. It
// creates the customizer if there is none, uploads the content as a new version, and
// waits until the service shows that version.
//
//	result, err := deploy.Run(ctx, client, "hr-feed", "dist/", deploy.Options{Record: "deployed.json"})
//
// With a record, a second deployment of the same content uploads nothing. The command
// does the same: customizers deploy hr-feed dist/ --record deployed.json.
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
	// Record is the file that keeps a digest of each uploaded content. The service does
	// not return the content of a version, so without a record every run uploads. A
	// pipeline keeps the file in its cache.
	Record string

	// Timeout bounds the wait until the service shows the new version. The default is 2
	// minutes. The context bounds the whole run.
	Timeout time.Duration

	// Link names connector instances, by ID or name, to link to the customizer after the
	// upload. An instance that is linked to it already stays as it is. The endpoints are
	// those of package instances.
	Link []string

	// AnyContent lets Run upload an archive without index.js at its root, which the service
	// would not run.
	AnyContent bool

	// DryRun makes Run read only. The result says what a run would do.
	DryRun bool
}

// A Result reports what [Run] did, or would do in a dry run. The command writes it as
// JSON.
type Result struct {
	Customizer customizers.Customizer `json:"customizer"`          // after the run
	Created    bool                   `json:"created"`             // the customizer is new
	Uploaded   bool                   `json:"uploaded"`            // false if the newest version has this content
	Linked     []instances.Instance   `json:"linked,omitzero"`     // instances that were not linked to the customizer before
	OldVersion int64                  `json:"oldVersion"`          // 0 if there was no version
	NewVersion int64                  `json:"newVersion"`          // OldVersion if nothing was uploaded
	SHA256     string                 `json:"sha256"`              // of the content, see Digest
	Skipped    []string               `json:"skipped,omitzero"`    // names at the top of the folder that are not deployed
	Warning    string                 `json:"warning,omitzero"`    // what is unusual about the content
	Unrecorded string                 `json:"unrecorded,omitzero"` // why Options.Record was not written after an upload

	// In a dry run Created and Uploaded are false, and Linked has the instances to link.
	DryRun      bool `json:"dryRun,omitzero"`
	WouldCreate bool `json:"wouldCreate,omitzero"`
	WouldUpload bool `json:"wouldUpload,omitzero"` // as NewVersion
}

// The errors of this package, for [errors.Is].
var (
	// ErrNotShown: the version was uploaded, but the service did not show it within
	// Options.Timeout. The record does not have it, so the next run uploads again.
	ErrNotShown = errors.New("the service does not show the new version")
	// ErrNotRecorded: the record can't be written. If Run returns a result too, the
	// deployment is complete, and the next run uploads again. Otherwise nothing was sent,
	// and the error matches [customizers.ErrInvalidArgument].
	ErrNotRecorded = errors.New("the deployment can't be recorded")
	// ErrChanged: the zip file changed after it was checked. The error says whether a
	// version was uploaded, and which. It is not in the record.
	ErrChanged = archive.ErrChanged
)

// Run makes the content at path the newest version of a customizer.
//
// The customizer is the ID of an existing one, or a name. If no customizer has the name,
// Run creates one. A name that [customizers.Client.Create] refuses is refused here too,
// also for an existing customizer: use its ID. Run never deletes anything. It sends no
// second create: if the outcome of a create is unknown, it looks for the customizer for 30
// seconds; after a 400 or 409, it looks once. Two programs that deploy a new name at the
// same time can create two customizers, so let one program at a time deploy a new name.
//
// If the service gives the new customizer another name, Run returns an error with that name
// and its ID, and uploads nothing. Deploy to the ID then: the name would create another.
//
// The path names a zip file or a folder. Run zips a folder; the same names and contents
// give the same bytes on every system, as long as the version of Go is the same. It
// leaves out zip files and dot files at the top of the folder, and lists them in
// Result.Skipped. It refuses a link to a folder or out of the folder, every archive that
// [Digest] refuses, and one without index.js at its root: see Options.AnyContent.
//
// Run returns an error that matches
//   - [customizers.ErrInvalidArgument] if an argument can't be used; nothing was sent
//   - [customizers.ErrNotFound] if no customizer has the ID, if somebody deleted it during
//     the run, or if there is no instance to link
//   - [customizers.ErrAmbiguous] if several customizers or instances have the name; nothing
//     was uploaded
//   - [customizers.ErrOutcomeUnknown] if a create or an upload may or may not have happened
//   - [ErrNotShown] or [ErrNotRecorded] after an upload
//   - [ErrChanged] if the zip file changed during the run
//
// Other errors are the client's. Running again is safe after any error but the one about
// another name.
//
// If the upload succeeded and a link failed, Run returns the result with the error.
//
// Run needs the scopes sp:connector:read and sp:connector:manage; a dry run, only the
// first.
func Run(ctx context.Context, client Client, customizer, path string, opts Options) (*Result, error) {
	if err := naming.CheckName(customizer); err != nil {
		return nil, fmt.Errorf("%w: the customizer's name %w", customizers.ErrInvalidArgument, err)
	}
	done, err := readRecord(opts.Record)
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
	warning, err := content.Look()
	if err != nil && !opts.AnyContent {
		return nil, fmt.Errorf("%w: %s: %w", customizers.ErrInvalidArgument, path, err)
	}
	toLink, err := findInstances(ctx, client, opts.Link)
	if err != nil {
		return nil, err
	}
	r := &Result{SHA256: content.Digest, Skipped: content.skipped, Warning: warning, DryRun: opts.DryRun}
	if err = r.deploy(ctx, client, customizer, content, done, opts); err != nil && !errors.Is(err, ErrNotRecorded) {
		return nil, err
	}
	var linkErr error
	r.Linked, linkErr = link(ctx, client, toLink, &r.Customizer, opts.DryRun)
	return r, errors.Join(err, linkErr)
}

// deploy finds or creates the customizer and uploads content, unless it was deployed before.
func (r *Result) deploy(ctx context.Context, client Client, customizer string, content *content, done record, opts Options) error {
	c, created, err := findOrCreate(ctx, client, customizer, opts.DryRun)
	if err != nil {
		return err
	}
	r.Customizer, r.OldVersion, r.NewVersion = *c, c.ImageVersion, c.ImageVersion
	r.Created, r.WouldCreate = created && !opts.DryRun, created && opts.DryRun
	if done.has(c, content.Digest) {
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
		r.Unrecorded = "the service does not show the uploaded version as the newest"
	default:
		if err = remember(opts.Record, c, content.Digest); err != nil {
			r.Unrecorded = err.Error()
		}
	}
	return err
}

// upload makes content the next version of c.
func upload(ctx context.Context, client Client, c *customizers.Customizer, content *content) (v *customizers.Version, err error) {
	if err = content.Verify(); err == nil { // it was checked some requests ago
		if v, err = client.CreateVersion(ctx, c.ID, content.Reader()); err != nil {
			err = errors.Join(err, content.Verify())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("uploading to %s (%s), which was at version %d: %w", c.Name, c.ID, c.ImageVersion, err)
	}
	if err := content.Verify(); err != nil {
		return nil, fmt.Errorf("version %d of %s (%s) was uploaded, but is not what was checked: %w", max(v.Version, c.ImageVersion+1), c.Name, c.ID, err)
	}
	return v, nil
}

// findOrCreate returns the customizer to deploy to, and reports whether it is new.
func findOrCreate(ctx context.Context, client Client, idOrName string, dryRun bool) (_ *customizers.Customizer, created bool, err error) {
	c, err := find(ctx, client, idOrName)
	switch {
	case err != nil || c != nil:
		return c, false, err
	case uuid.Validate(idOrName) == nil: // the ID of a customizer that was deleted, not a name
		return nil, false, fmt.Errorf("%w: no customizer has the ID %s", customizers.ErrNotFound, idOrName)
	case dryRun:
		return &customizers.Customizer{Name: idOrName}, true, nil
	}
	made, err := client.Create(ctx, customizers.CreateRequest{Name: idOrName})
	var refused *customizers.Error
	switch {
	case errors.Is(err, customizers.ErrOutcomeUnknown): // the list may show it late
		c, err = findAfter(ctx, client, idOrName, err, 30*time.Second)
		return c, err == nil && c.ImageVersion == 0, err
	case errors.As(err, &refused) && (refused.StatusCode == http.StatusBadRequest || refused.StatusCode == http.StatusConflict):
		c, err = findAfter(ctx, client, idOrName, err, 0) // the name may exist by now
		return c, false, err
	case err != nil:
		return nil, false, err
	case made.Name != idOrName: // a second run would not find it, and create another
		return nil, false, fmt.Errorf("the service created %q (%s), which is not the name %q: nothing was uploaded; deploy to this ID, or delete it", made.Name, made.ID, idOrName)
	}
	// Another program may have created one at the same time.
	c, err = find(ctx, client, idOrName)
	if err == nil && c != nil && c.ID != made.ID {
		err = &customizers.AmbiguousError{Name: idOrName, Customizers: []customizers.Customizer{*made, *c}}
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s (%s) was created, but not used: %w", made.Name, made.ID, err)
	}
	return made, true, nil
}

// findAfter looks for the customizer of a create that failed, once and then until limit. It
// returns the create's error if there is none.
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

// awaitVersion waits until the service shows the wanted version of c, or a later one.
func awaitVersion(ctx context.Context, client Client, c *customizers.Customizer, wanted int64, timeout time.Duration) (shown *customizers.Customizer, err error) {
	timeout = cmp.Or(timeout, 2*time.Minute)
	err = poll(ctx, 250*time.Millisecond, timeout, func() (bool, error) {
		shown, err = client.Get(ctx, c.ID)
		return err == nil && shown.ImageVersion >= wanted, err
	})
	if err == nil && shown.ImageVersion < wanted {
		err = fmt.Errorf("%w: still version %d after %v", ErrNotShown, shown.ImageVersion, timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("version %d of %s (%s) was uploaded, but not confirmed: %w", wanted, c.Name, c.ID, err)
	}
	return shown, nil
}

// poll calls check until it returns true or an error, for at most limit. The interval
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
