package deploy_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

// With a record, only new content is uploaded.
func TestRecord(t *testing.T) {
	t.Parallel()
	dir, other := simple(t), filepath.Join(t.TempDir(), "other.zip")
	require.NoError(t, os.WriteFile(other, zipOf(t, zip.Store, "index.js", "exports.connectorCustomizer = 1\n"), 0o600))
	opts := deploy.Options{Record: filepath.Join(t.TempDir(), "new", "deployed.jsonl")}
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		run := func(name, path string) *deploy.Result {
			t.Helper()
			r, err := deploy.Run(t.Context(), srv.Client(), name, path, opts)
			require.NoError(t, err)
			return r
		}
		first := run("hr-feed", dir)
		id := first.Customizer.ID
		assert.True(t, first.Uploaded)

		before := changes(srv)
		second := run("hr-feed", dir)
		assert.Equal(t, &deploy.Result{Customizer: first.Customizer, OldVersion: 1, NewVersion: 1, ContentSHA256: first.ContentSHA256}, second)
		assert.False(t, run(id, dir).Uploaded, "by ID")
		assert.False(t, run("hr-feed", other).Uploaded, "another program zipped the same content")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "hr-feed-0.1.0.zip"), []byte("packed"), 0o600))
		assert.False(t, run("hr-feed", dir).Uploaded, "npm run pack-zip")
		assert.Equal(t, before, changes(srv))

		require.True(t, run("badge-sync", dir).Uploaded, "of another customizer")
		assert.False(t, run("hr-feed", dir).Uploaded)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "index.js"), []byte("exports.connectorCustomizer = 2\n"), 0o600))
		assert.True(t, run("hr-feed", dir).Uploaded)
		assert.False(t, run("hr-feed", dir).Uploaded)

		// Somebody else deploys.
		_, err := srv.Client().CreateVersion(t.Context(), id, nil)
		require.NoError(t, err)
		third := run("hr-feed", dir)
		assert.True(t, third.Uploaded)
		assert.EqualValues(t, 4, third.NewVersion)

		// Somebody deletes it.
		require.NoError(t, srv.Client().Delete(t.Context(), id))
		fourth := run("hr-feed", dir)
		assert.True(t, fourth.Created)
		assert.True(t, fourth.Uploaded)
	})
	files, err := os.ReadDir(filepath.Dir(opts.Record))
	require.NoError(t, err)
	assert.Len(t, files, 1, "no temporary file is left")
}

// A record that can't be read or written is a warning, and the deployment is complete.
func TestRecordNotUsable(t *testing.T) {
	t.Parallel()
	files := folder(t, map[string]string{"file": "", "readonly/deployed.jsonl": ""})
	if runtime.GOOS != "windows" && os.Geteuid() != 0 {
		require.NoError(t, os.Chmod(filepath.Join(files, "readonly", "deployed.jsonl"), 0o400))
		require.NoError(t, os.Chmod(filepath.Join(files, "readonly"), 0o500))
		t.Cleanup(func() { _ = os.Chmod(filepath.Join(files, "readonly"), 0o700) }) // so that it can be removed
	}
	records := map[string]string{
		"in a file":     filepath.Join(files, "file", "deployed.jsonl"),
		"read-only":     filepath.Join(files, "readonly", "deployed.jsonl"),
		"in nothing":    filepath.Join(files, "readonly", "new", "deployed.jsonl"),
		"name too long": filepath.Join(files, strings.Repeat("x", 300)),
	}
	if os.Geteuid() == 0 { // root may write anywhere but here
		records["read-only"], records["in nothing"] = "/proc/deployed.jsonl", "/proc/new/deployed.jsonl"
	}
	for name, record := range records {
		dir := simple(t)
		srv := customizerstest.NewServer(customizerstest.WithoutSocket())
		for range 2 {
			r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
			require.NoError(t, err, name)
			assert.True(t, r.Uploaded, name)
			assert.NotEmpty(t, r.RecordError, name)
		}
		assert.Len(t, srv.Customizers(), 1, name)
	}
}

// Runs that share a record lose nothing.
func TestRecordShared(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "new", "deployed.jsonl")
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	client := srv.Client(customizers.WithoutRateLimit())
	all := func(uploaded bool) {
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				r, err := deploy.Run(t.Context(), client, fmt.Sprint("feed-", i), dir, deploy.Options{Record: record})
				if assert.NoError(t, err) {
					assert.Equal(t, uploaded, r.Uploaded)
					assert.Empty(t, r.RecordError)
				}
			})
		}
		wg.Wait()
	}
	all(true)
	all(false)
}

// The record is the file that it was: its mode, its links and its owner stay.
func TestRecordStaysTheSameFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows, and there are no modes")
	}
	dir, files := simple(t), folder(t, map[string]string{"kept.jsonl": ""})
	record, link, hard := filepath.Join(files, "kept.jsonl"), filepath.Join(files, "link"), filepath.Join(files, "hard")
	require.NoError(t, os.Chmod(record, 0o664))
	require.NoError(t, os.Symlink("kept.jsonl", link))
	require.NoError(t, os.Link(record, hard))
	before, err := os.Stat(record)
	require.NoError(t, err)
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	for i, path := range []string{link, record, hard} {
		r, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: path})
		require.NoError(t, err)
		assert.Equal(t, i == 0, r.Uploaded)
	}
	after, err := os.Stat(hard)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after))
	assert.Equal(t, before.Mode(), after.Mode())
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSymlink, info.Mode().Type())
	left, err := os.ReadDir(files)
	require.NoError(t, err)
	assert.Len(t, left, 3, "no temporary file")
}

// A new record has the mode that the umask leaves.
func TestNewRecordHasTheUsualMode(t *testing.T) {
	t.Parallel()
	dir, files := simple(t), t.TempDir()
	usual, err := os.Create(filepath.Join(files, "usual"))
	require.NoError(t, err)
	want, err := usual.Stat()
	require.NoError(t, err)
	require.NoError(t, usual.Close())
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	_, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: filepath.Join(files, "deployed.jsonl")})
	require.NoError(t, err)
	got, err := os.Stat(filepath.Join(files, "deployed.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, want.Mode(), got.Mode())
}

// A run that is killed leaves at most a part of its own line.
func TestRecordCutOff(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	run := func(name string) bool {
		t.Helper()
		r, err := deploy.Run(t.Context(), srv.Client(), name, dir, deploy.Options{Record: record})
		require.NoError(t, err)
		require.Empty(t, r.RecordError)
		return r.Uploaded
	}
	require.True(t, run("one"))
	first, err := os.ReadFile(record)
	require.NoError(t, err)
	require.True(t, run("two"))
	both, err := os.ReadFile(record)
	require.NoError(t, err)
	for size := len(first); size < len(both); size += 20 {
		require.NoError(t, os.WriteFile(record, both[:size], 0o600))
		assert.False(t, run("one"), size)
		run("two")
		assert.False(t, run("two"), size)
		assert.False(t, run("one"), size)
	}
	for size := range first { // the only line
		require.NoError(t, os.WriteFile(record, first[:size], 0o600))
		run("one")
		assert.False(t, run("one"), size)
	}
}

// The content of a version with another image is not known.
func TestRecordOfAnotherImage(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	client := &stub{Client: srv.Client()}
	r, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{Record: record})
	require.NoError(t, err)
	r, err = deploy.Run(t.Context(), client, r.Customizer.ID, dir, deploy.Options{Record: record})
	require.NoError(t, err)
	assert.False(t, r.Uploaded)
	client.image = "0123456789abcdef0123456789abcdef"
	r, err = deploy.Run(t.Context(), client, r.Customizer.ID, dir, deploy.Options{Record: record})
	require.NoError(t, err)
	assert.True(t, r.Uploaded)
}

// A customizer that the list does not show yet is found by its ID in the record.
func TestRecordOfACreate(t *testing.T) {
	t.Parallel()
	never := time.Now().Add(1000 * time.Hour)
	for name, tt := range map[string]struct {
		uploadFails bool
		missing     time.Duration // that Get says 404 after the first run
		late        bool          // whether the upload of the second run gets a few 404 too
		ahead       time.Duration // how much later than now the record says that it was made
		most        time.Duration
		deleted     bool
	}{
		"after an upload":                              {},
		"after an upload that failed":                  {uploadFails: true},
		"after an upload that failed, and late":        {uploadFails: true, missing: 20 * time.Second, most: 30 * time.Second},
		"after an upload that failed, and later still": {uploadFails: true, late: true, most: 5 * time.Second},
		"deleted":                             {deleted: true},
		"deleted, by another machine's clock": {uploadFails: true, deleted: true, ahead: 100 * time.Hour, most: 2 * time.Minute},
		"deleted after an upload that failed": {uploadFails: true, deleted: true, most: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				client := &stub{Client: srv.Client(), hides: func(customizers.Customizer) bool { return time.Now().Before(never) }}
				if tt.uploadFails {
					srv.Inject(customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 403})
				}
				_, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{Record: record})
				assert.Equal(t, tt.uploadFails, err != nil)
				id := srv.Customizers()[0].ID
				if tt.deleted {
					require.NoError(t, srv.Client().Delete(t.Context(), id))
				}
				client.missingUntil = time.Now().Add(tt.missing)
				if tt.late {
					srv.Inject(customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 404, Times: 3})
				}
				if tt.ahead > 0 {
					data, err := os.ReadFile(record)
					require.NoError(t, err)
					now := time.Now().UTC()
					data = bytes.ReplaceAll(data, []byte(now.Format(time.RFC3339)), []byte(now.Add(tt.ahead).Format(time.RFC3339)))
					require.NoError(t, os.WriteFile(record, data, 0o600))
				}
				start := time.Now()
				r, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{Record: record})
				require.NoError(t, err)
				assert.LessOrEqual(t, time.Since(start), tt.most)
				assert.Equal(t, tt.deleted, r.Created)
				assert.Equal(t, tt.deleted || tt.uploadFails, r.Uploaded)
				assert.Equal(t, tt.deleted, r.Customizer.ID != id)
				assert.Len(t, srv.Customizers(), 1)
			})
		})
	}
}

// A create whose outcome is unknown is not repeated while the list may still be late.
func TestRecordOfAnUnknownCreate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		apply bool
		least time.Duration
	}{
		"it succeeded": {apply: true, least: 20 * time.Second},
		"it did not":   {least: 2 * time.Minute},
	} {
		dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
		bubble(t, func(t *testing.T, srv *customizerstest.Server) {
			until := time.Now().Add(20 * time.Second)
			ctx, cancel := context.WithCancel(t.Context())
			srv.Inject(customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 404, Times: 2})
			client := &stub{Client: srv.Client(), afterCreate: cancel, hides: func(customizers.Customizer) bool { return time.Now().Before(until) }}
			srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Reset: true, Apply: tt.apply})
			_, err := deploy.Run(ctx, client, "hr-feed", dir, deploy.Options{Record: record})
			require.ErrorIs(t, err, customizers.ErrOutcomeUnknown, name)
			require.ErrorIs(t, err, context.Canceled, name)
			start := time.Now()
			for range 2 {
				_, err = deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{Record: record})
				require.NoError(t, err, name)
			}
			assert.WithinRange(t, time.Now(), start.Add(tt.least-time.Second), start.Add(tt.least+5*time.Second), name)
			assert.Len(t, srv.Customizers(), 1, name)
		})
	}
}

// The list may not show yet that the name is another form of one that was just created.
func TestRecordOfANameInAnotherForm(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	client := &stub{Client: srv.Client(), hides: func(customizers.Customizer) bool { return true }}
	first, err := deploy.Run(t.Context(), client, "Z\u00fcrich-feed", dir, deploy.Options{Record: record})
	require.NoError(t, err)
	_, err = deploy.Run(t.Context(), client, "Zu\u0308rich-feed", dir, deploy.Options{Record: record})
	require.ErrorIs(t, err, customizers.ErrAmbiguous)
	require.ErrorContains(t, err, first.Customizer.ID)
	assert.Len(t, srv.Customizers(), 1)
}

// Another customizer's ID in the record is not used.
func TestRecordOfARename(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	first, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
	require.NoError(t, err)
	_, err = srv.Client().Update(t.Context(), first.Customizer.ID, customizers.UpdateRequest{Name: "old-feed"})
	require.NoError(t, err)
	second, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
	require.NoError(t, err)
	assert.True(t, second.Created)
}

// If another program uploads at the same time, the record is not written, because its version
// may be the newest.
func TestRecordOfAnotherUpload(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.jsonl")
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		client := &rewriter{Client: srv.Client(), before: func() {}, during: func() {}, after: func() {
			_, err := srv.Client().CreateVersion(t.Context(), srv.Customizers()[0].ID, nil)
			assert.NoError(t, err)
		}}
		r, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{Record: record})
		require.NoError(t, err)
		assert.EqualValues(t, 2, r.NewVersion)
		assert.Equal(t, "the service does not show the uploaded version as the newest", r.RecordError)
		r, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{Record: record})
		require.NoError(t, err)
		assert.True(t, r.Uploaded, "the version is not recorded")
	})
}
