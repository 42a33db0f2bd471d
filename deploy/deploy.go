// Package deploy deploys a connector customizer, for example in a pipeline that runs on each
// merge. It creates the customizer if there is none, uploads the content as a new version,
// and waits until the service shows that version.
//
//	result, err := deploy.Run(ctx, client, "hr-feed", "dist/", deploy.Options{Record: "deployed.jsonl"})
//
// With a record, a second deployment of the same content uploads nothing. This command does
// the same: customizers deploy hr-feed dist/ --record deployed.jsonl.
package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
	"github.com/connector-customizers/customizers/internal/archive"
	"github.com/connector-customizers/customizers/internal/naming"
)

// A Client has the methods of [*customizers.Client] that [Run] calls.
type Client interface {
	Get(ctx context.Context, id string) (*customizers.Customizer, error)
	All(context.Context, customizers.ListOptions) iter.Seq2[customizers.Customizer, error]
	Create(context.Context, customizers.CreateRequest) (*customizers.Customizer, error)
	CreateVersion(ctx context.Context, id string, archive io.Reader) (*customizers.Version, error)
	Do(*http.Request) (*http.Response, error) // for Options.Link
}

// Options configure [Run]. The zero value deploys without a record.
type Options struct {
	// Record is the path of a file with the ID and the digest of each deployment. Run creates
	// it, and appends a line of JSON. Programs may share it. The service does not return the
	// content of a version, so without a record every run uploads. If the file can't be read
	// or written, Run continues; see Result.RecordError. In a pipeline, keep the file in the
	// cache.
	Record string

	// Timeout limits each wait for the service to show what the run made: the customizer for
	// the upload, the new version, and both for a link. The default is 2 minutes. The context
	// limits the whole run.
	Timeout time.Duration

	// Link has the IDs or names of connector instances to link to the customizer after the
	// upload. An instance that is already linked to it is not changed. See package instances
	// for the endpoints.
	Link []string

	// AllowMissingIndex allows an archive without index.js at its root, for example one that
	// holds only a .jar for a JDBC source. The other checks still apply.
	AllowMissingIndex bool

	// DryRun makes Run change nothing. The result reports what a run would do.
	DryRun bool
}

// A Result reports what [Run] did, or would do in a dry run. The command writes it as
// JSON.
type Result struct {
	Customizer    customizers.Customizer `json:"customizer"`           // after the run
	Created       bool                   `json:"created"`              // whether the customizer is new
	Uploaded      bool                   `json:"uploaded"`             // false if the newest version already had this content
	Linked        []instances.Instance   `json:"linked,omitzero"`      // instances that were not linked to the customizer before
	OldVersion    int64                  `json:"oldVersion"`           // 0 if there was no version
	NewVersion    int64                  `json:"newVersion"`           // OldVersion if nothing was uploaded
	ContentSHA256 string                 `json:"contentSHA256"`        // of the content, see Digest
	Skipped       []string               `json:"skipped,omitzero"`     // names at the top of the folder that were skipped
	Warning       string                 `json:"warning,omitzero"`     // why the service may not run the content
	RecordError   string                 `json:"recordError,omitzero"` // why Options.Record was not read or written; then the next run uploads again

	// In a dry run Created and Uploaded are false, and Linked has the instances to link.
	DryRun      bool `json:"dryRun"`
	WouldCreate bool `json:"wouldCreate"`
	WouldUpload bool `json:"wouldUpload"` // then NewVersion is that of the upload
}

// The errors of this package, for [errors.Is].
var (
	// ErrVersionNotVisible means that the version was uploaded, but the service did not show it within
	// Options.Timeout. The version is not in the record, so the next run uploads again.
	ErrVersionNotVisible = errors.New("the service does not show the new version")
	// ErrArchiveChanged means that the zip file changed after it was checked. The error names the
	// version if one was uploaded. The version is not in the record.
	ErrArchiveChanged = archive.ErrArchiveChanged
)

// Run makes the content at path the newest version of a customizer.
//
// The customizer is the ID of an existing one, or a name. If no customizer has the name, Run
// creates one. The name must be one that [customizers.Client.Create] accepts. If Create would
// reject the name of an existing customizer, use its ID. Run never deletes anything, and sends
// at most one create. If its outcome is unknown, Run looks for the customizer for 30 seconds;
// after a 400 or 409, it looks once. If two programs deploy the same new name at the same time, they may
// create two customizers.
//
// A name that another customizer has in another Unicode form, such as "Zürich" with a combining
// diaeresis, or with another kind of space, is ambiguous. If the service gives the new customizer another name, Run returns an
// error with that name and its ID, and uploads nothing. Then deploy to the ID: another run with
// the name would create another customizer.
//
// The path is that of a zip file or a folder. Run zips a folder; with the same version of Go,
// the same names and contents give the same bytes on every system. It skips zip files and
// dot files at the top of the folder, and lists them in Result.Skipped. It returns an
// error for a link to a folder or out of the folder, for every archive that [Digest] returns
// an error for, and for one without index.js at its root, or with an empty one: see
// Options.AllowMissingIndex.
//
// The service may show a new customizer or version after a delay. While a
// request gets a 404 because of that, Run repeats it for up to Options.Timeout.
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
//   - [ErrArchiveChanged] if the zip file changed during the run.
//
// Other errors come from the client, or from the folder for temporary files. It is safe to run
// again after any error except the one about another name, because the record has each customizer
// that Run created or may have created, which the list may not show yet. Run then waits up to
// Options.Timeout for the list. Without a record, wait until the list shows the customizer. If the
// upload succeeded and a link failed, Run returns both the result and the error.
//
// Run needs the scopes sp:connector:read and sp:connector:manage. A dry run needs only
// sp:connector:read. The client's retries apply to each request.
func Run(ctx context.Context, client Client, customizer, path string, opts Options) (*Result, error) {
	if err := naming.CheckName(customizer); err != nil {
		return nil, fmt.Errorf("%w: the customizer's name %w", customizers.ErrInvalidArgument, err)
	}
	if opts.Timeout < 0 {
		return nil, fmt.Errorf("%w: the timeout %v is negative", customizers.ErrInvalidArgument, opts.Timeout)
	}
	opts.Timeout = cmp.Or(opts.Timeout, 2*time.Minute)
	past, err := readRecord(opts.Record)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", customizers.ErrInvalidArgument, err)
	}
	content, err := open(ctx, path, opts)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errTemporary):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", customizers.ErrInvalidArgument, err)
	}
	defer content.close()
	toLink, err := findInstances(ctx, client, opts.Link)
	if err != nil {
		return nil, err
	}
	d := &deployer{Client: client, Options: opts, record: past}
	r := &Result{ContentSHA256: content.Digest, Skipped: content.skipped, Warning: content.warning, DryRun: opts.DryRun}
	if err = d.deploy(ctx, r, customizer, content); err != nil {
		return nil, err
	}
	if past.unusable != nil {
		r.RecordError = past.unusable.Error()
	}
	r.Linked, err = link(ctx, client, toLink, &r.Customizer, d.delay, opts.DryRun)
	if err != nil {
		return r, err
	}
	return r, nil
}

// A deployer is a run.
type deployer struct {
	Client
	Options

	record *record
	delay  time.Duration // for which the service may not know what this run made
}

// deploy finds or creates the customizer and uploads content, unless it was deployed before.
func (d *deployer) deploy(ctx context.Context, r *Result, customizer string, content *content) error {
	c, created, err := d.findOrCreate(ctx, customizer)
	if err != nil {
		return err
	}
	r.Customizer, r.OldVersion, r.NewVersion = *c, c.ImageVersion, c.ImageVersion
	r.Created, r.WouldCreate = created && !d.DryRun, created && d.DryRun
	if d.record.has(c, content.Digest) {
		return nil
	}
	if d.DryRun {
		r.WouldUpload = true
		r.NewVersion++
		return nil
	}
	r.Uploaded = true
	if d.delay = max(d.lateness(c.ID), d.lateness(c.Name)); created {
		d.delay = d.Timeout
	}
	v, err := d.upload(ctx, c, content)
	if err != nil {
		return err
	}
	d.delay = d.Timeout
	c, err = d.awaitVersion(ctx, c, max(v.Version, c.ImageVersion+1))
	if err != nil {
		return err
	}
	r.Customizer, r.NewVersion = *c, c.ImageVersion
	if c.ImageVersion != v.Version || v.ImageID != "" && v.ImageID != c.ImageID {
		r.RecordError = "the service does not show the uploaded version as the newest"
		return nil
	}
	d.record.add(c, content.Digest)
	return nil
}

// upload makes content the next version of c.
func (d *deployer) upload(ctx context.Context, c *customizers.Customizer, content *content) (v *customizers.Version, err error) {
	if err = content.Verify(ctx); err == nil { // it may have changed since it was opened
		err = poll(ctx, d.delay, func() (bool, error) {
			v, err = d.CreateVersion(ctx, c.ID, content.Reader())
			return true, err
		})
		if err != nil {
			err = errors.Join(err, content.Verify(ctx))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("uploading to %s (%s, at version %d): %w", c.Name, c.ID, c.ImageVersion, err)
	}
	if err := content.Verify(ctx); err != nil {
		return nil, fmt.Errorf("version %d of %s (%s) was uploaded, but is not the archive that was checked: %w", max(v.Version, c.ImageVersion+1), c.Name, c.ID, err)
	}
	return v, nil
}

// findOrCreate returns the customizer to deploy to, and reports whether it is new.
func (d *deployer) findOrCreate(ctx context.Context, idOrName string) (_ *customizers.Customizer, created bool, err error) {
	c, err := d.find(ctx, idOrName)
	if c == nil && err == nil {
		c, err = d.findRecorded(ctx, idOrName)
	}
	switch {
	case err != nil || c != nil:
		return c, false, err
	case uuid.Validate(idOrName) == nil: // probably the ID of a deleted customizer, not a name
		return nil, false, fmt.Errorf("%w: no customizer has the ID %s", customizers.ErrNotFound, idOrName)
	case d.DryRun:
		return &customizers.Customizer{Name: idOrName}, true, nil
	}
	made, err := d.Create(ctx, customizers.CreateRequest{Name: idOrName})
	var refused *customizers.Error
	switch {
	case errors.Is(err, customizers.ErrOutcomeUnknown): // the list may show it later, even to the next run
		d.record.add(&customizers.Customizer{Name: idOrName}, "")
		c, err = d.findAfter(ctx, idOrName, err, 30*time.Second)
		return c, err == nil, err
	case errors.As(err, &refused) && (refused.StatusCode == http.StatusBadRequest || refused.StatusCode == http.StatusConflict):
		c, err = d.findAfter(ctx, idOrName, err, 0) // the name may exist by now
		return c, false, err
	case err != nil:
		return nil, false, err
	case made.Name != idOrName: // a second run would not find it and would create another
		return nil, false, fmt.Errorf("the service created %q (%s), not %q, so nothing was uploaded: deploy to this ID, or delete it", made.Name, made.ID, idOrName)
	}
	d.record.add(made, "") // the list may not show it to the next run
	// Another program may have created one with the name at the same time.
	c, err = d.find(ctx, idOrName)
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
func (d *deployer) findAfter(ctx context.Context, name string, failed error, limit time.Duration) (c *customizers.Customizer, err error) {
	err = poll(ctx, limit, func() (bool, error) {
		c, err = d.find(ctx, name)
		return c != nil, err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; looking for %s after that: %w", failed, name, err)
	case c == nil && limit > 0:
		return nil, fmt.Errorf("%w; %s did not appear within %v", failed, name, limit)
	case c == nil:
		return nil, failed
	}
	return c, nil
}

// find returns the customizer with the given ID or name, or nil if there is none.
func (d *deployer) find(ctx context.Context, idOrName string) (*customizers.Customizer, error) {
	if uuid.Validate(idOrName) == nil {
		c, err := d.Get(ctx, idOrName)
		if !errors.Is(err, customizers.ErrNotFound) {
			return c, err
		}
	}
	var found []customizers.Customizer
	for c, err := range d.All(ctx, customizers.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		if sameName(c.Name, idOrName) {
			found = append(found, c)
		}
	}
	return only(idOrName, found)
}

// findRecorded returns the customizer with the given name that an earlier run deployed to and
// that the list does not show. It waits for one that was just created, or may have been.
func (d *deployer) findRecorded(ctx context.Context, name string) (*customizers.Customizer, error) {
	var found []customizers.Customizer
	for key, past := range d.record.past {
		if !sameName(past.Name, name) {
			continue
		}
		var c *customizers.Customizer
		err := poll(ctx, d.lateness(key), func() (done bool, err error) {
			if past.ID == "" {
				c, err = d.find(ctx, name)
				return c != nil, err
			}
			c, err = d.Get(ctx, past.ID)
			return true, err
		})
		switch {
		case errors.Is(err, customizers.ErrNotFound), err == nil && c == nil:
		case err != nil:
			return nil, err
		case sameName(c.Name, name):
			found = append(found, *c)
		}
	}
	return only(name, found)
}

// lateness returns how long the service may still not know a customizer that an earlier run
// created or may have created, and uploaded nothing to. The key is that of the record.
func (d *deployer) lateness(key string) time.Duration {
	past := d.record.past[key]
	if past.ImageVersion > 0 {
		return 0
	}
	return min(d.Timeout, d.Timeout-time.Since(past.Time)) // another machine's clock may be ahead
}

// sameName reports whether two names look the same: their Unicode forms may differ, and the
// kinds of their spaces. Some keyboards type a no-break space.
func sameName(a, b string) bool {
	plain := func(name string) string {
		return norm.NFC.String(strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return ' '
			}
			return r
		}, name))
	}
	return plain(a) == plain(b)
}

// only returns the customizer in found, or nil if there is none. It returns an error if there
// are several, or if its name is in another Unicode form.
func only(name string, found []customizers.Customizer) (*customizers.Customizer, error) {
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, &customizers.AmbiguousError{Name: name, Customizers: found}
	case found[0].Name != name:
		return nil, fmt.Errorf("%w: %+q is the name %+q of %s in another Unicode form or with another kind of space", customizers.ErrAmbiguous, name, found[0].Name, found[0].ID)
	}
	return &found[0], nil
}

// awaitVersion waits until the service shows the given version of c, or a later one.
func (d *deployer) awaitVersion(ctx context.Context, c *customizers.Customizer, version int64) (shown *customizers.Customizer, err error) {
	err = poll(ctx, d.Timeout, func() (bool, error) {
		shown, err = d.Get(ctx, c.ID)
		return err == nil && shown.ImageVersion >= version, err
	})
	switch {
	case errors.Is(err, customizers.ErrNotFound):
		err = fmt.Errorf("%w: %w", ErrVersionNotVisible, err)
	case err == nil && shown.ImageVersion < version:
		err = fmt.Errorf("%w: still version %d after %v", ErrVersionNotVisible, shown.ImageVersion, d.Timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("version %d of %s (%s) was uploaded, but not confirmed: %w", version, c.Name, c.ID, err)
	}
	return shown, nil
}

// poll calls check until it returns true or an error, or until limit has passed. The interval
// doubles up to 5 seconds. Until then [customizers.ErrNotFound] is not an error: the service
// may show later what this run made.
func poll(ctx context.Context, limit time.Duration, check func() (bool, error)) error {
	end, interval := time.Now().Add(limit), 250*time.Millisecond
	for {
		done, err := check()
		missing, left := errors.Is(err, customizers.ErrNotFound), time.Until(end)
		switch {
		case missing && left <= 0 && limit > 0:
			return fmt.Errorf("it did not appear within %v: %w", limit, err)
		case err != nil && !missing, err == nil && done, left <= 0:
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
