package deploy_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	require.NoError(t, err)
	for _, f := range z.File {
		assert.Equal(t, "1980-01-01T00:00:00Z", f.Modified.Format(time.RFC3339))
		assert.EqualValues(t, 0o644, f.Mode())
	}
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
	for _, record = range []string{"", filepath.Join(dir, "deployed.jsonl")} {
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
	assert.NotContains(t, got, "deployed.jsonl", "the record is not content")

	_, _, err = deployFolder(t, folder(t, map[string]string{"hr-feed-0.1.0.zip": "an archive"}), "")
	require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	assert.ErrorContains(t, err, "no files to deploy (*.zip and dot files at the top of a folder are skipped)")
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
		"to a file outside":  {filepath.Join(outside, "secret"), "the symbolic link link is broken or leads out of the folder"},
		"upwards":            {"../" + filepath.Base(outside) + "/secret", "the symbolic link link is broken or leads out of the folder"},
		"to nothing":         {"none", "the symbolic link link is broken or leads out of the folder"},
		"to itself":          {"link", "link"},
		"to a folder inside": {"lib", "link is not a regular file, or is a link to a folder"},
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

// The error of an index.js that can't be deployed does not say that there is none.
func TestFolderWithLinkAsIndexJS(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}
	for target, says := range map[string]string{
		"none": "index.js is broken or leads out of the folder",
		"lib":  "index.js is not a regular file",
	} {
		dir := folder(t, map[string]string{"lib/a.js": "2"})
		require.NoError(t, os.Symlink(target, filepath.Join(dir, "index.js")))
		srv := customizerstest.NewServer(customizerstest.WithoutSocket())
		_, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		require.ErrorContains(t, err, says)
	}
}

// A folder of a project, or one that holds the archive, is rejected before anything is zipped:
// the error names what to deploy.
func TestFolderWithoutIndexJS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		says  string
	}{
		"a project":          {map[string]string{"package.json": "{}", "dist/index.js": "1", "node_modules/a/index.js": "1", ".git/HEAD": "1"}, "only dist, dist/index.js, node_modules, package.json (use DIR/dist)"},
		"not built":          {map[string]string{"package.json": "{}", "src/index.ts": "1"}, "only package.json, src (run 'npm run build' and use its folder dist)"},
		"an archive":         {map[string]string{"hr-feed-1.0.0.zip": "1"}, "only hr-feed-1.0.0.zip (use DIR/hr-feed-1.0.0.zip)"},
		"an archive, a file": {map[string]string{"hr-feed-1.0.0.zip": "1", "a.txt": "1"}, "only a.txt, hr-feed-1.0.0.zip (use DIR/hr-feed-1.0.0.zip)"},
		"an archive in dist": {map[string]string{"dist/hr-feed-1.0.0.zip": "1", "README.md": "1"}, "(use DIR/dist/hr-feed-1.0.0.zip)"},
		"a file":             {map[string]string{"a.txt": "1"}, "only a.txt (want the folder or the zip file of a build)"},
		"dot files":          {map[string]string{".env": "1"}, "no files to deploy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, tt.files)
			if runtime.GOOS != "windows" { // as of pnpm; zipping would fail at it
				require.NoError(t, os.MkdirAll(filepath.Join(dir, ".pnpm"), 0o700))
				if name == "a project" {
					require.NoError(t, os.Symlink("../.pnpm", filepath.Join(dir, "node_modules", "link")))
				}
			}
			srv := customizerstest.NewServer(customizerstest.WithoutSocket())
			_, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			require.ErrorContains(t, err, filepath.FromSlash(strings.ReplaceAll(tt.says, "DIR", dir)))
			assert.Empty(t, srv.Requests())
		})
	}
}

// A missing folder for temporary files is not the caller's mistake.
func TestFolderWithoutTemporaryFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows uses another variable")
	}
	dir, missing := simple(t), filepath.Join(t.TempDir(), "missing")
	t.Setenv("TMPDIR", missing)
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	_, err := deploy.Run(t.Context(), srv.Client(), "hr-feed", dir, deploy.Options{})
	require.ErrorContains(t, err, "can't be written to the folder for temporary files, "+missing+" (set TMPDIR to use another)")
	require.NotErrorIs(t, err, customizers.ErrInvalidArgument)
	assert.Empty(t, srv.Requests())
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
