package soak

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/connector-customizers/customizers"
)

const (
	maxAttempts    = 4
	attemptTimeout = 1200 * time.Millisecond
	callTimeout    = 5 * time.Second
	maxRecords     = 10 // customizers of one worker, approximately
)

// An outcome is the outcome of a POST that the SDK reports.
type outcome int

const (
	success outcome = iota
	unknown         // ErrOutcomeUnknown
	failure         // any other error: the tenant did not act
)

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return success
	case errors.Is(err, customizers.ErrOutcomeUnknown):
		return unknown
	}
	return failure
}

// A record holds a worker's calls on one customizer and their results. Each create and each
// update uses a different name.
type record struct {
	initialName   string // later names begin with it and a space
	create        *call
	createOutcome outcome

	id      string // empty until known
	name    string // the last reported name
	updates []update
	uploads []upload
	deletes []*call
	deleted bool // reported as deleted, or as not found after a delete
}

type update struct {
	*call
	name string
	ok   bool
}

type upload struct {
	*call
	sha     string // of the archive; empty for none
	outcome outcome
	got     *customizers.Version
}

func (rec *record) String() string {
	return fmt.Sprintf("%s, ID %q, name %q, deleted %v, create: %v, updates: %v, deletes: %v",
		rec.initialName, rec.id, rec.name, rec.deleted, rec.create, rec.updates, rec.deletes)
}

// mayHaveName reports whether the customizer may have the name. An attempt of an update that
// got no response may take effect after later updates. received returns the number of attempts
// of a call that may have reached the tenant.
func (rec *record) mayHaveName(name string, received func(*call) int) bool {
	if name == rec.name {
		return true
	}
	failed := true // all updates since the last that succeeded
	for i := len(rec.updates) - 1; i >= 0; i-- {
		u := rec.updates[i]
		failed = failed && !u.ok
		_, responses := u.attempts()
		if u.name == name && (failed && received(u.call) > 0 || received(u.call) > responses) {
			return true
		}
	}
	return false
}

// sent returns the number of attempts of a call.
func sent(c *call) int {
	n, _ := c.attempts()
	return n
}

// A worker calls operations on its own customizers, one at a time.
type worker struct {
	*round
	id      int
	rng     *rand.Rand
	client  *customizers.Client
	records []*record
	serial  int

	gotResponse bool // in the last call
	recovered   bool // from the round's blackhole
}

func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := millis(w.rng, 0, 20)
		if !w.step() { // do not spin while the tenant can't be reached
			wait = millis(w.rng, 20, 200)
		}
		sleep(ctx, wait)
	}
}

// step makes one call and reports whether it got a response.
func (w *worker) step() bool {
	existing := w.filter(func(rec *record) bool { return rec.id != "" && !rec.deleted })
	n := w.rng.IntN(100)
	switch {
	case len(existing) == 0 || n < 18 && len(existing) < maxRecords:
		w.create()
	case n < 36:
		w.get(existing)
	case n < 52:
		w.update(existing)
	case n < 66:
		w.delete(context.Background(), choose(w.rng, existing))
	case n < 84:
		w.version(existing)
	case n < 91:
		w.list()
	default:
		w.all()
	}
	return w.gotResponse
}

// filter returns the records for which ok returns true.
func (w *worker) filter(ok func(*record) bool) []*record {
	var out []*record
	for _, rec := range w.records {
		if ok(rec) {
			out = append(out, rec)
		}
	}
	return out
}

// choose returns a random item.
func choose[T any](rng *rand.Rand, items []T) T { return items[rng.IntN(len(items))] }

func (w *worker) do(kind string, f func(context.Context) error) (*call, error) {
	return w.doContext(context.Background(), kind, f)
}

// doContext makes one call and checks the promises that hold for every call. The context of
// some calls ends early.
func (w *worker) doContext(parent context.Context, kind string, f func(context.Context) error) (*call, error) {
	w.serial++
	ctx, c := newCall(parent, fmt.Sprintf("w%02d-%05d-%s", w.id, w.serial, kind))
	limit := callTimeout
	var cancel context.CancelFunc
	early := millis(w.rng, 1, 20)
	if w.rng.IntN(2) == 0 {
		early *= 15
	}
	switch n := w.rng.IntN(100); {
	case n < 8:
		limit = early
		ctx, cancel = context.WithTimeout(ctx, limit)
	case n < 15:
		limit = early
		ctx, cancel = context.WithCancel(ctx)
		timer := time.AfterFunc(limit, cancel)
		defer timer.Stop()
	default:
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	start := time.Now()
	err := f(ctx)
	took := time.Since(start)
	over := took - limit

	result := resultOf(ctx, err)
	w.report.add(result, kind+" "+result)
	if over > 10*time.Second { // generous, as the machine may be busy; the SDK's own tests are exact
		w.errorf("%v returned %v after its context ended", c, over)
	}
	n, responses := c.attempts()
	w.gotResponse = responses > 0
	if began := w.swallowed.Load(); err == nil && began > 0 && start.UnixNano() > began && !w.recovered {
		w.recovered = true
		w.report.addRecovery(w.way.name, time.Since(time.Unix(0, began)))
	}
	if n > maxAttempts+1 && kind != "all" { // one more for a refused token
		w.errorf("%v had %d attempts", c, n)
	}
	if err != nil {
		w.checkError(kind, c, err)
	}
	return c, err
}

func (w *worker) checkError(kind string, c *call, err error) {
	var e *customizers.Error
	if !errors.As(err, &e) {
		w.errorf("%v: the error is not a *customizers.Error: %v", c, err)
	}
	if strings.Contains(err.Error(), w.srv.ClientSecret) {
		w.errorf("%v: the error contains the secret", c)
	}
	if errors.Is(err, customizers.ErrOutcomeUnknown) && kind != "create" && kind != "version" {
		w.errorf("%v: an unknown outcome of an idempotent operation: %v", c, err)
	}
	if errors.Is(err, customizers.ErrInvalidArgument) || errors.Is(err, customizers.ErrForbidden) {
		w.errorf("%v: unexpected error: %v", c, err)
	}
}

// resultOf returns a name for the result of a call.
func resultOf(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, customizers.ErrOutcomeUnknown):
		return "unknown"
	case errors.Is(err, customizers.ErrNotFound):
		return "not found"
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return ctx.Err().Error()
	case errors.Is(err, customizers.ErrRateLimited):
		return "rate limited"
	case errors.Is(err, customizers.ErrServer):
		return "server error"
	case errors.Is(err, customizers.ErrUnauthorized):
		return "unauthorized"
	}
	return "broken"
}

func (w *worker) create() {
	rec := &record{initialName: fmt.Sprintf("w%02d-%05d", w.id, w.serial+1)}
	rec.name = rec.initialName
	var err error
	rec.create, err = w.do("create", func(ctx context.Context) error {
		c, err := w.client.Create(ctx, customizers.CreateRequest{Name: rec.initialName})
		if err == nil {
			rec.id = c.ID
			if c.Name != rec.initialName {
				w.errorf("created %q, got %q", rec.initialName, c.Name)
			}
		}
		return err
	})
	rec.createOutcome = outcomeOf(err)
	w.records = append(w.records, rec)
}

func (w *worker) get(existing []*record) {
	rec := choose(w.rng, existing)
	if w.rng.IntN(5) == 0 {
		if deleted := w.filter(func(rec *record) bool { return rec.deleted }); len(deleted) > 0 {
			rec = choose(w.rng, deleted)
		}
	}
	var got *customizers.Customizer
	c, err := w.do("get", func(ctx context.Context) (err error) {
		got, err = w.client.Get(ctx, rec.id)
		return err
	})
	switch {
	case err == nil && (rec.deleted || got.ID != rec.id || !rec.mayHaveName(got.Name, sent)):
		w.errorf("%v: got %+v for %v", c, *got, rec)
	case err != nil:
		w.notFound(c, rec, err)
	}
}

// notFound marks a record as deleted if err is ErrNotFound.
func (w *worker) notFound(c *call, rec *record, err error) {
	if !errors.Is(err, customizers.ErrNotFound) {
		return
	}
	if len(rec.deletes) == 0 {
		w.errorf("%v: not found, though never deleted: %v", c, rec)
	}
	rec.deleted = true
}

func (w *worker) update(existing []*record) {
	rec := choose(w.rng, existing)
	u := update{name: fmt.Sprintf("%s as %d", rec.initialName, len(rec.updates)+1)}
	var got *customizers.Customizer
	c, err := w.do("update", func(ctx context.Context) (err error) {
		got, err = w.client.Update(ctx, rec.id, customizers.UpdateRequest{Name: u.name})
		return err
	})
	u.call, u.ok = c, err == nil
	rec.updates = append(rec.updates, u)
	if err != nil {
		w.notFound(c, rec, err)
		return
	}
	rec.name = u.name
	if got.ID != rec.id || got.Name != u.name {
		w.errorf("%v: updated to %q, got %+v", c, u.name, *got)
	}
}

func (w *worker) delete(ctx context.Context, rec *record) {
	c, err := w.doContext(ctx, "delete", func(ctx context.Context) error { return w.client.Delete(ctx, rec.id) })
	if err == nil {
		rec.deleted = true
	} else {
		w.notFound(c, rec, err)
	}
	rec.deletes = append(rec.deletes, c)
}

func (w *worker) version(existing []*record) {
	rec := choose(w.rng, existing)
	var u upload
	var archive io.Reader
	if n := w.rng.IntN(100); n >= 10 {
		data := w.archive()
		sum := sha256.Sum256(data)
		u.sha = hex.EncodeToString(sum[:])
		archive = bytes.NewReader(data)
		if n >= 80 {
			archive = io.MultiReader(archive) // no Seeker, of unknown size
		}
	}
	var err error
	u.call, err = w.do("version", func(ctx context.Context) (err error) {
		u.got, err = w.client.CreateVersion(ctx, rec.id, archive)
		return err
	})
	u.outcome = outcomeOf(err)
	if err != nil {
		w.notFound(u.call, rec, err)
	} else if u.got.CustomizerID != rec.id {
		w.errorf("%v: created a version of %s, got %+v", u.call, rec.id, *u.got)
	}
	rec.uploads = append(rec.uploads, u)
}

// archive returns a unique zip archive. Some are large enough for an Expect: 100-continue.
func (w *worker) archive() []byte {
	size := between(w.rng, 1, 3000)
	switch n := w.rng.IntN(100); {
	case n < 3:
		size = between(w.rng, 1<<20, 3<<19)
	case n < 20:
		size = between(w.rng, 10_000, 100_000)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("%d-%d.js", w.id, w.serial), Method: zip.Store})
	if err == nil {
		_, err = f.Write(bytes.Repeat([]byte{byte(w.serial)}, size))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		w.errorf("writing an archive: %v", err)
	}
	return b.Bytes()
}

func (w *worker) list() {
	opts := customizers.ListOptions{Offset: w.rng.IntN(100), Limit: between(w.rng, 1, 250), Count: w.rng.IntN(2) == 0}
	var p *customizers.Page
	c, err := w.do("list", func(ctx context.Context) (err error) {
		p, err = w.client.List(ctx, opts)
		return err
	})
	if err != nil {
		return
	}
	seen := map[string]bool{}
	for _, item := range p.Items {
		seen[item.ID] = true
	}
	// The permanent customizers come first in the list.
	least := min(opts.Limit, permanentCount-opts.Offset)
	if len(p.Items) < least || len(p.Items) > opts.Limit || len(seen) != len(p.Items) || p.Offset != opts.Offset {
		w.errorf("%v: requested %+v, got %d items with %d IDs at offset %d", c, opts, len(p.Items), len(seen), p.Offset)
	}
	if opts.Count && p.Total < permanentCount || !opts.Count && p.Total != -1 {
		w.errorf("%v: requested %+v, got the total %d", c, opts, p.Total)
	}
}

// all reads the whole list, with a random page size, and deletes some customizers meanwhile. The
// list must have each customizer exactly once that exists all the time: the permanent ones, and
// those of this worker that it never tried to delete. all also records the IDs of customizers
// whose create had an unknown outcome.
func (w *worker) all() {
	opts := customizers.ListOptions{Limit: between(w.rng, 20, 250), Count: w.rng.IntN(4) == 0}
	names := map[string][]string{} // by ID
	byName := map[string]string{}
	deletedHere := map[*record]bool{}
	deletable := map[string]*record{} // by ID
	if w.rng.IntN(4) == 0 {
		for _, rec := range w.filter(func(rec *record) bool { return rec.id != "" && !rec.deleted }) {
			deletable[rec.id] = rec
		}
	}
	c, err := w.do("all", func(ctx context.Context) error {
		for item, err := range w.client.All(ctx, opts) {
			if err != nil {
				return err
			}
			names[item.ID] = append(names[item.ID], item.Name)
			byName[item.Name] = item.ID
			if rec := deletable[item.ID]; rec != nil && !rec.deleted && w.rng.IntN(4) == 0 {
				w.delete(ctx, rec)
				deletedHere[rec] = true
			}
		}
		return nil
	})
	for id, n := range names {
		if len(n) > 1 {
			w.errorf("%v: listed %s more than once, as %q", c, id, n)
		}
	}
	missing := 0
	for id := range w.permanent {
		if len(names[id]) == 0 {
			missing++
		}
	}
	if err == nil && missing > 0 {
		w.errorf("%v: %d of %d permanent customizers missing in a list of %d", c, missing, len(w.permanent), len(names))
	}
	for _, rec := range w.records {
		n := names[rec.id]
		switch {
		case rec.id == "":
			if id, ok := byName[rec.initialName]; ok {
				if rec.createOutcome == failure {
					w.errorf("%v: listed %s, whose create failed: %v", c, rec.initialName, rec.create)
				}
				rec.id = id
			}
		case len(n) == 0:
			if err == nil && len(rec.deletes) == 0 {
				w.errorf("%v: missing: %v", c, rec)
			}
		case rec.deleted && !deletedHere[rec] || !rec.mayHaveName(n[0], sent):
			w.errorf("%v: listed as %q: %v", c, n[0], rec)
		}
	}
}
