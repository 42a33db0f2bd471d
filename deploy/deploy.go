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
	// ErrAmbiguous says that several customizers have the name; nothing was uploaded. It
	// comes as an [AmbiguousError], which has them.
	ErrAmbiguous = errors.New("several customizers have the name")
	// ErrNotShown says that the version was uploaded, and the service did not show it in
	// Options.Timeout. It is not in the record, so deploying again uploads once more.
	ErrNotShown = errors.New("the new version is not shown yet")
	// ErrNotRecorded says that all was done but for writing the record. It comes with a
	// result, and the next deployment uploads again.
	ErrNotRecorded = errors.New("the deployment could not be recorded")
)

// An AmbiguousError is an [ErrAmbiguous] with the customizers that have the name.
type AmbiguousError struct {
	Name        string
	Customizers []customizers.Customizer
}

// Error tells the name, and the IDs.
func (e *AmbiguousError) Error() string {
	ids := make([]string, len(e.Customizers))
	for i, c := range e.Customizers {
		ids[i] = c.ID
	}
	return fmt.Sprintf("%v %q: %s", ErrAmbiguous, e.Name, strings.Join(ids, ", "))
}

// Unwrap gives [ErrAmbiguous].
func (e *AmbiguousError) Unwrap() error { return ErrAmbiguous }

// Deploy makes the content at path the newest version of the customizer with the given
// name. The path is that of a zip file, or of a folder, which is zipped by [Zip].
//
// It creates a customizer only when there is none of the name. When the outcome of that is
// not known, it looks for the customizer for 30 seconds, as a list may show it late, and
// sends nothing twice. When several programs create one at once, all use the eldest, and
// each of the others deletes its own, still empty. However long requests take, one is left,
// and no program is told of success with another; one that waits in vain for two minutes
// for the others to delete theirs gives [ErrAmbiguous].
//
// The service has no locks, so that holds while it lists customizers in the order in which
// it dates them, give or take two seconds, for which a new customizer is watched before it
// is used. And a program that is killed, can't reach the service, or does not learn what
// became of its create, can't delete: then several can be left, which is ErrAmbiguous until
// somebody deletes all but one. Let one program at a time deploy a new name to be sure.
//
// What can't be used gives an error before anything is sent, or is
// [customizers.ErrInvalidArgument]; several customizers of the name, [ErrAmbiguous]; an
// upload or a create that may or may not have been carried out,
// [customizers.ErrOutcomeUnknown], after which deploying again is safe, and looks for the
// customizer again; a version that is not shown in time, [ErrNotShown]; a record that can't
// be written, [ErrNotRecorded]. What the service refuses is the client's error. With a [*customizers.Client] its requests are retried as that says.
//
// It needs the scopes sp:connector:read and sp:connector:manage; a dry run, only the first.
func Deploy(ctx context.Context, client Client, name, path string, opts Options) (*Result, error) {
	if strings.TrimSpace(name) == "" {
		return nil, fmt.Errorf("%w: the name is blank", customizers.ErrInvalidArgument)
	}
	if opts.Timeout < 0 {
		return nil, fmt.Errorf("%w: Options.Timeout is %v, which is negative", customizers.ErrInvalidArgument, opts.Timeout)
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
		r, err = d.run(ctx) // the customizer was deleted meanwhile
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
	lost    error // of a create whose outcome is not known
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
		c, err := d.choose(ctx, none)
		switch {
		case err != nil || c.ID != "":
			return c, false, err
		case d.opts.DryRun:
			return customizers.Customizer{Name: d.name}, true, nil
		case d.lost != nil:
			return none, false, d.lost
		}
		made, err := d.client.Create(ctx, customizers.CreateRequest{Name: d.name})
		switch {
		case errors.Is(err, customizers.ErrOutcomeUnknown) && ctx.Err() == nil:
			return d.find(ctx, err)
		case err != nil:
			return none, false, err
		}
		if c, err = d.choose(ctx, *made); err != nil || c.ID != "" {
			return c, c.ID == made.ID, err
		}
	}
}

// find looks for the customizer after a create whose outcome is not known. The list may
// show it late. Nothing is created after that, even when what was found is gone again.
func (d *deployment) find(ctx context.Context, lost error) (customizers.Customizer, bool, error) {
	d.lost = lost
	wait := waits(ctx, time.Second, lookout)
	for {
		c, err := d.choose(ctx, none)
		again := false
		if err == nil && c.ID == "" {
			again, err = wait()
		}
		switch {
		case err != nil:
			return none, false, fmt.Errorf("%w; looking for %s after that: %w", lost, d.name, err)
		case again:
		case c.ID == "":
			return none, false, lost
		default:
			return c, c.ImageVersion == 0, nil
		}
	}
}

// none is no customizer.
var none customizers.Customizer

const (
	// lookout is how long the service may take to list a customizer whose create broke off.
	lookout = 30 * time.Second
	// settling is how long the service may take to list a customizer after a younger one:
	// as its clocks differ, and what it lists is not what it has at every moment.
	settling = 2 * time.Second
	// patience is how long other programs get to delete what they created at the same time.
	patience = 2 * time.Minute
	// parting is how long a deployment that failed tries to delete what it created.
	parting = 20 * time.Second
)

// choose returns the only customizer of the name, or none. Own is what was created for
// this deployment, if it was.
//
// There are several when several programs create one at once. The service has no lock for
// that, so all go by one order. Whoever created one that is not the first deletes it, and
// whoever created the first waits until the others have gone. The first is never deleted,
// however long they take: another program may be about to upload to it. It is the first
// for good once an elder one would have been listed, and not used before.
func (d *deployment) choose(ctx context.Context, own customizers.Customizer) (_ customizers.Customizer, err error) {
	defer func() {
		if err != nil && own.ID != "" {
			d.leave(ctx, own.ID)
		}
	}()
	wait := waits(ctx, settling, patience)
	var leader string
	var since time.Time
	for {
		asked := time.Now()
		found, err := named(ctx, d.client, d.name)
		switch {
		case err != nil && own.ID != "":
			return none, fmt.Errorf("looking for %s after creating it: %w", d.name, err)
		case err != nil:
			return none, err
		}
		missing := own.ID != "" && !slices.ContainsFunc(found, is(own.ID)) // the list lags behind
		if missing {
			found = append(found, own)
			slices.SortFunc(found, first)
		}
		if len(found) == 0 {
			return none, nil
		}
		if missing || found[0].ID != leader {
			leader, since = found[0].ID, time.Now()
		}
		alone := len(found) == 1
		switch {
		case own.ID != "" && leader != own.ID:
			switch err := d.remove(ctx, own.ID, found); {
			case err != nil && ctx.Err() != nil:
				return none, ended(ctx)
			case err != nil:
				return none, fmt.Errorf("%w; the one that was created could not be deleted: %w", &AmbiguousError{d.name, found}, err)
			}
			own = none
			continue
		case alone && (found[0].ImageVersion > 0 || asked.Sub(since) >= settling):
			return found[0], nil
		case !alone && !slices.ContainsFunc(found, contested):
			return none, &AmbiguousError{d.name, found}
		}
		again := true
		if alone && !missing {
			err = pause(ctx, settling)
		} else {
			again, err = wait()
		}
		switch {
		case err != nil:
			return none, err
		case again:
		case alone:
			return own, nil // which the list never shows
		default:
			return none, &AmbiguousError{d.name, found}
		}
	}
}

// contested tells whether a customizer may be about to go, as several were created at once.
func contested(c customizers.Customizer) bool {
	return c.ImageVersion == 0 && (c.Created.IsZero() || time.Since(c.Created.Time) < patience)
}

func is(id string) func(customizers.Customizer) bool {
	return func(c customizers.Customizer) bool { return c.ID == id }
}

// leave deletes the customizer that was created, unless it is the first, after a failure or
// the end of the context: nobody else would, and the name would stay ambiguous.
func (d *deployment) leave(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	if found, err := named(ctx, d.client, d.name); err == nil && len(found) > 0 && found[0].ID != id {
		_ = d.remove(ctx, id, found) // what is told is the failure before
	}
}

// remove deletes the customizer that was created and that was just found not to be the
// first, unless another program has deployed to it.
func (d *deployment) remove(ctx context.Context, id string, found []customizers.Customizer) error {
	if i := slices.IndexFunc(found, is(id)); i >= 0 && found[i].ImageVersion > 0 {
		return fmt.Errorf("%s has a version by now", id)
	}
	if err := d.client.Delete(ctx, id); !errors.Is(err, customizers.ErrNotFound) {
		return err
	}
	return nil
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
		a.Created.Compare(b.Created.Time),
		strings.Compare(a.ID, b.ID))
}

// waits paces a wait of at most limit. It returns false when that is over.
func waits(ctx context.Context, first, limit time.Duration) func() (bool, error) {
	end, next := time.Now().Add(limit), first
	return func() (bool, error) {
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		err := pause(ctx, min(next, left))
		next = min(2*next, 5*time.Second)
		return err == nil, err
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ended(ctx)
	case <-time.After(d):
		return nil
	}
}

// awaitVersion waits until the service shows the wanted version of c, or one after it.
func awaitVersion(ctx context.Context, client Client, c customizers.Customizer, wanted int64, timeout time.Duration) (*customizers.Customizer, error) {
	if timeout == 0 {
		timeout = 2 * time.Minute
	}
	wait := waits(ctx, 250*time.Millisecond, timeout)
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
