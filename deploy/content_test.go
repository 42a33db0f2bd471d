package deploy_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

// A rewriter is a client that changes the zip file before, during and after the upload.
type rewriter struct {
	deploy.Client

	before, during, after func()
}

func (r *rewriter) All(ctx context.Context, opts customizers.ListOptions) iter.Seq2[customizers.Customizer, error] {
	r.before()
	return r.Client.All(ctx, opts)
}

func (r *rewriter) CreateVersion(ctx context.Context, id string, archive io.Reader) (*customizers.Version, error) {
	r.during()
	v, err := r.Client.CreateVersion(ctx, id, archive)
	r.after()
	return v, err
}

// The record never has the digest of other bytes than those that were sent.
func TestRunChangedArchive(t *testing.T) {
	t.Parallel()
	first, second := zipOf(t, zip.Store, "index.js", "1"), zipOf(t, zip.Store, "index.js", "2")
	for name, tt := range map[string]struct {
		before, during, after []byte
		says                  string
		version               int64
	}{
		"before the upload":         {before: second, says: "), which was at version 1: the archive changed", version: 1},
		"during the upload":         {during: second, says: "version 2 of hr-feed (", version: 2},
		"and back":                  {during: second, after: first, says: "version 2 of hr-feed (", version: 2},
		"truncated":                 {during: first[:10], says: "), which was at version 1: ", version: 1},
		"after the upload":          {after: second, version: 2},
		"to the same, with a retry": {during: first, version: 2},
		"to another, with a retry":  {during: second, says: "version 2 of hr-feed (", version: 2},
		"to nothing, before":        {before: []byte{}, says: "), which was at version 1: ", version: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, record := filepath.Join(dir, "a.zip"), filepath.Join(dir, "deployed.json")
			write := func(data []byte) func() {
				return func() {
					if data != nil {
						assert.NoError(t, os.WriteFile(path, data, 0o600)) // in place
					}
				}
			}
			write(first)()
			srv := customizerstest.NewServer()
			defer srv.Close()
			id := srv.Add("hr-feed")[0].ID
			_, err := srv.Client().CreateVersion(t.Context(), id, nil)
			require.NoError(t, err)
			if strings.HasSuffix(name, "with a retry") {
				srv.Inject(customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 429, Header: http.Header{"Retry-After": {"0"}}})
			}
			client := &rewriter{Client: srv.Client(), before: write(tt.before), during: write(tt.during), after: write(tt.after)}
			r, err := deploy.Run(t.Context(), client, "hr-feed", path, deploy.Options{Record: record})
			assert.Len(t, srv.Versions(id), int(tt.version))
			if tt.says == "" {
				require.NoError(t, err)
				want, err := deploy.Digest(bytes.NewReader(first), int64(len(first)))
				require.NoError(t, err)
				assert.Equal(t, want, r.SHA256)
				assert.FileExists(t, record)
				return
			}
			require.ErrorIs(t, err, deploy.ErrChanged)
			require.ErrorContains(t, err, tt.says)
			assert.NoFileExists(t, record)
		})
	}
}

// zipOf returns an archive; files alternates names and contents.
func zipOf(t *testing.T, method uint16, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: files[i], Method: method, Modified: time.Now()})
		require.NoError(t, err)
		_, err = w.Write([]byte(files[i+1]))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestDigest(t *testing.T) {
	t.Parallel()
	digest := func(archive []byte) string {
		sum, err := deploy.Digest(bytes.NewReader(archive), int64(len(archive)))
		require.NoError(t, err)
		return sum
	}
	base := digest(zipOf(t, zip.Deflate, "a", "1", "b", "2"))
	assert.Len(t, base, 64)
	for what, archive := range map[string][]byte{
		"order and compression": zipOf(t, zip.Store, "b", "2", "a", "1"),
		"folders":               zipOf(t, zip.Store, "d/", "", "a", "1", "b", "2"),
	} {
		assert.Equal(t, base, digest(archive), what)
	}
	for what, archive := range map[string][]byte{
		"another content":  zipOf(t, zip.Store, "a", "1", "b", "3"),
		"another name":     zipOf(t, zip.Store, "a", "1", "c", "2"),
		"one file less":    zipOf(t, zip.Store, "a", "1"),
		"one file more":    zipOf(t, zip.Store, "a", "1", "b", "2", "c", ""),
		"swapped contents": zipOf(t, zip.Store, "a", "2", "b", "1"),
	} {
		assert.NotEqual(t, base, digest(archive), what)
	}
}

// Digest returns an error for an archive that another program may unpack differently.
func TestDigestInvalidArchive(t *testing.T) {
	t.Parallel()
	header := func(h zip.FileHeader) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		_, err := z.CreateRaw(&h)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		return b.Bytes()
	}
	link := zip.FileHeader{Name: "link"}
	link.SetMode(os.ModeSymlink | 0o777)
	for what, tt := range map[string]struct {
		archive []byte
		says    string
	}{
		"parent":             {zipOf(t, zip.Store, "index.js", "1", "../evil.js", "2"), `"../evil.js" in the archive has an unsafe name (want a relative path`},
		"parent inside":      {zipOf(t, zip.Store, "a/../evil.js", "2"), "unsafe name"},
		"parent of a folder": {zipOf(t, zip.Store, "index.js", "1", "../", ""), "unsafe name"},
		"absolute":           {zipOf(t, zip.Store, "/etc/evil.js", "1"), "unsafe name"},
		"backslash":          {zipOf(t, zip.Store, `..\evil.js`, "1"), "unsafe name"},
		"drive":              {zipOf(t, zip.Store, "C:/evil.js", "1"), "unsafe name"},
		"drive, relative":    {zipOf(t, zip.Store, "c:evil.js", "1"), "unsafe name"},
		"NUL":                {zipOf(t, zip.Store, "index.js\x00.txt", "1"), `"index.js\x00.txt" in the archive has an unsafe name`},
		"no name":            {zipOf(t, zip.Store, "", "1"), "unsafe name"},
		"twice":              {zipOf(t, zip.Store, "index.js", "1", "index.js", "2"), `"index.js" is in the archive twice`},
		"twice, the same":    {zipOf(t, zip.Store, "index.js", "1", "index.js", "1"), "twice"},
		"twice, by a dot":    {zipOf(t, zip.Store, "a/index.js", "1", "./a//index.js", "2"), "twice"},
		"link":               {header(link), `"link" in the archive is neither a file nor a folder`},
		"encrypted":          {header(zip.FileHeader{Name: "index.js", Flags: 1}), `"index.js" in the archive is encrypted`},
		"bzip2":              {header(zip.FileHeader{Name: "index.js", Method: 12}), `"index.js" in the archive is compressed with bzip2 (want Deflate, or no compression)`},
		"Zstandard":          {header(zip.FileHeader{Name: "index.js", Method: 93}), "compressed with Zstandard"},
		"unknown":            {header(zip.FileHeader{Name: "index.js", Method: 4711}), "compressed with method 4711"},
	} {
		_, err := deploy.Digest(bytes.NewReader(tt.archive), int64(len(tt.archive)))
		assert.ErrorContains(t, err, tt.says, what)
	}
	for what, archive := range map[string][]byte{
		"only in case":     zipOf(t, zip.Store, "index.js", "1", "Index.js", "2"),
		"folders twice":    zipOf(t, zip.Store, "d/", "", "d/", "", "d/a..b", "2"),
		"as bsdtar writes": zipOf(t, zip.Store, "./", "", "./index.js", "1"),
	} {
		_, err := deploy.Digest(bytes.NewReader(archive), int64(len(archive)))
		assert.NoError(t, err, what)
	}
}

func TestDigestDamagedArchive(t *testing.T) {
	t.Parallel()
	whole := zipOf(t, zip.Store, "a.js", "some content that is long enough to be damaged")
	damaged := bytes.Replace(whole, []byte("long"), []byte("wrong")[:4], 1)
	for says, archive := range map[string][]byte{
		"a.js in the archive is damaged": damaged,
		"not a zip archive":              whole[:len(whole)/2],
		"the archive has no files":       zipOf(t, zip.Store, "d/", ""),
	} {
		_, err := deploy.Digest(bytes.NewReader(archive), int64(len(archive)))
		assert.ErrorContains(t, err, says)
	}
}
