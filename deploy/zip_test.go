package deploy_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

// A recorder is a client that records the archive.
type recorder struct {
	deploy.Client

	archive []byte
}

func (r *recorder) CreateVersion(ctx context.Context, id string, archive io.Reader) (_ *customizers.Version, err error) {
	if r.archive, err = io.ReadAll(archive); err != nil {
		return nil, err
	}
	return r.Client.CreateVersion(ctx, id, bytes.NewReader(r.archive))
}

// deployFolder deploys a folder and returns the archive that was sent.
func deployFolder(t *testing.T, dir, record string) ([]byte, *deploy.Result, error) {
	t.Helper()
	client := &recorder{Client: customizerstest.NewServer(customizerstest.WithoutSocket()).Client()}
	r, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{Record: record, AllowMissingIndex: true})
	return client.archive, r, err
}

// contents returns the files of an archive.
func contents(t *testing.T, archive []byte) (names []string, files map[string]string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	require.NoError(t, err)
	files = map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		names = append(names, f.Name)
		files[f.Name] = string(data)
	}
	return names, files
}

func TestFolderIsZippedReproducibly(t *testing.T) {
	t.Parallel()
	files := map[string]string{"b/z.js": "z", "a.js": "a", "b/a/deep.js": "deep", "ünï.js": "u"}
	one, other := folder(t, files), folder(t, files)
	require.NoError(t, os.Chtimes(filepath.Join(other, "a.js"), time.Now(), time.Now().Add(-1000*time.Hour)))
	require.NoError(t, os.Chmod(filepath.Join(other, "b", "z.js"), 0o755))
	first, _, err := deployFolder(t, one, "")
	require.NoError(t, err)
	second, _, err := deployFolder(t, other, "")
	require.NoError(t, err)
	assert.Equal(t, first, second)
	names, got := contents(t, first)
	assert.Equal(t, []string{"a.js", "b/a/deep.js", "b/z.js", "ünï.js"}, names)
	assert.Equal(t, files, got)
}

func TestFolderSkips(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"index.js": "1", "hr-feed-0.1.0.zip": "an archive", ".env": "a secret", ".git/HEAD": "1",
		"lib/.hidden": "1", "lib/fixture.zip": "1", "folder.zip/a.js": "1",
	}
	dir, record := folder(t, files), ""
	for _, record = range []string{"", filepath.Join(dir, "deployed.json")} {
		archive, r, err := deployFolder(t, dir, record)
		require.NoError(t, err)
		names, _ := contents(t, archive)
		assert.Equal(t, []string{"folder.zip/a.js", "index.js", "lib/.hidden", "lib/fixture.zip"}, names)
		assert.Equal(t, []string{".env", ".git", "hr-feed-0.1.0.zip"}, r.Skipped)
	}
	require.FileExists(t, record)
	archive, _, err := deployFolder(t, dir, record)
	require.NoError(t, err)
	_, got := contents(t, archive)
	assert.NotContains(t, got, "deployed.json", "the record is not content")

	_, _, err = deployFolder(t, folder(t, map[string]string{"hr-feed-0.1.0.zip": "an archive"}), "")
	require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	assert.ErrorContains(t, err, "no files to deploy (*.zip and dot files at the top of a folder are left out)")
}

func TestFolderWithLinks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}
	outside := folder(t, map[string]string{"secret": "s"})
	for name, tt := range map[string]struct{ target, says string }{
		"to a file inside":   {"index.js", ""},
		"inside, through ..": {"lib/../index.js", ""},
		"to a file outside":  {filepath.Join(outside, "secret"), "link links to nothing, or out of the folder"},
		"upwards":            {"../" + filepath.Base(outside) + "/secret", "link links to nothing, or out of the folder"},
		"to nothing":         {"none", "link links to nothing, or out of the folder"},
		"to itself":          {"link", "link"},
		"to a folder inside": {"lib", "link is not a file, or links to a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"index.js": "1", "lib/a.js": "2"})
			require.NoError(t, os.Symlink(tt.target, filepath.Join(dir, "link")))
			archive, _, err := deployFolder(t, dir, "")
			if tt.says != "" {
				require.ErrorIs(t, err, customizers.ErrInvalidArgument)
				assert.ErrorContains(t, err, tt.says)
				return
			}
			require.NoError(t, err)
			_, files := contents(t, archive)
			assert.Equal(t, "1", files["link"])
		})
	}
}

// The temporary archive is removed after success and failure. Except on Windows, it has no name
// even during the run, so that a signal leaves no file either.
func TestFolderLeavesNoTemporaryFile(t *testing.T) {
	dir, temporary := simple(t), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("TMP", temporary) // Windows
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	client := &rewriter{Client: srv.Client(), before: func() {}, after: func() {}, during: func() {
		left, err := os.ReadDir(temporary)
		assert.NoError(t, err)
		if runtime.GOOS != "windows" {
			assert.Empty(t, left)
		}
	}}
	_, err := deploy.Run(t.Context(), client, "hr-feed", dir, deploy.Options{})
	require.NoError(t, err)
	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Status: 403})
	_, err = deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
	require.ErrorIs(t, err, customizers.ErrForbidden)
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}
