package deploy_test

import (
	"context"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

// bubble runs a test with a tenant in virtual time.
func bubble(t *testing.T, f func(*testing.T, *customizerstest.Server), opts ...customizerstest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		f(t, customizerstest.NewServer(append(opts, customizerstest.WithoutSocket())...))
	})
}

// folder makes a folder with files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return dir
}

func simple(t *testing.T) string {
	t.Helper()
	return folder(t, map[string]string{"index.js": "exports.x = 1\n"})
}

// operations returns the operations that a tenant was asked for.
func operations(srv *customizerstest.Server, of ...customizerstest.Operation) (all []customizerstest.Operation) {
	for _, r := range srv.Requests(of...) {
		all = append(all, r.Operation)
	}
	return all
}

// changes returns those that may change something.
func changes(srv *customizerstest.Server) []customizerstest.Operation {
	return operations(srv, customizerstest.Create, customizerstest.Update, customizerstest.Delete, customizerstest.CreateVersion)
}

// A stub is a client whose list hides customizers, and that calls a function after a create.
type stub struct {
	deploy.Client

	hides       func(customizers.Customizer) bool
	afterCreate func()
}

func (s *stub) All(ctx context.Context, opts customizers.ListOptions) iter.Seq2[customizers.Customizer, error] {
	return func(yield func(customizers.Customizer, error) bool) {
		for c, err := range s.Client.All(ctx, opts) {
			if (s.hides == nil || !s.hides(c)) && !yield(c, err) {
				return
			}
		}
	}
}

func (s *stub) Create(ctx context.Context, r customizers.CreateRequest) (*customizers.Customizer, error) {
	c, err := s.Client.Create(ctx, r)
	if s.afterCreate != nil {
		s.afterCreate()
	}
	return c, err
}

// hidden hides every customizer for some time.
func hidden(d time.Duration) func(customizers.Customizer) bool {
	end := time.Now().Add(d)
	return func(customizers.Customizer) bool { return time.Now().Before(end) }
}

func TestRun(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		start := time.Now()
		r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
		require.NoError(t, err)
		assert.Zero(t, time.Since(start), "a new name waits for nothing but its requests")
		assert.Equal(t, []customizerstest.Operation{customizerstest.Token, customizerstest.List, customizerstest.List, customizerstest.Create,
			customizerstest.List, customizerstest.List, customizerstest.CreateVersion, customizerstest.Get}, operations(srv))
		c, err := srv.Client().Get(t.Context(), r.Customizer.ID)
		require.NoError(t, err)
		assert.Equal(t, &deploy.Result{Customizer: *c, Created: true, Uploaded: true, NewVersion: 1, SHA256: r.SHA256}, r)

		// Without a record, the same content is uploaded again.
		r, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
		require.NoError(t, err)
		c.ImageVersion, c.ImageID = 2, r.Customizer.ImageID
		assert.Equal(t, &deploy.Result{Customizer: *c, Uploaded: true, OldVersion: 1, NewVersion: 2, SHA256: r.SHA256}, r)
		assert.Len(t, srv.Customizers(), 301)
	}, customizerstest.WithSeed(300))
}

func TestRunWithAnID(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		id := srv.Add("twin", "twin")[1].ID
		srv.Add(id) // a name that is the ID of another
		r, err := deploy.Run(t.Context(), srv.Client(), id, dir, deploy.Options{})
		require.NoError(t, err)
		assert.Equal(t, id, r.Customizer.ID)
		assert.Len(t, srv.Versions(id), 1)

		_, err = deploy.Run(t.Context(), srv.Client(), "a0b1c2d3-0000-4000-8000-000000000000", dir, deploy.Options{})
		require.ErrorIs(t, err, customizers.ErrNotFound, "an ID is not the name of a new customizer")
		assert.Len(t, changes(srv), 1)
	})
}

func TestRunDry(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.json")
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		dry := deploy.Options{DryRun: true, Record: record}
		r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, dry)
		require.NoError(t, err)
		assert.Equal(t, &deploy.Result{Customizer: customizers.Customizer{Name: "hr-feed"}, Created: true, Uploaded: true, NewVersion: 1, SHA256: r.SHA256, DryRun: true}, r)
		assert.Empty(t, changes(srv))
		assert.NoFileExists(t, record)

		_, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
		require.NoError(t, err)
		before := changes(srv)
		r, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, dry)
		require.NoError(t, err)
		assert.False(t, r.Created)
		assert.False(t, r.Uploaded)
		assert.Equal(t, before, changes(srv))
	})
}

// Nothing is uploaded and nothing is deleted while several customizers have the name.
func TestRunAmbiguous(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		client  func(*customizerstest.Server) deploy.Client
		changes []customizerstest.Operation
	}{
		"from the start": {func(srv *customizerstest.Server) deploy.Client {
			srv.Add("hr-feed", "hr-feed")
			return srv.Client()
		}, nil},
		"another program creates one too": {func(srv *customizerstest.Server) deploy.Client {
			return &stub{Client: srv.Client(), afterCreate: func() { srv.Add("hr-feed") }}
		}, []customizerstest.Operation{customizerstest.Create}},
		"the list shows only that of another program": {func(srv *customizerstest.Server) deploy.Client {
			return &stub{
				Client:      srv.Client(),
				hides:       func(c customizers.Customizer) bool { return c.ID == srv.Customizers()[0].ID },
				afterCreate: func() { srv.Add("hr-feed") },
			}
		}, []customizerstest.Operation{customizerstest.Create}},
		"after a lost create": {func(srv *customizerstest.Server) deploy.Client {
			srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Cut: true, Acted: true})
			return &stub{Client: srv.Client(), afterCreate: func() { srv.Add("hr-feed") }}
		}, []customizerstest.Operation{customizerstest.Create}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := simple(t)
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				_, err := deploy.Run(t.Context(), tt.client(srv), "hr-feed", dir, deploy.Options{})
				require.ErrorIs(t, err, customizers.ErrAmbiguous)
				var e *customizers.AmbiguousError
				require.ErrorAs(t, err, &e)
				assert.Equal(t, "hr-feed", e.Name)
				assert.ElementsMatch(t, srv.Customizers(), e.Customizers)
				assert.Equal(t, tt.changes, changes(srv))
			})
		})
	}
}

// However a create fails, there is one customizer of the name, or an error.
func TestRunCreatesOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault   customizerstest.Fault
		created int
		failed  error
	}{
		"cut after the service acted":     {customizerstest.Fault{Cut: true, Acted: true}, 1, nil},
		"500 after the service acted":     {customizerstest.Fault{Status: 500, Acted: true}, 1, nil},
		"HTML after the service acted":    {customizerstest.Fault{Status: 200, Body: "<html>", Acted: true}, 1, nil},
		"cut before the service acted":    {customizerstest.Fault{Cut: true}, 0, customizers.ErrOutcomeUnknown},
		"refused":                         {customizerstest.Fault{Status: 403}, 0, customizers.ErrForbidden},
		"rate limited, and retried later": {customizerstest.Fault{Status: 429}, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := simple(t)
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				tt.fault.Operation = customizerstest.Create
				srv.Inject(tt.fault)
				r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
				assert.Len(t, srv.Customizers(), tt.created)
				if tt.failed != nil {
					require.ErrorIs(t, err, tt.failed)
					return
				}
				require.NoError(t, err)
				assert.True(t, r.Created)
				assert.EqualValues(t, 1, r.NewVersion)
			})
		})
	}
}

// After a create of unknown outcome, Run looks for the customizer, and sends no second create.
func TestRunFindsALostCreate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		shownAfter, cancelledAfter time.Duration
		least, most                time.Duration
		failed                     []error
	}{
		"at once":   {},
		"soon":      {shownAfter: 3 * time.Second, least: 3 * time.Second, most: 8 * time.Second},
		"late":      {shownAfter: 25 * time.Second, least: 25 * time.Second, most: 30 * time.Second},
		"never":     {shownAfter: time.Hour, least: 30 * time.Second, most: 30 * time.Second, failed: []error{customizers.ErrOutcomeUnknown}},
		"cancelled": {shownAfter: time.Hour, cancelledAfter: 10 * time.Second, least: 10 * time.Second, most: 10 * time.Second, failed: []error{customizers.ErrOutcomeUnknown, context.Canceled}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := simple(t)
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Cut: true, Acted: true})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.cancelledAfter > 0 {
					time.AfterFunc(tt.cancelledAfter, cancel)
				}
				start := time.Now()
				client := &stub{Client: srv.Client(), hides: hidden(tt.shownAfter)}
				r, err := deploy.Run(ctx, client, "hr-feed", dir, deploy.Options{})
				assert.GreaterOrEqual(t, time.Since(start), tt.least)
				assert.LessOrEqual(t, time.Since(start), tt.most)
				assert.Len(t, srv.Requests(customizerstest.Create), 1)
				for _, failed := range tt.failed {
					require.ErrorIs(t, err, failed)
				}
				if tt.failed == nil {
					require.NoError(t, err)
					assert.True(t, r.Created)
					assert.EqualValues(t, 1, r.NewVersion)
				}
			})
		})
	}
}

// The list may not show the new customizer yet.
func TestRunUsesACreateThatIsNotListed(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		client := &stub{Client: srv.Client(), hides: hidden(time.Hour)}
		r, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{})
		require.NoError(t, err)
		assert.True(t, r.Created)
		assert.Len(t, srv.Versions(r.Customizer.ID), 1)
	})
}

func TestRunFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault  customizerstest.Fault
		failed error
		says   string
	}{
		"the first list": {customizerstest.Fault{Operation: customizerstest.List, Status: 403}, customizers.ErrForbidden, "403"},
		"the list after the create": {customizerstest.Fault{Operation: customizerstest.List, Skip: 1, Status: 403},
			customizers.ErrForbidden, ") was created, but not used: "},
		"the upload": {customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 400},
			customizers.ErrInvalidRequest, ", which was at version 0: "},
		"the customizer is deleted before the upload": {customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 404},
			customizers.ErrNotFound, "uploading to hr-feed ("},
		"the outcome of the upload is unknown": {customizerstest.Fault{Operation: customizerstest.CreateVersion, Cut: true, Acted: true},
			customizers.ErrOutcomeUnknown, "uploading to hr-feed ("},
		"the wait for the new version": {customizerstest.Fault{Operation: customizerstest.Get, Status: 403},
			customizers.ErrForbidden, "version 1 of hr-feed ("},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.json")
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				srv.Inject(tt.fault)
				_, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
				require.ErrorIs(t, err, tt.failed)
				require.ErrorContains(t, err, tt.says)
				assert.NoFileExists(t, record)

				// Running again is safe.
				_, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
				require.NoError(t, err)
				assert.Len(t, srv.Customizers(), 1)
			})
		})
	}
}

// A lagging service shows a version only after some time.
type lagging struct {
	deploy.Client

	shownAt time.Time
	version int64
}

func (l *lagging) All(context.Context, customizers.ListOptions) iter.Seq2[customizers.Customizer, error] {
	return func(yield func(customizers.Customizer, error) bool) {
		yield(customizers.Customizer{ID: "x", Name: "hr-feed", ImageVersion: 6}, nil)
	}
}

func (l *lagging) CreateVersion(context.Context, string, io.Reader) (*customizers.Version, error) {
	return &customizers.Version{CustomizerID: "x", Version: l.version}, nil
}

func (l *lagging) Get(context.Context, string) (*customizers.Customizer, error) {
	c := &customizers.Customizer{ID: "x", Name: "hr-feed", ImageVersion: 6}
	if !time.Now().Before(l.shownAt) {
		c.ImageVersion = 7
	}
	return c, nil
}

func TestRunWaitsForTheVersion(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after, timeout, deadline time.Duration
		version                  int64
		least, most              time.Duration
		failed                   error
	}{
		"at once":                    {version: 7},
		"soon":                       {after: 10 * time.Second, version: 7, least: 10 * time.Second, most: 15 * time.Second},
		"the response has no number": {after: time.Second, least: time.Second, most: 2 * time.Second},
		"not in 2 minutes":           {after: time.Hour, version: 7, least: 2 * time.Minute, most: 2 * time.Minute, failed: deploy.ErrNotShown},
		"not in Options.Timeout":     {after: time.Hour, version: 7, timeout: 5 * time.Second, least: 5 * time.Second, most: 5 * time.Second, failed: deploy.ErrNotShown},
		"the context ends":           {after: time.Hour, version: 7, deadline: 7 * time.Second, least: 7 * time.Second, most: 7 * time.Second, failed: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := simple(t)
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				start := time.Now()
				client := &lagging{shownAt: start.Add(tt.after), version: tt.version}
				r, err := deploy.Run(ctx, client, "hr-feed", dir, deploy.Options{Timeout: tt.timeout})
				assert.GreaterOrEqual(t, time.Since(start), tt.least)
				assert.LessOrEqual(t, time.Since(start), tt.most)
				if tt.failed != nil {
					require.ErrorIs(t, err, tt.failed)
					assert.ErrorContains(t, err, "version 7 of hr-feed (x) was uploaded")
					return
				}
				require.NoError(t, err)
				assert.EqualValues(t, 6, r.OldVersion)
				assert.EqualValues(t, 7, r.NewVersion)
			})
		})
	}
}

func TestRunCancelled(t *testing.T) {
	t.Parallel()
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := deploy.Run(ctx, srv.Client(), "hr-feed", simple(t), deploy.Options{})
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, customizers.ErrInvalidRequest)
	assert.Empty(t, srv.Requests())
}

// Arguments that can't be used are refused before anything is sent.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	files := folder(t, map[string]string{"broken.zip": "PK nothing", "deployed.json": "{"})
	for name, tt := range map[string]struct{ customizer, path, record, says string }{
		"blank name":           {" ", simple(t), "", "name is blank"},
		"no such path":         {"a", filepath.Join(files, "none"), "", "none"},
		"a device":             {"a", os.DevNull, "", "neither a file nor a folder"},
		"no zip archive":       {"a", filepath.Join(files, "broken.zip"), "", "broken.zip: not a zip archive"},
		"an empty folder":      {"a", t.TempDir(), "", "no files to deploy"},
		"a corrupt record":     {"a", simple(t), filepath.Join(files, "deployed.json"), "delete it to go on"},
		"a folder as a record": {"a", simple(t), files, "record of deployments"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := customizerstest.NewServer(customizerstest.WithoutSocket())
			_, err := deploy.Run(t.Context(), srv.Client(), tt.customizer, tt.path, deploy.Options{Record: tt.record})
			require.ErrorIs(t, err, customizers.ErrInvalidRequest)
			assert.ErrorContains(t, err, tt.says)
			assert.Empty(t, srv.Requests())
		})
	}
}
