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
	maxAttempts = 4
	perTry      = 1200 * time.Millisecond
	perCall     = 5 * time.Second
	maxAlive    = 10 // customizers of one worker, about
)

// A told is what a caller was told of a create.
type told int

const (
	success told = iota
	unknown      // ErrOutcomeUnknown
	failure      // any other error: it was not done
)

func toldBy(err error) told {
	switch {
	case err == nil:
		return success
	case errors.Is(err, customizers.ErrOutcomeUnknown):
		return unknown
	}
	return failure
}

// A thing is a customizer as its owner knows it: what the owner asked for, and what it
// was told. No two creates and updates ask for the same name.
type thing struct {
	born    string // the name that it is created with; later ones begin with it and a space
	create  *call
	created told

	id      string // empty until known
	name    string // the last that was reported
	updates []update
	uploads []upload
	deletes []*call
	gone    bool // reported as deleted, or as not found after a delete
}

type update struct {
	*call
	name string
	ok   bool
}

type upload struct {
	*call
	sha  string // of the archive; empty for none
	told told
	got  *customizers.Version
}

func (t *thing) String() string {
	return fmt.Sprintf("%s, ID %q, named %q, gone %v, create: %v, updates: %v, deletes: %v",
		t.born, t.id, t.name, t.gone, t.create, t.updates, t.deletes)
}

// mayBeNamed reports whether the thing may have a name by now. A try of an update whose
// end was not seen may be carried out after later ones, since nothing orders the two;
// arrived tells how many of a call's tries came to the tenant.
func (t *thing) mayBeNamed(name string, arrived func(*call) int) bool {
	if name == t.name {
		return true
	}
	failed := true // after the last that succeeded
	for i := len(t.updates) - 1; i >= 0; i-- {
		u := t.updates[i]
		failed = failed && !u.ok
		_, answered := u.tries()
		if u.name == name && (failed && arrived(u.call) > 0 || arrived(u.call) > answered) {
			return true
		}
	}
	return false
}

func sent(c *call) int {
	n, _ := c.tries()
	return n
}

// A worker calls one operation after the other on customizers of its own.
type worker struct {
	*round
	id     int
	rng    *rand.Rand
	client *customizers.Client
	things []*thing
	serial int

	answered bool // the last call
}

func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := millis(w.rng, 0, 20)
		if !w.step() { // do not spin while nothing can be reached
			wait = millis(w.rng, 20, 200)
		}
		pause(ctx, wait)
	}
}

// step makes one call, and reports whether it was answered.
func (w *worker) step() bool {
	alive := w.pick(func(t *thing) bool { return t.id != "" && !t.gone })
	n := w.rng.IntN(100)
	switch {
	case len(alive) == 0 || n < 18 && len(alive) < maxAlive:
		w.create()
	case n < 36:
		w.get(alive)
	case n < 52:
		w.update(alive)
	case n < 66:
		w.delete(context.Background(), one(w.rng, alive))
	case n < 84:
		w.version(alive)
	case n < 91:
		w.list()
	default:
		w.all()
	}
	return w.answered
}

func (w *worker) pick(ok func(*thing) bool) []*thing {
	var out []*thing
	for _, t := range w.things {
		if ok(t) {
			out = append(out, t)
		}
	}
	return out
}

func one[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

func (w *worker) do(kind string, f func(context.Context) error) (*call, error) {
	return w.within(context.Background(), kind, f)
}

// within makes one call, some of them with a context that ends early, and checks what
// holds for every call.
func (w *worker) within(parent context.Context, kind string, f func(context.Context) error) (*call, error) {
	w.serial++
	ctx, c := newCall(parent, fmt.Sprintf("w%02d-%05d-%s", w.id, w.serial, kind))
	limit := perCall
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
	over := took - limit - w.pulse.missed(start)

	w.report.call(c, kind, outcome(ctx, err), over)
	if over > 2*time.Second { // generous, as the machine may be busy; the SDK's own tests are strict
		w.bad("%v returned %v after its context ended", c, over)
	}
	n, answered := c.tries()
	w.answered = answered > 0
	if n > maxAttempts+1 && kind != "all" { // one more for a refused token
		w.bad("%v was sent %d times", c, n)
	}
	if err != nil {
		w.checkError(kind, c, err)
	}
	return c, err
}

func (w *worker) checkError(kind string, c *call, err error) {
	var e *customizers.Error
	if !errors.As(err, &e) {
		w.bad("%v: the error is no *customizers.Error: %v", c, err)
	}
	if strings.Contains(err.Error(), w.srv.ClientSecret) {
		w.bad("%v: the error holds the secret", c)
	}
	if errors.Is(err, customizers.ErrOutcomeUnknown) && kind != "create" && kind != "version" {
		w.bad("%v: an unknown outcome of what can be repeated: %v", c, err)
	}
	if errors.Is(err, customizers.ErrInvalidArgument) || errors.Is(err, customizers.ErrForbidden) {
		w.bad("%v: nothing here is invalid or forbidden: %v", c, err)
	}
}

// outcome names how a call ended.
func outcome(ctx context.Context, err error) string {
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
	t := &thing{born: fmt.Sprintf("w%02d-%05d", w.id, w.serial+1)}
	t.name = t.born
	var err error
	t.create, err = w.do("create", func(ctx context.Context) error {
		c, err := w.client.Create(ctx, customizers.CreateRequest{Name: t.born})
		if err == nil {
			t.id = c.ID
			if c.Name != t.born {
				w.bad("created %q, got %q", t.born, c.Name)
			}
		}
		return err
	})
	t.created = toldBy(err)
	w.things = append(w.things, t)
}

func (w *worker) get(alive []*thing) {
	t := one(w.rng, alive)
	if w.rng.IntN(5) == 0 { // one that was deleted
		if gone := w.pick(func(t *thing) bool { return t.gone }); len(gone) > 0 {
			t = one(w.rng, gone)
		}
	}
	var got *customizers.Customizer
	c, err := w.do("get", func(ctx context.Context) (err error) {
		got, err = w.client.Get(ctx, t.id)
		return err
	})
	switch {
	case err == nil && (t.gone || got.ID != t.id || !t.mayBeNamed(got.Name, sent)):
		w.bad("%v: got %+v for %v", c, *got, t)
	case err != nil:
		w.notFound(c, t, err)
	}
}

// notFound notes that a thing is gone, if an error says so.
func (w *worker) notFound(c *call, t *thing, err error) {
	if !errors.Is(err, customizers.ErrNotFound) {
		return
	}
	if len(t.deletes) == 0 {
		w.bad("%v: not found, and never deleted: %v", c, t)
	}
	t.gone = true
}

func (w *worker) update(alive []*thing) {
	t := one(w.rng, alive)
	u := update{name: fmt.Sprintf("%s as %d", t.born, len(t.updates)+1)}
	var got *customizers.Customizer
	c, err := w.do("update", func(ctx context.Context) (err error) {
		got, err = w.client.Update(ctx, t.id, customizers.UpdateRequest{Name: u.name})
		return err
	})
	u.call, u.ok = c, err == nil
	t.updates = append(t.updates, u)
	if err != nil {
		w.notFound(c, t, err)
		return
	}
	t.name = u.name
	if got.ID != t.id || got.Name != u.name {
		w.bad("%v: updated to %q, got %+v", c, u.name, *got)
	}
}

func (w *worker) delete(ctx context.Context, t *thing) {
	c, err := w.within(ctx, "delete", func(ctx context.Context) error { return w.client.Delete(ctx, t.id) })
	if err == nil {
		t.gone = true
	} else {
		w.notFound(c, t, err)
	}
	t.deletes = append(t.deletes, c)
}

func (w *worker) version(alive []*thing) {
	t := one(w.rng, alive)
	var u upload
	var archive io.Reader
	if n := w.rng.IntN(100); n >= 10 {
		data := w.archive()
		sum := sha256.Sum256(data)
		u.sha = hex.EncodeToString(sum[:])
		archive = bytes.NewReader(data)
		if n >= 80 {
			archive = io.MultiReader(archive) // can be read once only, and its size isn't known
		}
	}
	var err error
	u.call, err = w.do("version", func(ctx context.Context) (err error) {
		u.got, err = w.client.CreateVersion(ctx, t.id, archive)
		return err
	})
	u.told = toldBy(err)
	if err != nil {
		w.notFound(u.call, t, err)
	} else if u.got.CustomizerID != t.id {
		w.bad("%v: a version of %s, got %+v", u.call, t.id, *u.got)
	}
	t.uploads = append(t.uploads, u)
}

// archive is a zip like no other. Some are large enough for an Expect: 100-continue.
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
		w.bad("an archive: %v", err)
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
	// The immortals come first in the list and are never fewer.
	least := min(opts.Limit, immortals-opts.Offset)
	if len(p.Items) < least || len(p.Items) > opts.Limit || len(seen) != len(p.Items) || p.Offset != opts.Offset {
		w.bad("%v: asked for %+v, got %d items of %d IDs from %d", c, opts, len(p.Items), len(seen), p.Offset)
	}
	if opts.Count && p.Total < immortals || !opts.Count && p.Total != -1 {
		w.bad("%v: asked for %+v, the total is %d", c, opts, p.Total)
	}
}

// all reads the whole list, in pages of any size. Every customizer that is there for
// the whole time must come exactly once: the immortals, and those of this worker that
// it has created and never tried to delete. Some are deleted as they come. It also finds
// customizers whose create had an unknown outcome.
func (w *worker) all() {
	opts := customizers.ListOptions{Limit: between(w.rng, 20, 250), Count: w.rng.IntN(4) == 0}
	names := map[string][]string{} // by ID
	byName := map[string]string{}
	deleted := map[*thing]bool{}
	mine := map[string]*thing{}
	if w.rng.IntN(4) == 0 {
		for _, t := range w.pick(func(t *thing) bool { return t.id != "" && !t.gone }) {
			mine[t.id] = t
		}
	}
	c, err := w.do("all", func(ctx context.Context) error {
		for item, err := range w.client.All(ctx, opts) {
			if err != nil {
				return err
			}
			names[item.ID] = append(names[item.ID], item.Name)
			byName[item.Name] = item.ID
			if t := mine[item.ID]; t != nil && !t.gone && w.rng.IntN(4) == 0 {
				w.delete(ctx, t)
				deleted[t] = true
			}
		}
		return nil
	})
	for id, n := range names {
		if len(n) > 1 {
			w.bad("%v: %s came as %q", c, id, n)
		}
	}
	missing := 0
	for id := range w.immortal {
		if len(names[id]) == 0 {
			missing++
		}
	}
	if err == nil && missing > 0 {
		w.bad("%v: %d of %d immortals did not come in a list of %d", c, missing, len(w.immortal), len(names))
	}
	for _, t := range w.things {
		n := names[t.id]
		switch {
		case t.id == "":
			if id, ok := byName[t.born]; ok {
				if t.created == failure {
					w.bad("%v: there is %s, whose create failed: %v", c, t.born, t.create)
				}
				t.id = id
			}
		case len(n) == 0:
			if err == nil && len(t.deletes) == 0 {
				w.bad("%v: did not come: %v", c, t)
			}
		case t.gone && !deleted[t] || !t.mayBeNamed(n[0], sent):
			w.bad("%v: came as %q: %v", c, n[0], t)
		}
	}
}
