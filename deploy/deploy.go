// Package deploy brings the content of a connector customizer to the service, as a
// pipeline does on each merge: it creates the customizer when there is none of its
// name, uploads the content as a version, and waits until the service shows it.
package deploy

import (
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

	// Timeout bounds the wait until the service shows the new version; default 2 minutes.
	Timeout time.Duration

	// DryRun makes Deploy read only: the result tells what it would have done.
	DryRun bool
}

// A Result tells what [Deploy] did, or in a dry run what it would have done.
type Result struct {
	Customizer customizers.Customizer `json:"customizer"` // as it is afterwards
	Created    bool                   `json:"created"`    // the customizer is new
	Uploaded   bool                   `json:"uploaded"`   // false when the service has the content already
	OldVersion int64                  `json:"oldVersion"` // 0 when it had none
	NewVersion int64                  `json:"newVersion"` // OldVersion when nothing was uploaded
	SHA256     string                 `json:"sha256"`     // digest of the content: see [Digest]
	DryRun     bool                   `json:"dryRun,omitzero"`
}

var (
	// ErrAmbiguous says that several customizers have the name; nothing was done.
	ErrAmbiguous = errors.New("several customizers have the name")
	// ErrNotShown says that the version was uploaded, and the service did not show it in time.
	ErrNotShown = errors.New("the new version is not shown yet")
	// ErrNotRecorded says that all was done but for writing the record. It comes with a result.
	ErrNotRecorded = errors.New("the deployment could not be recorded")
)

// Deploy makes the content at path the newest version of the customizer with the given
// name. The path is that of a zip file, or of a folder, which is zipped by [Zip].
//
// It never creates a second customizer of the name: when the outcome of a create is
// not known it looks for the customizer, and when another program created one of the
// same name meanwhile, the younger of the two, if it is Deploy's own and empty, is
// deleted again, and the elder is used.
//
// What can't be used gives an error before anything is sent, or is
// [customizers.ErrInvalidRequest]; several customizers of the name, [ErrAmbiguous]; an
// upload that may or may not have been carried out, [customizers.ErrOutcomeUnknown],
// after which deploying again is safe; a version that is not shown in time,
// [ErrNotShown]; a record that can't be written, [ErrNotRecorded]. It needs the scopes sp:connector:read and sp:connector:manage.
func Deploy(ctx context.Context, client Client, name, path string, opts Options) (*Result, error) {
	if strings.TrimSpace(name) == "" {
		return nil, fmt.Errorf("%w: the name is blank", customizers.ErrInvalidRequest)
	}
	content, err := open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer content.close()
	done, err := readRecord(opts.Record)
	if err != nil {
		return nil, err
	}

	r := &Result{SHA256: content.digest, DryRun: opts.DryRun}
	there, err := one(ctx, client, name)
	switch {
	case err != nil:
		return nil, err
	case there != nil:
		r.Customizer = *there
	case opts.DryRun:
		r.Customizer.Name, r.Created = name, true
	default:
		if r.Customizer, r.Created, err = create(ctx, client, name); err != nil {
			return nil, err
		}
	}
	r.OldVersion, r.NewVersion = r.Customizer.ImageVersion, r.Customizer.ImageVersion
	if done.has(r.Customizer, content.digest) {
		return r, nil
	}
	r.Uploaded = true
	if opts.DryRun {
		r.NewVersion++
		return r, nil
	}

	v, err := client.CreateVersion(ctx, r.Customizer.ID, content.file)
	if err != nil {
		return nil, fmt.Errorf("%s (%s) stays at version %d unless said otherwise: %w", name, r.Customizer.ID, r.OldVersion, err)
	}
	wanted := max(v.Version, r.OldVersion+1)
	shown, err := awaitVersion(ctx, client, r.Customizer, wanted, opts.Timeout)
	if err != nil {
		return nil, err
	}
	r.Customizer, r.NewVersion = *shown, shown.ImageVersion
	if opts.Record != "" && shown.ImageVersion == wanted { // or another program has deployed after
		err = remember(opts.Record, *shown, content.digest)
	}
	return r, err
}

// Named returns the customizers with the given name, the eldest first.
func Named(ctx context.Context, client Client, name string) ([]customizers.Customizer, error) {
	var found []customizers.Customizer
	for c, err := range client.All(ctx, customizers.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		if c.Name == name {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, elder)
	return found, nil
}

// elder orders customizers in the same way for every program that sees them.
func elder(a, b customizers.Customizer) int {
	if n := a.Created.Compare(b.Created); n != 0 {
		return n
	}
	return strings.Compare(a.ID, b.ID)
}

// one returns the customizer with the given name, or nil when there is none.
func one(ctx context.Context, client Client, name string) (*customizers.Customizer, error) {
	found, err := Named(ctx, client, name)
	switch {
	case err != nil || len(found) == 0:
		return nil, err
	case len(found) > 1:
		return nil, Ambiguous(name, found)
	}
	return &found[0], nil
}

// Ambiguous is an [ErrAmbiguous] that lists the customizers found.
func Ambiguous(name string, found []customizers.Customizer) error {
	ids := make([]string, len(found))
	for i, c := range found {
		ids[i] = c.ID
	}
	return fmt.Errorf("%w %q: %s", ErrAmbiguous, name, strings.Join(ids, ", "))
}

// create creates the customizer, unless another program is seen to have done so.
func create(ctx context.Context, client Client, name string) (c customizers.Customizer, created bool, err error) {
	var own customizers.Customizer
	made, err := client.Create(ctx, customizers.CreateRequest{Name: name})
	switch {
	case err == nil:
		own = *made
	case !errors.Is(err, customizers.ErrOutcomeUnknown) || ctx.Err() != nil:
		return c, false, err
	}
	found, lookErr := Named(ctx, client, name)
	switch {
	case lookErr != nil:
		return c, false, errors.Join(err, fmt.Errorf("looking for %s after creating it: %w", name, lookErr))
	case err != nil && len(found) == 1:
		return found[0], true, nil // it was carried out
	case err != nil && len(found) > 1:
		return c, false, fmt.Errorf("%w; after: %w", Ambiguous(name, found), err)
	case err != nil:
		return c, false, err
	}
	// A list may lag behind, and its records may tell less than the answer did.
	found = append(slices.DeleteFunc(found, func(c customizers.Customizer) bool { return c.ID == own.ID }), own)
	slices.SortFunc(found, elder)
	if found[0].ID == own.ID {
		return own, true, nil
	}
	if err := client.Delete(ctx, own.ID); err != nil && !errors.Is(err, customizers.ErrNotFound) {
		return c, false, fmt.Errorf("%w; the younger could not be deleted: %w", Ambiguous(name, found), err)
	}
	return found[0], false, nil
}

// awaitVersion waits until the service shows the wanted version of c, or one after it.
func awaitVersion(ctx context.Context, client Client, c customizers.Customizer, wanted int64, timeout time.Duration) (*customizers.Customizer, error) {
	if timeout == 0 {
		timeout = 2 * time.Minute
	}
	end := time.Now().Add(timeout)
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		shown, err := client.Get(ctx, c.ID)
		switch {
		case err != nil:
			return nil, fmt.Errorf("version %d of %s (%s) was uploaded, but whether it is shown can't be told: %w", wanted, c.Name, c.ID, err)
		case shown.ImageVersion >= wanted:
			return shown, nil
		case time.Now().Add(pause).After(end):
			return nil, fmt.Errorf("%w: version %d of %s (%s) was uploaded, and after %v the service shows version %d",
				ErrNotShown, wanted, c.Name, c.ID, timeout, shown.ImageVersion)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("version %d of %s (%s) was uploaded, and not shown yet: %w", wanted, c.Name, c.ID, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}
