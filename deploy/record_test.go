package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/deploy"
)

// A record that is a link, as into the folder of a cache, stays one.
func TestRecordThroughLinks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		links map[string]string // from a name to what it says
		file  string            // where the record is then
		there bool              // from the start
	}{
		"to a file":                     {links: map[string]string{"deployed.json": "real.json"}, file: "real.json", there: true},
		"to a file that is not there":   {links: map[string]string{"deployed.json": "real.json"}, file: "real.json"},
		"to a folder that is not there": {links: map[string]string{"deployed.json": "new/real.json"}, file: "new/real.json"},
		"to a link": {
			links: map[string]string{"deployed.json": "deep/link.json", "deep/link.json": "../real.json"},
			file:  "real.json",
		},
		"upwards from a linked folder": {
			links: map[string]string{"linked": "deep/down", "deployed.json": "linked/link.json", "deep/down/link.json": "../real.json"},
			file:  "deep/real.json",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, content := t.TempDir(), simple(t)
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "deep", "down"), 0o700))
			for link, to := range tt.links {
				if err := os.Symlink(filepath.FromSlash(to), filepath.Join(dir, link)); err != nil {
					t.Skip("links need a privilege here:", err)
				}
			}
			file := filepath.Join(dir, filepath.FromSlash(tt.file))
			if tt.there {
				require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
			}
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				opts := deploy.Options{Record: filepath.Join(dir, "deployed.json")}
				for _, uploaded := range []bool{true, false} {
					r, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", content, opts)
					require.NoError(t, err)
					assert.Equal(t, uploaded, r.Uploaded)
				}
			})
			for link := range tt.links {
				info, err := os.Lstat(filepath.Join(dir, link))
				require.NoError(t, err)
				assert.Equal(t, fs.ModeSymlink, info.Mode().Type(), link)
			}
			info, err := os.Lstat(file)
			require.NoError(t, err)
			assert.True(t, info.Mode().IsRegular())
		})
	}
}

// A record keeps the permissions that somebody gave it.
func TestRecordKeepsItsMode(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no such permissions there")
	}
	for name, tt := range map[string]struct{ before, after fs.FileMode }{
		"new":        {0, 0o600},
		"for all":    {0o644, 0o644},
		"of a group": {0o660, 0o660},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record, content := filepath.Join(t.TempDir(), "deployed.json"), simple(t)
			if tt.before != 0 {
				require.NoError(t, os.WriteFile(record, []byte("{}"), 0o600))
				require.NoError(t, os.Chmod(record, tt.before)) // whatever the umask
			}
			bubble(t, func(t *testing.T, srv *customizerstest.Server) {
				_, err := deploy.Deploy(t.Context(), srv.Client(), "hr-feed", content, deploy.Options{Record: record})
				require.NoError(t, err)
			})
			info, err := os.Stat(record)
			require.NoError(t, err)
			assert.Equal(t, tt.after, info.Mode())
		})
	}
}
