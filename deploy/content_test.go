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
		"before the upload":         {before: second, says: ", at version 1): the archive changed", version: 1},
		"during the upload":         {during: second, says: "version 2 of hr-feed (", version: 2},
		"and back":                  {during: second, after: first, says: "version 2 of hr-feed (", version: 2},
		"truncated":                 {during: first[:10], says: ", at version 1): ", version: 1},
		"after the upload":          {after: second, version: 2},
		"to the same, with a retry": {during: first, version: 2},
		"to another, with a retry":  {during: second, says: "version 2 of hr-feed (", version: 2},
		"to nothing, before":        {before: []byte{}, says: ", at version 1): ", version: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, record := filepath.Join(dir, "a.zip"), filepath.Join(dir, "deployed.jsonl")
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
				assert.Equal(t, want, r.ContentSHA256)
				assert.FileExists(t, record)
				return
			}
			require.ErrorIs(t, err, deploy.ErrArchiveChanged)
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
