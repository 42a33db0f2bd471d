package deploy_test

import (
	"archive/zip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

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
	opts := deploy.Options{Record: filepath.Join(t.TempDir(), "new", "deployed.json")}
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

// If the record can't be written, nothing is sent, and no temporary file is left.
func TestRecordCheckedFirst(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("folders have no permissions on Windows")
	}
	locked := folder(t, map[string]string{"readonly.json": "{}"})
	require.NoError(t, os.Chmod(filepath.Join(locked, "readonly.json"), 0o400))
	require.NoError(t, os.Chmod(locked, 0o500))
	t.Cleanup(func() { _ = os.Chmod(locked, 0o700) }) // so that it can be removed
	records := []string{filepath.Join(locked, "readonly.json"), filepath.Join(locked, "deployed.json"), filepath.Join(locked, "new", "deployed.json")}
	if os.Geteuid() == 0 { // root may write anywhere but here
		records = []string{"/proc/deployed.json", "/proc/new/deployed.json"}
	}
	for _, record := range records {
		srv := customizerstest.NewServer(customizerstest.WithoutSocket())
		_, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", simple(t), deploy.Options{Record: record})
		require.ErrorIs(t, err, customizers.ErrInvalidArgument, record)
		require.ErrorIs(t, err, deploy.ErrNotRecorded, record)
		assert.Empty(t, srv.Requests())
	}
	left, err := os.ReadDir(locked)
	require.NoError(t, err)
	assert.Len(t, left, 1)
}

// If the record can't be written after the upload, Run returns the result and the error.
func TestRecordNotWritable(t *testing.T) {
	t.Parallel()
	dir, parent := simple(t), filepath.Join(t.TempDir(), "parent")
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		client := &stub{Client: srv.Client(), afterCreate: func() { _ = os.WriteFile(parent, nil, 0o600) }}
		r, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{Record: filepath.Join(parent, "deployed.json")})
		require.ErrorIs(t, err, deploy.ErrNotRecorded)
		assert.EqualValues(t, 1, r.NewVersion)
		assert.Equal(t, err.Error(), r.RecordError)
	})
}

// If another program uploads at the same time, the record is not written, because its version
// may be the newest.
func TestRecordOfAnotherUpload(t *testing.T) {
	t.Parallel()
	dir, record := simple(t), filepath.Join(t.TempDir(), "deployed.json")
	bubble(t, func(t *testing.T, srv *customizerstest.Server) {
		client := &rewriter{Client: srv.Client(), before: func() {}, during: func() {}, after: func() {
			_, err := srv.Client().CreateVersion(t.Context(), srv.Customizers()[0].ID, nil)
			assert.NoError(t, err)
		}}
		r, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{Record: record})
		require.NoError(t, err)
		assert.EqualValues(t, 2, r.NewVersion)
		assert.Equal(t, "the service does not show the uploaded version as the newest", r.RecordError)
		assert.NoFileExists(t, record)
	})
}
