// Package deploy brings the content of a connector customizer to the service, as a
// pipeline does on each merge: it creates the customizer when there is none of its
// name, uploads the content as a version, and waits until the service shows it.
//
//	result, err := deploy.Deploy(ctx, client, "hr-feed", "dist/", deploy.Options{Record: "deployed.json"})
//
// A second deployment of the same content uploads nothing, as the record tells: see
// [Options]. Deploying again is safe after any error. The command does the same:
// customizers deploy hr-feed dist/ --record deployed.json.
package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/connector-customizers/customizers"
)

// A Client is what Deploy needs of a [*customizers.Client].
type Client interface {
	All(context.Context, customizers.ListOptions) iter.Seq2[customizers.Customizer, error]
	Get(ctx context.Context, id string) (*customizers.Customizer, error)
	Create(context.Context, customizers.CreateRequest) (*customizers.Customizer, error)
	Delete(ctx context.Context, id string) error
	CreateVersion(ctx context.Context, id string, archive io.Reader) (*customizers.Version, error)
}

// Options change what [Deploy] does. The zero value deploys without a record.
type Options struct {
	// Record is the file in which Deploy keeps what it uploaded. The service does not
	// tell the content of a version, so only with a record can a second deployment of
	// the same content be known to be needless. A pipeline keeps the file in its cache.
	// When it is lost, the next deployment uploads.
	Record string

	// Timeout bounds the wait until the service shows the new version, not the upload;
	// default 2 minutes. Bound the whole by the context.
	Timeout time.Duration

	// DryRun makes Deploy read only: the result tells what it would have done.
	DryRun bool
}

// A Result tells what [Deploy] did, or in a dry run what it would have done. Its JSON form
// is what the command writes.
type Result struct {
	Customizer customizers.Customizer `json:"customizer"` // as it is afterwards
	Created    bool                   `json:"created"`    // the customizer is new
	Uploaded   bool                   `json:"uploaded"`   // false when the service has the content already
	OldVersion int64                  `json:"oldVersion"` // 0 when it had none
	NewVersion int64                  `json:"newVersion"` // OldVersion when nothing was uploaded
	SHA256     string                 `json:"sha256"`     // digest of the content: see Digest
	DryRun     bool                   `json:"dryRun,omitzero"`
}

// The kinds of failure beside those of package customizers, for [errors.Is].
var (
	// ErrAmbiguous says that several customizers have the name; nothing was uploaded.
	ErrAmbiguous = errors.New("several customizers have the name")
	// ErrNotShown says that the version was uploaded, and the service did not show it in
	// Options.Timeout. It is not in the record, so deploying again uploads once more.
	ErrNotShown = errors.New("the new version is not shown yet")
	// ErrNotRecorded says that all was done but for writing the record. It comes with a
	// result, and the next deployment uploads again.
	ErrNotRecorded = errors.New("the deployment could not be recorded")
)

// Deploy makes the content at path the newest version of the customizer with the given
// name. The path is that of a zip file, or of a folder, which is zipped by [Zip].
//
// It never creates a second customizer of the name: when the outcome of a create is
// not known it looks for the customizer, and when another program created one of the
// same name at the same time, one of the two is used, and Deploy's own, still empty, is
// deleted again if it is the other. That needs a list that shows what was created: where
// it lags behind, let one program at a time deploy a new name.
//
// What can't be used gives an error before anything is sent, or is
// [customizers.ErrInvalidRequest]; several customizers of the name, [ErrAmbiguous]; an
// upload that may or may not have been carried out, [customizers.ErrOutcomeUnknown],
// after which deploying again is safe; a version that is not shown in time,
// [ErrNotShown]; a record that can't be written, [ErrNotRecorded]. What the service refuses
// is the client's error. With a [*customizers.Client] its requests are retried as that says.
//
// It needs the scopes sp:connector:read and sp:connector:manage; a dry run, only the first.
func Deploy(ctx context.Context, client Client, name, path string, opts Options) (*Result, error) {
	if strings.TrimSpace(name) == "" {
		return nil, fmt.Errorf("%w: the name is blank", customizers.ErrInvalidRequest)
	}
	if opts.Timeout < 0 {
		return nil, fmt.Errorf("%w: Options.Timeout is %v, which is negative", customizers.ErrInvalidRequest, opts.Timeout)
	}
	content, err := open(ctx, path, opts.Record)
	if err != nil {
		return nil, err
	}
	defer content.close()
	done, err := readRecord(opts.Record)
	if err != nil {
		return nil, err
	}

	d := &deployment{client: client, name: name, content: content, opts: opts, done: done}
	r, err := d.run(ctx)
	for range 2 {
		if !errors.Is(err, customizers.ErrNotFound) {
			break
		}
		r, err = d.run(ctx) // the customizer was deleted meanwhile, as one of two created at once is
	}
	return r, err
}

// A deployment is one call of [Deploy].
type deployment struct {
	client  Client
	name    string
	content *content
	opts    Options
	done    record
}

func (d *deployment) run(ctx context.Context) (*Result, error) {
	r := &Result{SHA256: d.content.digest, DryRun: d.opts.DryRun}
	var err error
	if r.Customizer, r.Created, err = d.customizer(ctx); err != nil {
		return nil, err
	}
	r.OldVersion, r.NewVersion = r.Customizer.ImageVersion, r.Customizer.ImageVersion
	if d.done.has(r.Customizer, d.content.digest) {
		return r, nil
	}
	r.Uploaded = true
	if d.opts.DryRun {
		r.NewVersion++
		return r, nil
	}

	v, err := d.client.CreateVersion(ctx, r.Customizer.ID, d.content.archive())
	if err != nil {
		return nil, fmt.Errorf("uploading to %s (%s), which was at version %d: %w", d.name, r.Customizer.ID, r.OldVersion, err)
	}
	wanted := max(v.Version, r.OldVersion+1)
	shown, err := awaitVersion(ctx, d.client, r.Customizer, wanted, d.opts.Timeout)
	if err != nil {
		return nil, err
	}
	r.Customizer, r.NewVersion = *shown, shown.ImageVersion
	// Otherwise another program has deployed after, or the answer did not tell the version.
	own := shown.ImageVersion == v.Version && (v.ImageID == "" || v.ImageID == shown.ImageID)
	if d.opts.Record != "" && own {
		err = remember(d.opts.Record, *shown, d.content.digest)
	}
	return r, err
}

// customizer returns the customizer to deploy to, and whether it was created for that.
func (d *deployment) customizer(ctx context.Context) (customizers.Customizer, bool, error) {
	for {
		there, err := one(ctx, d.client, d.name)
		switch {
		case err != nil:
			return customizers.Customizer{}, false, err
		case there != nil:
			return *there, false, nil
		case d.opts.DryRun:
			return customizers.Customizer{Name: d.name}, true, nil
		}
		made, err := create(ctx, d.client, d.name)
		if err != nil || made.ID != "" {
			return made, true, err
		}
	}
}

// named returns the customizers with the given name: those that have a version first,
// and the eldest first.
func named(ctx context.Context, client Client, name string) ([]customizers.Customizer, error) {
	var found []customizers.Customizer
	for c, err := range client.All(ctx, customizers.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		if c.Name == name {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, first)
	return found, nil
}

// first orders customizers in the same way for every program that sees them.
func first(a, b customizers.Customizer) int {
	return cmp.Or(
		cmp.Compare(min(b.ImageVersion, 1), min(a.ImageVersion, 1)),
		a.Created.Compare(b.Created),
		strings.Compare(a.ID, b.ID))
}

// patience is how long another program gets to delete the customizer that it created at
// the same time: see [create].
const patience = 20 * time.Second

// waits paces a wait of at most limit. It returns false when that is over.
func waits(ctx context.Context, limit time.Duration) func() (bool, error) {
	end, pause := time.Now().Add(limit), 125*time.Millisecond
	return func() (bool, error) {
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		pause = min(2*pause, 5*time.Second, left)
		select {
		case <-ctx.Done():
			return false, ended(ctx)
		case <-time.After(pause):
			return true, nil
		}
	}
}

// one returns the customizer with the given name, or nil when there is none. Those that
// are new and empty may be about to go, as several were created at once: the one that
// stays is soon alone, or has a version.
func one(ctx context.Context, client Client, name string) (*customizers.Customizer, error) {
	contested := func(c customizers.Customizer) bool {
		return c.ImageVersion == 0 && time.Since(c.Created) < time.Minute
	}
	alone, several := waits(ctx, time.Second), waits(ctx, 2*patience)
	for {
		found, err := named(ctx, client, name)
		if err != nil || len(found) == 0 {
			return nil, err
		}
		again := false
		if slices.ContainsFunc(found, contested) {
			wait := several
			if len(found) == 1 {
				wait = alone
			}
			again, err = wait()
		}
		switch {
		case again:
		case len(found) == 1 && err == nil:
			return &found[0], nil
		case len(found) == 1:
			return nil, err
		default:
			return nil, errors.Join(Ambiguous(name, found), err)
		}
	}
}

// Ambiguous is an [ErrAmbiguous] that lists the customizers found.
func Ambiguous(name string, found []customizers.Customizer) error {
	ids := make([]string, len(found))
	for i, c := range found {
		ids[i] = c.ID
	}
	return fmt.Errorf("%w %q: %s", ErrAmbiguous, name, strings.Join(ids, ", "))
}

// create creates the customizer. When another program is seen to have done so too, and
// its customizer is to stay, the one of here is deleted again and none is returned.
func create(ctx context.Context, client Client, name string) (none customizers.Customizer, err error) {
	var own customizers.Customizer
	made, err := client.Create(ctx, customizers.CreateRequest{Name: name})
	switch {
	case err == nil:
		own = *made
	case !errors.Is(err, customizers.ErrOutcomeUnknown) || ctx.Err() != nil:
		return none, err
	}
	found, lookErr := named(ctx, client, name)
	switch {
	case lookErr != nil && err == nil && ctx.Err() != nil:
		leave(ctx, client, own)
		return none, lookErr
	case lookErr != nil:
		return none, errors.Join(err, fmt.Errorf("looking for %s after creating it: %w", name, lookErr))
	case err != nil && len(found) == 1:
		return found[0], nil // it was carried out
	case err != nil && len(found) > 1:
		return none, fmt.Errorf("%w; after: %w", Ambiguous(name, found), err)
	case err != nil:
		return none, err
	}
	defer func() {
		if err != nil && ctx.Err() != nil {
			leave(ctx, client, own)
		}
	}()
	wait := waits(ctx, patience)
	for {
		if !slices.ContainsFunc(found, func(c customizers.Customizer) bool { return c.ID == own.ID }) { // a list may lag behind
			found = append(found, own)
			slices.SortFunc(found, first)
		}
		if len(found) == 1 {
			return own, nil
		}
		// The first stays once the others have gone. When they do not, one of them was seen
		// alone before, whatever the times say, and is in use.
		again := false
		if found[0].ID == own.ID {
			if again, err = wait(); err != nil {
				return none, fmt.Errorf("%w; after: %w", Ambiguous(name, found), err)
			}
		}
		if !again {
			if err := undo(ctx, client, own.ID); err != nil {
				return none, fmt.Errorf("%w; the one that was created could not be deleted: %w", Ambiguous(name, found), err)
			}
			return none, nil
		}
		if found, err = named(ctx, client, name); err != nil {
			return none, fmt.Errorf("looking for %s after creating it: %w", name, err)
		}
	}
}

// leave deletes the customizer that was created if it is not the only one of its name,
// after the context has ended: nobody else would, and the name would stay ambiguous.
func leave(ctx context.Context, client Client, own customizers.Customizer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	found, err := named(ctx, client, own.Name)
	if err == nil && slices.ContainsFunc(found, func(c customizers.Customizer) bool { return c.ID != own.ID }) {
		_ = undo(ctx, client, own.ID) // the error of the call is that its context ended
	}
}

// undo deletes the customizer that was created, unless another program has deployed to it.
func undo(ctx context.Context, client Client, id string) error {
	c, err := client.Get(ctx, id)
	if err == nil && c.ImageVersion > 0 {
		return fmt.Errorf("%s has a version by now", id)
	}
	if err == nil {
		err = client.Delete(ctx, id)
	}
	if errors.Is(err, customizers.ErrNotFound) {
		return nil
	}
	return err
}

// awaitVersion waits until the service shows the wanted version of c, or one after it.
func awaitVersion(ctx context.Context, client Client, c customizers.Customizer, wanted int64, timeout time.Duration) (*customizers.Customizer, error) {
	if timeout == 0 {
		timeout = 2 * time.Minute
	}
	wait := waits(ctx, timeout)
	for {
		shown, err := client.Get(ctx, c.ID)
		switch {
		case err != nil:
			return nil, fmt.Errorf("version %d of %s (%s) was uploaded, but whether it is shown can't be told: %w", wanted, c.Name, c.ID, err)
		case shown.ImageVersion >= wanted:
			return shown, nil
		}
		again, err := wait()
		switch {
		case err != nil:
			return nil, fmt.Errorf("version %d of %s (%s) was uploaded, and not shown yet: %w", wanted, c.Name, c.ID, err)
		case !again:
			return nil, fmt.Errorf("%w: version %d of %s (%s) was uploaded, and after %v the service shows version %d",
				ErrNotShown, wanted, c.Name, c.ID, timeout, shown.ImageVersion)
		}
	}
}
