package deploy_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

var quick = customizers.WithRetry(customizers.RetryPolicy{MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond})

func sandbox(t *testing.T, opts ...customizerstest.Option) *customizerstest.Server {
	t.Helper()
	srv := customizerstest.NewServer(opts...)
	t.Cleanup(srv.Close)
	return srv
}

// bubble runs a test in which waits take no time.
func bubble(t *testing.T, f func(*testing.T, *customizerstest.Server), opts ...customizerstest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		f(t, customizerstest.NewServer(append(opts, customizerstest.WithoutSocket())...))
	})
}

// folder makes a folder of files by their names.
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

func simple(t *testing.T) string { return folder(t, map[string]string{"index.js": "exports.x = 1\n"}) }

// changes are the requests that a tenant got and that change something.
func changes(srv *customizerstest.Server) int {
	return len(srv.Requests(customizerstest.Create, customizerstest.Update, customizerstest.Delete, customizerstest.CreateVersion))
}

func TestDeployCreatesAndUploads(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		dir := simple(t)
		r, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
		require.NoError(t, err)
		assert.True(t, r.Created)
		assert.True(t, r.Uploaded)
		assert.EqualValues(t, 0, r.OldVersion)
		assert.EqualValues(t, 1, r.NewVersion)
		assert.Equal(t, "hr-feed", r.Customizer.Name)
		assert.EqualValues(t, 1, r.Customizer.ImageVersion)
		assert.Len(t, srv.Versions(r.Customizer.ID), 1)

		// Without a record it can't be known that the content is the same.
		again, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
		require.NoError(t, err)
		assert.False(t, again.Created)
		assert.True(t, again.Uploaded)
		assert.EqualValues(t, 1, again.OldVersion)
		assert.EqualValues(t, 2, again.NewVersion)
		assert.Equal(t, r.SHA256, again.SHA256)
		versions := srv.Versions(r.Customizer.ID)
		assert.Equal(t, versions[0].ArchiveSHA256, versions[1].ArchiveSHA256, "the same bytes")
		assert.Len(t, srv.Customizers(), 301)
	}, customizerstest.WithSeed(300))
}

func TestDeployUploadsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		dir := simple(t)
		opts := deploy.Options{Record: filepath.Join(t.TempDir(), "new", "deployed.json")}
		run := func(path string) *deploy.Result {
			t.Helper()
			r, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", path, opts)
			require.NoError(t, err)
			return r
		}
		first := run(dir)
		id := first.Customizer.ID
		require.True(t, first.Uploaded)

		before := changes(srv)
		second := run(dir)
		assert.False(t, second.Uploaded)
		assert.EqualValues(t, 1, second.OldVersion)
		assert.EqualValues(t, 1, second.NewVersion)
		assert.Equal(t, before, changes(srv), "nothing was sent but reads")

		// The same content zipped by something else is the same content.
		var other bytes.Buffer
		z := zip.NewWriter(&other)
		w, err := z.CreateHeader(&zip.FileHeader{Name: "index.js", Method: zip.Store, Modified: time.Now()})
		require.NoError(t, err)
		_, err = io.WriteString(w, "exports.x = 1\n")
		require.NoError(t, err)
		require.NoError(t, z.Close())
		archive := filepath.Join(t.TempDir(), "a.zip")
		require.NoError(t, os.WriteFile(archive, other.Bytes(), 0o600))
		assert.False(t, run(archive).Uploaded)

		require.NoError(t, os.WriteFile(filepath.Join(dir, "index.js"), []byte("exports.x = 2\n"), 0o600))
		assert.True(t, run(dir).Uploaded)
		assert.False(t, run(dir).Uploaded)

		// Somebody else has deployed in between.
		_, err = srv.Client().CreateVersion(t.Context(), id, nil)
		require.NoError(t, err)
		third := run(dir)
		assert.True(t, third.Uploaded)
		assert.EqualValues(t, 4, third.NewVersion)

		// It was deleted, and is created anew.
		require.NoError(t, srv.Client().Delete(t.Context(), id))
		fourth := run(dir)
		assert.True(t, fourth.Created)
		assert.True(t, fourth.Uploaded)
		assert.EqualValues(t, 1, fourth.NewVersion)
	})
}

func TestDeployDryRunOnlyReads(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		dir := simple(t)
		record := filepath.Join(t.TempDir(), "deployed.json")
		dry := deploy.Options{DryRun: true, Record: record}
		r, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", dir, dry)
		require.NoError(t, err)
		assert.True(t, r.DryRun)
		assert.True(t, r.Created)
		assert.True(t, r.Uploaded)
		assert.EqualValues(t, 1, r.NewVersion)
		assert.Zero(t, changes(srv))
		assert.NoFileExists(t, record)

		_, err = deploy.Deploy(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
		require.NoError(t, err)
		before := changes(srv)
		r, err = deploy.Deploy(t.Context(), srv.Client(), "hr-feed", dir, dry)
		require.NoError(t, err)
		assert.False(t, r.Created)
		assert.False(t, r.Uploaded)
		assert.Equal(t, before, changes(srv))
	})
}

// However a create ends, there is one customizer of the name in the end, or none and an
// error that says so.
func TestDeployNeverCreatesTwo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault   customizerstest.Fault
		created int
		failed  error
	}{
		"cut after it was done":   {customizerstest.Fault{Cut: true, Acted: true}, 1, nil},
		"500 after it was done":   {customizerstest.Fault{Status: 500, Acted: true}, 1, nil},
		"HTML after it was done":  {customizerstest.Fault{Status: 200, Body: "<html>", Acted: true}, 1, nil},
		"cut before it was done":  {customizerstest.Fault{Cut: true}, 0, customizers.ErrOutcomeUnknown},
		"refused":                 {customizerstest.Fault{Status: 403}, 0, customizers.ErrForbidden},
		"429, which is no answer": {customizerstest.Fault{Status: 429}, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				tt.fault.Operation = customizerstest.Create
				srv.Inject(tt.fault)
				r, err := deploy.Deploy(t.Context(), srv.Client(quick), "hr-feed", simple(t), deploy.Options{})
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

// A create whose answer was lost is looked for, as the list may show it later, and is never
// sent again.
func TestDeployLooksForALostCreate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		shownAfter, cancelledAfter time.Duration
		gone                       bool // when it is uploaded to
		least, most                time.Duration
		failed                     []error
	}{
		"at once":               {most: 3 * time.Second},
		"soon":                  {shownAfter: 3 * time.Second, least: 3 * time.Second, most: 10 * time.Second},
		"late":                  {shownAfter: 25 * time.Second, least: 25 * time.Second, most: 32 * time.Second},
		"never":                 {shownAfter: time.Hour, least: 30 * time.Second, most: 30 * time.Second, failed: []error{customizers.ErrOutcomeUnknown}},
		"cancelled":             {shownAfter: time.Hour, cancelledAfter: 10 * time.Second, least: 10 * time.Second, most: 10 * time.Second, failed: []error{customizers.ErrOutcomeUnknown, context.Canceled}},
		"found, and gone again": {gone: true, most: 10 * time.Second, failed: []error{customizers.ErrOutcomeUnknown}},
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
				var client deploy.Client = &late{Client: srv.Client(), shownAt: time.Now().Add(tt.shownAfter)}
				if tt.gone {
					client = &wrapping{Client: srv.Client()}
				}
				start := time.Now()
				r, err := deploy.Deploy(ctx, client, "hr-feed", dir, deploy.Options{})
				took := time.Since(start)
				assert.GreaterOrEqual(t, took, tt.least)
				assert.LessOrEqual(t, took, tt.most)
				assert.Len(t, srv.Requests(customizerstest.Create), 1)
				for _, failed := range tt.failed {
					require.ErrorIs(t, err, failed)
				}
				if tt.failed != nil {
					return
				}
				require.NoError(t, err)
				assert.True(t, r.Created)
				assert.EqualValues(t, 1, r.NewVersion)
			})
		})
	}
}

// late is a client whose list shows nothing for some time.
type late struct {
	deploy.Client

	shownAt time.Time
}

func (l *late) All(ctx context.Context, opts customizers.ListOptions) iter.Seq2[customizers.Customizer, error] {
	if time.Now().Before(l.shownAt) {
		return func(func(customizers.Customizer, error) bool) {}
	}
	return l.Client.All(ctx, opts)
}

// Programs that deploy a new name at once end with one customizer: see TestDeployRace.
func TestDeployAtOnce(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		var wg sync.WaitGroup
		ids := make([]string, 4)
		for i := range ids {
			wg.Go(func() {
				r, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
				if assert.NoError(t, err) {
					ids[i] = r.Customizer.ID
				}
			})
		}
		wg.Wait()
		require.Len(t, srv.Customizers(), 1)
		for _, id := range ids {
			assert.Equal(t, srv.Customizers()[0].ID, id)
		}
		assert.Len(t, srv.Versions(ids[0]), 4)
	})
}

func TestDeployRefusesANameOfSeveral(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		twins := srv.Add("hr-feed", "hr-feed") // new and empty: one may be about to go
		_, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
		require.ErrorIs(t, err, deploy.ErrAmbiguous)
		assert.ErrorContains(t, err, `several customizers have the name "hr-feed": `)
		assert.ErrorContains(t, err, twins[0].ID)
		assert.ErrorContains(t, err, twins[1].ID)
		var e *deploy.AmbiguousError
		require.ErrorAs(t, err, &e)
		assert.ElementsMatch(t, twins, e.Customizers)
		assert.Zero(t, changes(srv))
	})
}

// One of two that create at once is cancelled, as a pipeline that is superseded is, or
// fails: it deletes what it created, unless the other one defers to that.
func TestDeployEndsBesideAnother(t *testing.T) {
	t.Parallel()
	denied := customizerstest.Fault{Operation: customizerstest.List, Status: http.StatusForbidden}
	for name, tt := range map[string]struct {
		after, cancelled bool // the other one is created after; or before
		failed           error
	}{
		"cancelled, and the first":  {after: true, cancelled: true, failed: context.Canceled},
		"cancelled, and the second": {cancelled: true, failed: context.Canceled},
		"failed, and the first":     {after: true, failed: customizers.ErrForbidden},
		"failed, and the second":    {failed: customizers.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := simple(t)
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var other customizers.Customizer
				add := func() {
					<-time.After(time.Second)
					other = srv.Add("hr-feed")[0]
					<-time.After(time.Second)
				}
				end := func() { srv.Inject(denied) }
				if tt.cancelled {
					end = cancel
				}
				client := &beside{Client: srv.Client(), before: add, after: end}
				if tt.after {
					client.before, client.after = func() {}, func() { add(); end() }
				}
				_, err := deploy.Deploy(ctx, client, "hr-feed", dir, deploy.Options{})
				require.ErrorIs(t, err, tt.failed)
				left := srv.Customizers()
				if tt.after {
					assert.Len(t, left, 2, "the other one is to go")
				} else {
					assert.Equal(t, []customizers.Customizer{other}, left)
				}
			})
		})
	}
}

// What was created is not deleted when somebody has deployed to it, whatever else there is.
func TestDeployKeepsWhatHasAVersion(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		upload := func(c customizers.Customizer) {
			_, err := srv.Client().CreateVersion(t.Context(), c.ID, nil)
			require.NoError(t, err)
		}
		client := &beside{
			Client: srv.Client(),
			before: func() { upload(srv.Add("hr-feed")[0]); <-time.After(time.Second) },
			after:  func() { upload(srv.Customizers()[1]) },
		}
		_, err := deploy.Deploy(t.Context(), client, "hr-feed", dir, deploy.Options{})
		require.ErrorIs(t, err, deploy.ErrAmbiguous)
		assert.Len(t, srv.Customizers(), 2)
	})
}

// beside is a client that does something before and after it creates.
type beside struct {
	deploy.Client

	before, after func()
}

func (b *beside) Create(ctx context.Context, r customizers.CreateRequest) (*customizers.Customizer, error) {
	b.before()
	c, err := b.Client.Create(ctx, r)
	b.after()
	return c, err
}

// A client may wrap the archive: each upload is from its start.
func TestDeploySendsFromTheStart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		r, err := deploy.Deploy(t.Context(), &wrapping{Client: srv.Client()}, "hr-feed", simple(t), deploy.Options{})
		require.NoError(t, err)
		assert.Positive(t, srv.Versions(r.Customizer.ID)[0].ArchiveSize)
	})
}

// wrapping reads the archive once through a reader of its own, for a customizer that is gone.
type wrapping struct {
	*customizers.Client

	again bool
}

func (w *wrapping) CreateVersion(ctx context.Context, id string, archive io.Reader) (*customizers.Version, error) {
	if !w.again {
		w.again = true
		if err := w.Delete(ctx, id); err != nil {
			return nil, err
		}
	}
	return w.Client.CreateVersion(ctx, id, io.TeeReader(archive, io.Discard))
}

func TestDeployUnknownUpload(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		record := filepath.Join(t.TempDir(), "deployed.json")
		srv.Inject(customizerstest.Fault{Operation: customizerstest.CreateVersion, Cut: true, Acted: true})
		dir := simple(t)
		_, err := deploy.Deploy(t.Context(), srv.Client(quick), "hr-feed", dir, deploy.Options{Record: record})
		require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
		assert.ErrorContains(t, err, srv.Customizers()[0].ID)
		assert.NoFileExists(t, record)

		r, err := deploy.Deploy(t.Context(), srv.Client(quick), "hr-feed", dir, deploy.Options{Record: record})
		require.NoError(t, err)
		assert.False(t, r.Created)
		assert.True(t, r.Uploaded)
		assert.EqualValues(t, 1, r.OldVersion, "the first upload was carried out")
	})
}

func TestDeployRefusesBadInputBeforeSending(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken.zip")
	require.NoError(t, os.WriteFile(broken, []byte("PK nothing"), 0o600))
	corrupt := filepath.Join(t.TempDir(), "deployed.json")
	require.NoError(t, os.WriteFile(corrupt, []byte("{"), 0o600))
	for name, tt := range map[string]struct {
		name, path string
		opts       deploy.Options
		says       string
	}{
		"blank name":        {" ", simple(t), deploy.Options{}, "the name is blank"},
		"no such path":      {"a", filepath.Join(t.TempDir(), "none"), deploy.Options{}, "none"},
		"a device":          {"a", os.DevNull, deploy.Options{}, "neither a file nor a folder"},
		"no zip":            {"a", broken, deploy.Options{}, "not a zip archive"},
		"an empty folder":   {"a", t.TempDir(), deploy.Options{}, "no files to deploy"},
		"a corrupt record":  {"a", simple(t), deploy.Options{Record: corrupt}, "delete it to go on"},
		"a folder a record": {"a", simple(t), deploy.Options{Record: t.TempDir()}, "record of deployments"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := sandbox(t)
			_, err := deploy.Deploy(t.Context(), srv.Client(), tt.name, tt.path, tt.opts)
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.ErrorContains(t, err, tt.says)
			assert.Empty(t, srv.Requests())
		})
	}
}

// A record that can't be written comes with the result of what was done.
func TestDeployRecordNotWritable(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		opts := deploy.Options{Record: filepath.Join(t.TempDir(), "d", "deployed.json")}
		nowhere := filepath.Join(t.TempDir(), "none", "none")
		if err := os.Symlink(nowhere, filepath.Dir(opts.Record)); err != nil {
			t.Skip("links need a privilege here:", err)
		}
		r, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", simple(t), opts)
		require.ErrorIs(t, err, deploy.ErrNotRecorded)
		require.NotNil(t, r)
		assert.EqualValues(t, 1, r.NewVersion)
	})
}

// lagging is a service that shows a version only after some time.
type lagging struct {
	deploy.Client

	shownAt time.Time
	version int64
	failing error
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
	if l.failing != nil {
		return nil, l.failing
	}
	c := &customizers.Customizer{ID: "x", Name: "hr-feed", ImageVersion: 6}
	if !time.Now().Before(l.shownAt) {
		c.ImageVersion = 7
	}
	return c, nil
}

func TestDeployWaitsUntilShown(t *testing.T) {
	t.Parallel()
	broken := &customizers.Error{StatusCode: http.StatusForbidden}
	for name, tt := range map[string]struct {
		after, timeout, deadline time.Duration
		version                  int64
		failing                  error
		least, most              time.Duration
		failed                   error
		says                     string
	}{
		"at once":                     {version: 7},
		"soon":                        {after: 10 * time.Second, version: 7, least: 10 * time.Second, most: 15 * time.Second},
		"the answer has no number":    {after: time.Second, least: time.Second, most: 2 * time.Second},
		"not in time":                 {after: time.Hour, version: 7, least: 115 * time.Second, most: 2 * time.Minute, failed: deploy.ErrNotShown, says: "version 7 of hr-feed (x) was uploaded"},
		"not in the time that we set": {after: time.Hour, version: 7, timeout: 5 * time.Second, most: 5 * time.Second, failed: deploy.ErrNotShown},
		"the context ends":            {after: time.Hour, version: 7, deadline: 7 * time.Second, least: 7 * time.Second, most: 7 * time.Second, failed: context.DeadlineExceeded, says: "was uploaded"},
		"it can't be told":            {version: 7, failing: broken, failed: broken, says: "was uploaded"},
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
				client := &lagging{shownAt: start.Add(tt.after), version: tt.version, failing: tt.failing}
				r, err := deploy.Deploy(ctx, client, "hr-feed", dir, deploy.Options{Timeout: tt.timeout})
				took := time.Since(start)
				assert.GreaterOrEqual(t, took, tt.least)
				assert.LessOrEqual(t, took, tt.most)
				if tt.failed != nil {
					require.ErrorIs(t, err, tt.failed)
					assert.ErrorContains(t, err, tt.says)
					return
				}
				require.NoError(t, err)
				assert.EqualValues(t, 6, r.OldVersion)
				assert.EqualValues(t, 7, r.NewVersion)
			})
		})
	}
}

// Deploy's own files are not content, even when they are in the folder.
func TestDeployLeavesOutItsOwnFiles(t *testing.T) {
	srv := sandbox(t)
	dir := simple(t)
	t.Setenv("TMPDIR", dir)
	opts := deploy.Options{Record: filepath.Join(dir, "deployed.json")}
	first, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", dir, opts)
	require.NoError(t, err)
	require.FileExists(t, opts.Record)
	second, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", dir, opts)
	require.NoError(t, err)
	assert.False(t, second.Uploaded)
	assert.Equal(t, first.SHA256, second.SHA256)
}

// A wait that the context ends is no ambiguity, and what the cause wraps did not happen.
func TestDeployEndsWithTheContext(t *testing.T) {
	t.Parallel()
	dir := simple(t)
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		srv.Add("hr-feed") // new and empty: Deploy looks again
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(fmt.Errorf("another job failed: %w", customizers.ErrForbidden)) })
		_, err := deploy.Deploy(ctx, srv.Client(), "hr-feed", dir, deploy.Options{})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "another job failed")
		assert.NotErrorIs(t, err, deploy.ErrAmbiguous)
		assert.NotErrorIs(t, err, customizers.ErrForbidden)
		assert.Zero(t, changes(srv))
	})
}
